//! For whom events are counted: addresses and their networks.

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The widest IPv4 network that is banned automatically.
pub(crate) const NETWORK_V4: u8 = 24;
/// The widest IPv6 network that is banned automatically.
pub(crate) const NETWORK_V6: u8 = 48;

/// How addresses become the nets that are counted and banned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Subjects {
    ipv6_prefix: u8,
}

impl Subjects {
    /// IPv6 hosts are told apart by their first `ipv6_prefix` bits, at least [`NETWORK_V6`] and at most 128.
    pub(crate) fn new(ipv6_prefix: u8) -> Self {
        Self {
            ipv6_prefix: ipv6_prefix.clamp(NETWORK_V6, 128),
        }
    }

    /// What counts as one host.
    pub(crate) fn host(self, address: IpAddr) -> IpNet {
        prefix(address, 32, self.ipv6_prefix)
    }
}

/// A net as a key of tables: it is hashed as one number, where its parts one by one would take longer than the look itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NetKey(pub(crate) IpNet);

impl Hash for NetKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            IpNet::V4(net) => {
                let address = u64::from(net.addr().to_bits());
                state.write_u64(address << 8 | u64::from(net.prefix_len()));
            }
            IpNet::V6(net) => {
                state.write_u128(net.addr().to_bits() ^ u128::from(net.prefix_len()));
            }
        }
    }
}

/// The widest net around `address` that is banned automatically.
pub(crate) fn network(address: IpAddr) -> IpNet {
    prefix(address, NETWORK_V4, NETWORK_V6)
}

fn prefix(address: IpAddr, v4: u8, v6: u8) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let host_bits = u32::MAX.checked_shr(v4.into()).unwrap_or(0);
            let first = Ipv4Addr::from_bits(address.to_bits() & !host_bits);
            IpNet::V4(Ipv4Net::new_assert(first, v4))
        }
        IpAddr::V6(address) => IpNet::V6(Ipv6Net::new_assert(address, v6).trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Subjects, network};

    #[test]
    fn hosts_and_networks_have_their_prefix_lengths() {
        let host = |address: &str| Subjects::new(64).host(address.parse().unwrap()).to_string();
        let wide = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!(host("203.0.113.7"), "203.0.113.7/32");
        assert_eq!(host("::ffff:203.0.113.7"), "203.0.113.7/32");
        assert_eq!(host("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
        assert_eq!(wide("203.0.113.7"), "203.0.113.0/24");
        assert_eq!(wide("2001:db8:1:2:3::4"), "2001:db8:1::/48");
    }

    #[test]
    fn a_configured_prefix_is_never_wider_than_what_is_banned_automatically() {
        let host = Subjects::new(16).host("2001:db8:1:2::4".parse().unwrap());
        assert_eq!(host.prefix_len(), 48);
    }
}
