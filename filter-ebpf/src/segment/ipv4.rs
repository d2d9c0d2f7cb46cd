//! IPv4 (RFC 791): options are skipped, fragments told apart.

use mailwall_common::AddressV4;

use super::{Part, Segment, Source, tcp};
use crate::{
    error::Error,
    packet::{Packet, Wire},
};

/// Flag of the fragment field: more fragments follow.
const MORE_FRAGMENTS: u16 = 0x2000;
/// Bits of the fragment field that say where the fragment belongs, in units of 8 bytes.
const FRAGMENT_OFFSET: u16 = 0x1fff;

#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    version_and_words: u8,
    traffic_class: u8,
    total_len: u16,
    identification: u16,
    fragment: u16,
    time_to_live: u8,
    protocol: u8,
    checksum: u16,
    source: AddressV4,
    destination: AddressV4,
}

// SAFETY: integers in `repr(C)`, size asserted below: no padding.
unsafe impl Wire for Header {}

const _: () = assert!(size_of::<Header>() == 20);

/// The TCP segment in the IPv4 packet at `at`.
#[inline(always)]
pub fn ipv4<P: Packet>(frame: &P, at: usize) -> Result<Segment, Error> {
    let header: Header = frame.load(at).ok_or(Error::Malformed)?;
    let header_len = usize::from(header.version_and_words & 0x0f) * 4;
    let total_len = usize::from(u16::from_be(header.total_len));
    if header.version_and_words >> 4 != 4
        || header_len < size_of::<Header>()
        || header_len > total_len
    {
        return Err(Error::Malformed);
    }
    let _last_of_options: u8 = frame.load(at + header_len - 1).ok_or(Error::Malformed)?;
    if header.protocol != tcp::PROTOCOL {
        return Err(Error::NotTcp);
    }
    let span = tcp::Span {
        start: at + header_len,
        end: at + total_len,
        part: part(u16::from_be(header.fragment))?,
    };
    tcp::segment(frame, Source::V4(header.source), span)
}

#[inline(always)]
const fn part(fragment: u16) -> Result<Part, Error> {
    if fragment & FRAGMENT_OFFSET != 0 {
        Err(Error::LaterFragment)
    } else if fragment & MORE_FRAGMENTS != 0 {
        Ok(Part::FirstFragment)
    } else {
        Ok(Part::Whole)
    }
}
