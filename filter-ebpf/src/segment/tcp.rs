//! TCP (RFC 9293): port and flags.

use super::{Part, Segment, Source, Tcp};
use crate::{
    error::Error,
    packet::{Packet, Wire},
};

/// Protocol number of TCP, as IANA assigned it.
pub const PROTOCOL: u8 = 6;

/// The header up to the flags: what a first fragment must show.
#[derive(Clone, Copy)]
#[repr(C)]
struct Start {
    source_port: u16,
    destination_port: u16,
    sequence: [u16; 2],
    acknowledgement: [u16; 2],
    data_offset: u8,
    flags: Flags,
}

// SAFETY: integers in `repr(C)`, size asserted below: no padding.
unsafe impl Wire for Start {}

/// The header without options: what any other packet must show.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    start: Start,
    window: u16,
    checksum: u16,
    urgent: u16,
}

// SAFETY: integers in `repr(C)`, size asserted below: no padding.
unsafe impl Wire for Header {}

const _: () = assert!(size_of::<Start>() == 14 && size_of::<Header>() == 20);

/// Control bits of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(transparent)]
pub struct Flags(u8);

impl Flags {
    const FIN: u8 = 0x01;
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    const ACK: u8 = 0x10;

    /// From the byte of the header.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether this is a connection's first segment: SYN with none of ACK, RST and FIN. The other bits say nothing of it (ECE
    /// and CWR ask for congestion notification, RFC 3168).
    #[inline(always)]
    pub const fn open_a_connection(self) -> bool {
        self.0 & (Self::SYN | Self::ACK | Self::RST | Self::FIN) == Self::SYN
    }
}

/// Where in the frame the segment, or what leads to it, is.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    /// Where the IP packet says it ends; the frame may end before and after that.
    pub(super) end: usize,
    pub(super) part: Part,
}

impl Span {
    /// Reads a `T` at the start; nothing if the packet or the frame ends before its last byte.
    #[inline(always)]
    pub(super) fn load<P: Packet, T: Wire>(&self, frame: &P) -> Option<T> {
        if self.start + size_of::<T>() > self.end {
            return None;
        }
        frame.load(self.start)
    }
}

/// What the TCP header in `span` says.
#[inline(always)]
pub(super) fn segment<P: Packet>(frame: &P, source: Source, span: Span) -> Result<Segment, Error> {
    let start = match span.part {
        Part::Whole => Some(span.load::<P, Header>(frame).ok_or(Error::Malformed)?.start),
        Part::FirstFragment => span.load::<P, Start>(frame),
    };
    let tcp = match start {
        Some(start) => Tcp::Shown {
            port: u16::from_be(start.destination_port),
            flags: start.flags,
        },
        None => Tcp::Hidden,
    };
    Ok(Segment { source, tcp })
}
