//! What comes in, and which programs it is measured with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mailwall_filter::synthetic::{CLEAN_COUNT, CLEAN_FIRST, NETWORKS_FIRST};
use mailwall_tests::packet::{Frame, SYN, UDP};

use super::{bans::Bans, loader::Sources};

/// A case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Case {
    /// UDP, from one source.
    Udp,
    /// A SYN to a port that is not guarded, from one source.
    OtherPort,
    /// A SYN from random IPv4 addresses.
    CleanV4,
    /// A SYN from random IPv6 addresses.
    CleanV6,
    /// A SYN from banned IPv4 addresses.
    BannedV4,
    /// A SYN from banned IPv6 /64s.
    BannedV6,
    /// A SYN from addresses in banned IPv4 networks.
    NetworkV4,
    /// A SYN from addresses in banned IPv6 networks.
    NetworkV6,
    /// A SYN from banned IPv4 addresses that are on the allowlist.
    Allowed,
}

/// What XDP programs answer, of `enum xdp_action` in include/uapi/linux/bpf.h.
pub const XDP_DROP: u32 = 1;

impl Case {
    /// In the order of the report.
    pub const ALL: [Self; 9] = [
        Self::Udp,
        Self::OtherPort,
        Self::CleanV4,
        Self::CleanV6,
        Self::BannedV4,
        Self::BannedV6,
        Self::NetworkV4,
        Self::NetworkV6,
        Self::Allowed,
    ];

    /// Kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::OtherPort => "other-port",
            Self::CleanV4 => "clean-v4",
            Self::CleanV6 => "clean-v6",
            Self::BannedV4 => "banned-v4",
            Self::BannedV6 => "banned-v6",
            Self::NetworkV4 => "banned-network-v4",
            Self::NetworkV6 => "banned-network-v6",
            Self::Allowed => "allowed-v4",
        }
    }

    /// What it is, in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Udp => "UDP packet",
            Self::OtherPort => "SYN to port 443",
            Self::CleanV4 => "SYN from a random IPv4 address",
            Self::CleanV6 => "SYN from a random IPv6 address",
            Self::BannedV4 => "SYN from a banned IPv4 address",
            Self::BannedV6 => "SYN from a banned IPv6 /64",
            Self::NetworkV4 => "SYN from a banned IPv4 network",
            Self::NetworkV6 => "SYN from a banned IPv6 network",
            Self::Allowed => "SYN from a banned, but allowlisted IPv4 address",
        }
    }

    /// The frame.
    pub fn frame(self) -> Vec<u8> {
        let v4 = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 1));
        let v6 = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
        let frame = match self {
            Self::Udp => Frame::new().ip(v4).payload(UDP, &[0; 32]),
            Self::OtherPort => Frame::new().ip(v4).tcp(443, SYN),
            Self::CleanV4 | Self::BannedV4 | Self::NetworkV4 | Self::Allowed => {
                Frame::new().ip(v4).tcp(25, SYN)
            }
            Self::CleanV6 | Self::BannedV6 | Self::NetworkV6 => Frame::new().ip(v6).tcp(25, SYN),
        };
        frame.bytes().to_vec()
    }

    /// Where it comes from.
    pub fn sources(self, bans: Bans) -> Sources {
        match self {
            Self::Udp | Self::OtherPort => Sources::Fixed,
            Self::CleanV4 => Sources::V4 {
                first: CLEAN_FIRST,
                count: CLEAN_COUNT,
            },
            Self::CleanV6 => Sources::V6 {
                first: CLEAN_FIRST,
                count: CLEAN_COUNT,
            },
            Self::BannedV4 => Sources::V4 {
                first: 0,
                count: bans.addresses,
            },
            Self::BannedV6 => Sources::V6 {
                first: 0,
                count: bans.prefixes,
            },
            Self::NetworkV4 => Sources::V4 {
                first: NETWORKS_FIRST,
                count: bans.networks,
            },
            Self::NetworkV6 => Sources::V6 {
                first: NETWORKS_FIRST,
                count: bans.networks_v6,
            },
            Self::Allowed => Sources::V4 {
                first: bans.addresses,
                count: bans.allowed,
            },
        }
    }

    /// The programs, each with what it must do with the last frame; nothing where that depends on chance.
    pub fn programs(self) -> Vec<(&'static str, Option<bool>)> {
        let (pass, drop) = (Some(false), Some(true));
        match self {
            Self::Udp | Self::OtherPort => {
                vec![("empty", pass), ("parse", pass), ("mailwall", pass)]
            }
            Self::CleanV4 => vec![
                ("empty", pass),
                ("draw", pass),
                ("parse", drop),
                ("hash", None),
                ("roomy_hash", None),
                ("hash_trie", None),
                ("bitmap", None),
                ("mailwall", None),
            ],
            Self::CleanV6 => vec![
                ("draw", pass),
                ("parse", drop),
                ("hash", None),
                ("hash_trie", None),
                ("mailwall", None),
            ],
            Self::BannedV4 => vec![
                ("draw", pass),
                ("parse", drop),
                ("hash", drop),
                ("roomy_hash", drop),
                ("hash_trie", drop),
                ("bitmap", drop),
                ("mailwall", drop),
            ],
            Self::BannedV6 => vec![
                ("draw", pass),
                ("parse", drop),
                ("hash", drop),
                ("hash_trie", drop),
                ("mailwall", drop),
            ],
            Self::NetworkV4 => vec![
                ("draw", pass),
                ("parse", drop),
                ("hash_trie", drop),
                ("bitmap", drop),
                ("mailwall", drop),
            ],
            Self::NetworkV6 => vec![
                ("draw", pass),
                ("parse", drop),
                ("hash_trie", drop),
                ("mailwall", drop),
            ],
            Self::Allowed => vec![("draw", pass), ("parse", drop), ("mailwall", pass)],
        }
    }
}
