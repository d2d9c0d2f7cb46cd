//! The bans that are measured with, by the numbers that the programs draw.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mailwall_common::KernelInstant;
use mailwall_filter::synthetic::{NETWORKS_FIRST, address_v4, prefix_v6};

/// How many bans of each kind there are. The numbers of each kind start at zero, those of networks at [`NETWORKS_FIRST`].
#[derive(Clone, Copy)]
pub struct Bans {
    /// Single IPv4 addresses.
    pub addresses: u32,
    /// More of them, which are on the allowlist too.
    pub allowed: u32,
    /// IPv4 networks.
    pub networks: u32,
    /// IPv6 /64 prefixes.
    pub prefixes: u32,
    /// IPv6 /48 networks.
    pub networks_v6: u32,
}

impl Bans {
    /// What a small host has.
    pub const SMALL: Self = Self {
        addresses: 1_000,
        allowed: 10,
        networks: 100,
        prefixes: 100,
        networks_v6: 10,
    };

    /// What the tables have to bear.
    pub const LARGE: Self = Self {
        addresses: 1_000_000,
        allowed: 1_000,
        networks: 100_000,
        prefixes: 100_000,
        networks_v6: 10_000,
    };

    /// Nothing but single IPv4 addresses.
    pub const fn singles(addresses: u32) -> Self {
        Self {
            addresses,
            allowed: 0,
            networks: 0,
            prefixes: 0,
            networks_v6: 0,
        }
    }

    /// Single IPv4 addresses, the allowlisted ones at the end.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        distinct((0..self.addresses + self.allowed).map(|number| address_v4(number).into()))
    }

    /// IPv4 networks, most of them /24.
    pub fn networks(self) -> impl Iterator<Item = Ipv4Net> {
        distinct(
            (0..self.networks)
                .filter_map(|number| network(address_v4(NETWORKS_FIRST + number), number)),
        )
    }

    /// IPv6 /64 prefixes.
    pub fn prefixes(self) -> impl Iterator<Item = Ipv6Net> {
        distinct((0..self.prefixes).filter_map(|number| of_prefix(prefix_v6(number), 64)))
    }

    /// IPv6 networks.
    pub fn networks_v6(self) -> impl Iterator<Item = Ipv6Net> {
        distinct(
            (0..self.networks_v6)
                .filter_map(|number| of_prefix(prefix_v6(NETWORKS_FIRST + number), 48)),
        )
    }

    /// All of them as the agent takes them, without an end.
    pub fn all(self) -> Vec<(IpNet, KernelInstant)> {
        let singles = self.addresses().map(|address| IpNet::V4(address.into()));
        singles
            .chain(self.networks().map(IpNet::V4))
            .chain(self.prefixes().map(IpNet::V6))
            .chain(self.networks_v6().map(IpNet::V6))
            .map(|net| (net, KernelInstant::NEVER))
            .collect()
    }

    /// The allowlist.
    pub fn allowlist(self) -> Vec<IpNet> {
        (self.addresses..self.addresses + self.allowed)
            .map(|number| IpNet::V4(Ipv4Addr::from_bits(address_v4(number)).into()))
            .collect()
    }
}

/// Of a hundred networks, seventy are /24, as lists of the Internet have them; the others are /16 to /30.
fn network(address: u32, number: u32) -> Option<Ipv4Net> {
    let prefix_len = match number % 100 {
        0 => 16 + number / 100 % 4,
        1..=9 => 20 + number % 4,
        10..=79 => 24,
        _ => 25 + number % 6,
    };
    let net = Ipv4Net::new(address.into(), u8::try_from(prefix_len).ok()?).ok()?;
    Some(net.trunc())
}

fn of_prefix(prefix: u64, prefix_len: u8) -> Option<Ipv6Net> {
    let address = Ipv6Addr::from_bits(u128::from(prefix) << 64);
    Some(Ipv6Net::new(address, prefix_len).ok()?.trunc())
}

fn distinct<T: Copy + Eq + std::hash::Hash>(
    all: impl Iterator<Item = T>,
) -> impl Iterator<Item = T> {
    let mut seen = HashSet::new();
    all.filter(move |one| seen.insert(*one))
}
