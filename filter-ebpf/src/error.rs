//! Why a packet is not judged. None of these is a reason to drop it.

use mailwall_common::Verdict;

/// Why a packet is passed without asking whether its source is banned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Error {
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// Not TCP, or behind an IPv6 header that hides what it is.
    NotTcp,
    /// More VLAN tags than are looked through.
    DeepVlan,
    /// A header that is cut short or contradicts itself.
    Malformed,
    /// A fragment that is not the first.
    LaterFragment,
}

impl Error {
    /// What the packet is counted as.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::NotIp => Verdict::NotIp,
            Self::NotTcp => Verdict::NotTcp,
            Self::DeepVlan => Verdict::DeepVlan,
            Self::Malformed => Verdict::Malformed,
            Self::LaterFragment => Verdict::LaterFragment,
        }
    }
}
