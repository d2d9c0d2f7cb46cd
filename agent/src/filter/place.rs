//! Where a ban sits in the kernel, and under which key.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mailwall_common::{AddressV4, NetworkV4, NetworkV6, PrefixV6};

/// A ban's place. Two nets that are the same but for host bits have the same place.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Place {
    /// IPv4 /32, in `ADDRESSES_V4`, or in the trie if there is no room for it.
    AddressV4(AddressV4),
    /// IPv6 /64, in `PREFIXES_V6`, or in the trie if there is no room for it.
    PrefixV6(PrefixV6),
    /// Anything else.
    Network(Network),
}

/// A network in a trie.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Network {
    /// In `NETWORKS_V4`.
    V4(NetworkV4),
    /// In `NETWORKS_V6`.
    V6(NetworkV6),
}

impl Place {
    /// The place of a ban of `net`.
    pub fn of(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) if net.prefix_len() == 32 => {
                Self::AddressV4(AddressV4::from_octets(net.addr().octets()))
            }
            IpNet::V6(net) if net.prefix_len() == 64 => {
                let [a, b, c, d, e, f, g, h, ..] = net.addr().octets();
                Self::PrefixV6(PrefixV6::from_octets([a, b, c, d, e, f, g, h]))
            }
            net => Self::Network(Network::of(net)),
        }
    }

    /// The same as a network of a trie.
    pub fn network(self) -> Network {
        match self {
            Self::AddressV4(address) => Network::V4(NetworkV4::new(32, address.octets())),
            Self::PrefixV6(prefix) => {
                let mut octets = [0; 16];
                octets[..8].copy_from_slice(&prefix.octets());
                Network::V6(NetworkV6::new(64, octets))
            }
            Self::Network(network) => network,
        }
    }

    /// The net that is banned by an entry at this place.
    pub fn net(self) -> IpNet {
        self.network().net()
    }
}

impl Network {
    /// `net`, of any width.
    pub fn of(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) => Self::V4(net.into()),
            IpNet::V6(net) => Self::V6(net.into()),
        }
    }

    /// The net. The kernel takes no key with a longer prefix than the address has.
    pub fn net(self) -> IpNet {
        match self {
            Self::V4(network) => {
                let prefix_len = network.prefix_len().min(32) as u8;
                IpNet::V4(Ipv4Net::new_assert(network.octets().into(), prefix_len).trunc())
            }
            Self::V6(network) => {
                let prefix_len = network.prefix_len().min(128) as u8;
                IpNet::V6(Ipv6Net::new_assert(network.octets().into(), prefix_len).trunc())
            }
        }
    }

    /// Bits that an address must share with it.
    pub const fn prefix_len(self) -> u32 {
        match self {
            Self::V4(network) => network.prefix_len(),
            Self::V6(network) => network.prefix_len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_apart_from_networks() {
        for (net, is_network) in [
            ("192.0.2.1/32", false),
            ("192.0.2.0/31", true),
            ("0.0.0.0/0", true),
            ("2001:db8::/64", false),
            ("2001:db8::1/128", true),
            ("2001:db8::/65", true),
            ("2001:db8::/63", true),
            ("::/0", true),
        ] {
            let net: IpNet = net.parse().unwrap();
            let place = Place::of(net);
            assert_eq!(matches!(place, Place::Network(_)), is_network, "{net}");
            assert_eq!(place.net(), net.trunc(), "{net}");
            assert_eq!(Network::of(net), place.network(), "{net}");
        }
    }

    #[test]
    fn host_bits_do_not_make_another_place() {
        for (loose, exact) in [
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("2001:db8::5/64", "2001:db8::/64"),
            ("2001:db8::5/48", "2001:db8::/48"),
        ] {
            let loose: IpNet = loose.parse().unwrap();
            let exact: IpNet = exact.parse().unwrap();
            assert_eq!(Place::of(loose), Place::of(exact));
        }
    }
}
