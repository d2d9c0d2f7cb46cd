//! IPv6 (RFC 8200): extension headers are walked until TCP or something that cannot lead to it.

use mailwall_common::AddressV6;

use super::{Part, Segment, Source, Tcp, tcp};
use crate::{
    error::Error,
    packet::{Packet, Wire},
};

/// Extension headers that are walked.
const EXTENSIONS_MAX: usize = 8;

// Next header values, as IANA assigned them.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// Flag of the fragment header's offset field: more fragments follow.
const MORE_FRAGMENTS: u16 = 0x0001;
/// Bits of that field that say where the fragment belongs, in units of 8 bytes.
const FRAGMENT_OFFSET: u16 = 0xfff8;

#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    version: u8,
    traffic_class_and_flow: [u8; 3],
    payload_len: u16,
    next: u8,
    hop_limit: u8,
    source: AddressV6,
    destination: AddressV6,
}

// SAFETY: integers in `repr(C)`, size asserted below: no padding.
unsafe impl Wire for Header {}

/// The first eight bytes, which every extension header has.
#[derive(Clone, Copy)]
#[repr(C)]
struct Extension {
    next: u8,
    len: u8,
    /// In a fragment header: where the fragment belongs.
    fragment: u16,
    rest: u32,
}

// SAFETY: integers in `repr(C)`, size asserted below: no padding.
unsafe impl Wire for Extension {}

const _: () = assert!(size_of::<Header>() == 40 && size_of::<Extension>() == 8);

/// The TCP segment in the IPv6 packet at `at`.
#[inline(always)]
pub fn ipv6<P: Packet>(frame: &P, at: usize) -> Result<Segment, Error> {
    let header: Header = frame.load(at).ok_or(Error::Malformed)?;
    if header.version >> 4 != 6 {
        return Err(Error::Malformed);
    }
    let source = Source::V6(header.source);
    let mut next = header.next;
    let mut span = tcp::Span {
        start: at + size_of::<Header>(),
        end: end(&header, at),
        part: Part::Whole,
    };
    for _ in 0..EXTENSIONS_MAX {
        if !is_extension(next) {
            break;
        }
        let Some(extension) = span.load::<_, Extension>(frame) else {
            return hidden(source, span.part);
        };
        if next == FRAGMENT {
            span.part = part(&extension, span.part)?;
        }
        span.start += extension_len(next, extension.len);
        next = extension.next;
    }
    if next != tcp::PROTOCOL {
        return Err(Error::NotTcp);
    }
    tcp::segment(frame, source, span)
}

/// Where the packet's payload ends. Zero with a hop-by-hop header stands for a length in that header (RFC 2675); Linux does
/// not trim such a packet, whether or not the length is there, so that all of the frame counts.
#[inline(always)]
fn end(header: &Header, at: usize) -> usize {
    let payload_len = usize::from(u16::from_be(header.payload_len));
    if payload_len == 0 && header.next == HOP_BY_HOP {
        usize::MAX
    } else {
        at + size_of::<Header>() + payload_len
    }
}

/// An extension header that is cut short: in a first fragment, it may be there to hide a SYN.
#[inline(always)]
const fn hidden(source: Source, part: Part) -> Result<Segment, Error> {
    match part {
        Part::Whole => Err(Error::Malformed),
        Part::FirstFragment => Ok(Segment {
            source,
            tcp: Tcp::Hidden,
        }),
    }
}

/// What a fragment header makes of the packet. A later fragment's next header is that of the first, so that only TCP tells
/// something.
#[inline(always)]
const fn part(extension: &Extension, before: Part) -> Result<Part, Error> {
    let fragment = u16::from_be(extension.fragment);
    if fragment & FRAGMENT_OFFSET != 0 {
        return Err(match extension.next {
            tcp::PROTOCOL => Error::LaterFragment,
            _ => Error::NotTcp,
        });
    }
    if fragment & MORE_FRAGMENTS != 0 {
        Ok(Part::FirstFragment)
    } else {
        Ok(before)
    }
}

#[inline(always)]
const fn is_extension(next: u8) -> bool {
    matches!(
        next,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY
    )
}

/// Bytes of an extension header: the length field counts 8-byte units after the first, but for the authentication header
/// 4-byte units after the second (RFC 4302, 2.2), and the fragment header has none.
#[inline(always)]
const fn extension_len(kind: u8, len: u8) -> usize {
    match kind {
        FRAGMENT => 8,
        AUTHENTICATION => (len as usize + 2) * 4,
        _ => (len as usize + 1) * 8,
    }
}
