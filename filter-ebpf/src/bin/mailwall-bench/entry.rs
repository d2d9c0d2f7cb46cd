//! Entries of the programs.

use aya_ebpf::{
    bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX},
    macros::xdp,
    programs::XdpContext,
};
use mailwall_filter::{filter::filter, maps::Maps, report, segment::Source};

use crate::{designs, source};

/// Nothing: what the loop around a program costs.
#[xdp]
fn empty(_frame: XdpContext) -> u32 {
    XDP_PASS
}

/// Only writes the next source.
#[xdp]
fn draw(frame: XdpContext) -> u32 {
    source::draw(&frame);
    XDP_PASS
}

/// As far as the flags and the guarded port.
#[xdp]
fn parse(frame: XdpContext) -> u32 {
    source::draw(&frame);
    drop_if(&frame, |_| true)
}

/// A bare hash.
#[xdp]
fn hash(frame: XdpContext) -> u32 {
    source::draw(&frame);
    drop_if(&frame, designs::hash)
}

/// A bare hash with four buckets for each ban.
#[xdp]
fn roomy_hash(frame: XdpContext) -> u32 {
    source::draw(&frame);
    drop_if(&frame, designs::roomy_hash)
}

/// A hash, then a trie.
#[xdp]
fn hash_trie(frame: XdpContext) -> u32 {
    source::draw(&frame);
    drop_if(&frame, designs::hash_then_trie)
}

/// A bitmap, a hash, a trie, a record.
#[xdp]
fn bitmap(frame: XdpContext) -> u32 {
    source::draw(&frame);
    drop_if(&frame, designs::bitmap_hash_trie)
}

/// The filter itself, with its counters, as its own entry has it.
#[xdp]
fn mailwall(frame: XdpContext) -> u32 {
    source::draw(&frame);
    let (verdict, family) = filter(&frame, &Maps);
    report::count(verdict, family);
    if verdict.is_drop() {
        XDP_DROP
    } else {
        XDP_PASS
    }
}

/// Sends the frame out where it came in, from the next source.
#[xdp]
fn flood(frame: XdpContext) -> u32 {
    source::draw_valid(&frame);
    XDP_TX
}

/// Drops everything.
#[xdp]
fn drop_all(_frame: XdpContext) -> u32 {
    XDP_DROP
}

/// Reads the headers, and drops every SYN to a guarded port: the least that a filter has to do.
#[xdp]
fn drop_syns(frame: XdpContext) -> u32 {
    drop_if(&frame, |_| true)
}

#[inline(always)]
fn drop_if(frame: &XdpContext, banned: impl FnOnce(Source) -> bool) -> u32 {
    match designs::guarded_syn(frame) {
        Some(source) if banned(source) => XDP_DROP,
        _ => XDP_PASS,
    }
}

/// The kernel lets only programs under the GPL call some of its functions.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
