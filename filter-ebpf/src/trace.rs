//! Tells the agent, packet by packet, what became of it and from where to where it went. Only the object that is built for tracing
//! has this; the other one has not an instruction of it.
//!
//! What is told is kept in a map between the two steps, and not in registers: there the verifier would follow every way
//! through the parser together with every way through the policy and the telling.

use core::ptr;

use aya_ebpf::{btf_maps::PerCpuArray, macros::btf_map};
use aya_log_ebpf::info;
use mailwall_common::Verdict;

use crate::{
    error::Error,
    packet::{Arrival, Packet},
    segment::{self, Payload, Segment, Source, Tcp},
};

/// What is known of the packet at hand.
#[repr(C)]
struct Seen {
    /// [`NOBODY`], [`V4`] or [`V6`].
    family: u32,
    verdict: Verdict,
    source: [u8; 16],
    port: u32,
}

const NOBODY: u32 = 0;
const V4: u32 = 4;
const V6: u32 = 6;

#[btf_map]
static SEEN: PerCpuArray<Seen, 1> = PerCpuArray::new();

/// Notes who sent a frame, before it is judged.
#[inline(always)]
pub fn look<P: Packet>(frame: &P, payload: Result<Payload, Error>) {
    let Some(seen) = SEEN.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: the pointer is to this CPU's element of an array, which lives as long as the map; a program of this type is
    // not interrupted by another run of itself on the same CPU.
    let seen = unsafe { &mut *seen };
    seen.family = NOBODY;
    let segment = match payload {
        Ok(Payload::Ipv4(at)) => segment::ipv4(frame, at),
        Ok(Payload::Ipv6(at)) => segment::ipv6(frame, at),
        Err(_) => return,
    };
    let Ok(Segment { source, tcp }) = segment else {
        return;
    };
    seen.port = match tcp {
        Tcp::Shown { port, .. } => u32::from(port),
        Tcp::Hidden => 0,
    };
    match source {
        Source::V4(address) => {
            let [a, b, c, d] = address.octets();
            seen.source[..4].copy_from_slice(&[a, b, c, d]);
            seen.family = V4;
        }
        Source::V6(address) => {
            seen.source = address.octets();
            seen.family = V6;
        }
    }
}

/// Tells what became of the frame that was last looked at, unless its source was of no interest. The agent reads the text: verdict
/// (its number), source, port (0 where the packet does not show it), interface (its number).
///
/// Gives the verdict back as the map has it. Who goes on with that one lets the verifier forget which it was, and look at
/// the telling once and not for each verdict.
#[inline(always)]
pub fn tell<P: Arrival>(frame: &P, verdict: Verdict) -> Verdict {
    if !verdict.is_traced() {
        return verdict;
    }
    let Some(seen) = SEEN.get_ptr_mut(0) else {
        return verdict;
    };
    // SAFETY: as above. What is read is what was written; volatile, so that the compiler does not see that.
    let verdict = unsafe {
        let at = &raw mut (*seen).verdict;
        ptr::write_volatile(at, verdict);
        ptr::read_volatile(at)
    };
    // SAFETY: as above.
    let seen = unsafe { &*seen };
    let (number, port, interface) = (verdict as u32, seen.port, frame.interface());
    match seen.family {
        V4 => {
            let [a, b, c, d, ..] = seen.source;
            info!(frame, target: "mailwall", "{} {:i} {} {}", number, [a, b, c, d], port, interface);
        }
        V6 => {
            info!(frame, target: "mailwall", "{} {:i} {} {}", number, seen.source, port, interface);
        }
        _ => {}
    }
    verdict
}
