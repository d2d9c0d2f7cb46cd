//! From a frame to the TCP segment in it: Ethernet, VLAN tags, IPv4, IPv6, TCP. What cannot be parsed is an [`Error`](crate::error::Error), and
//! passes. Lengths are those the IP headers name, not the frame's: the padding of a short frame is not a TCP header.

mod ethernet;
mod ipv4;
mod ipv6;
mod tcp;

pub use ethernet::{Payload, bare_payload, payload};
pub use ipv4::ipv4;
pub use ipv6::ipv6;
pub use tcp::{Flags, PROTOCOL as TCP};

use mailwall_common::{AddressV4, AddressV6};

/// Address a packet says it comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Of an IPv4 packet.
    V4(AddressV4),
    /// Of an IPv6 packet.
    V6(AddressV6),
}

/// The start of a TCP segment, and who sent it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Who sent it.
    pub source: Source,
    /// What it says.
    pub tcp: Tcp,
}

/// What the start of a TCP segment says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tcp {
    /// The port it is for, and what it is to do to the connection.
    Shown {
        /// Destination port.
        port: u16,
        /// Control bits.
        flags: Flags,
    },
    /// Nothing: a first fragment that ends before the flags, the rest of which comes in another packet.
    Hidden,
}

/// How much of the segment is in this packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Whole,
    FirstFragment,
}

#[cfg(test)]
mod tests;
