//! Whether more bans fit.

use mailwall_common::{
    ADDRESSES_V4_CAPACITY, BAN_RECORDS_CAPACITY, NETWORKS_CAPACITY, PREFIXES_V6_CAPACITY, map_name,
};
use thiserror::Error;

use super::place::{Network, Place};

/// Bans by the map that they are in, or belong in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Numbers {
    /// IPv4 /32.
    pub addresses_v4: usize,
    /// IPv6 /64.
    pub prefixes_v6: usize,
    /// Other IPv4 nets, and addresses for which there was no room in the lines.
    pub networks_v4: usize,
    /// Other IPv6 nets, and /64 for which there was no room in the lines.
    pub networks_v6: usize,
}

/// More bans than a map holds.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error(
    "{wanted} more bans do not fit into {map}: it holds {held} of at most {capacity}; \
     ban networks in place of single addresses, or remove bans"
)]
pub struct Full {
    /// The map.
    pub map: &'static str,
    /// Bans in it.
    pub held: usize,
    /// Bans that would be added.
    pub wanted: usize,
    /// Bans that fit.
    pub capacity: u32,
}

impl Numbers {
    /// One more at this place.
    pub fn count(&mut self, place: Place) {
        match place {
            Place::AddressV4(_) => self.addresses_v4 += 1,
            Place::PrefixV6(_) => self.prefixes_v6 += 1,
            Place::Network(network) => self.count_network(network),
        }
    }

    /// One more in this trie.
    pub fn count_network(&mut self, network: Network) {
        match network {
            Network::V4(_) => self.networks_v4 += 1,
            Network::V6(_) => self.networks_v6 += 1,
        }
    }

    /// Whether `wanted` new ones fit beside these, when there are so many free records.
    ///
    /// # Errors
    /// [`Full`] when they do not.
    pub fn check(self, wanted: Self, free_records: usize) -> Result<(), Full> {
        let maps = [
            (
                map_name::ADDRESSES_V4,
                self.addresses_v4,
                wanted.addresses_v4,
                ADDRESSES_V4_CAPACITY,
            ),
            (
                map_name::PREFIXES_V6,
                self.prefixes_v6,
                wanted.prefixes_v6,
                PREFIXES_V6_CAPACITY,
            ),
            (
                map_name::NETWORKS_V4,
                self.networks_v4,
                wanted.networks_v4,
                NETWORKS_CAPACITY,
            ),
            (
                map_name::NETWORKS_V6,
                self.networks_v6,
                wanted.networks_v6,
                NETWORKS_CAPACITY,
            ),
            (
                map_name::BAN_RECORDS,
                BAN_RECORDS_CAPACITY as usize - free_records,
                wanted.networks_v4 + wanted.networks_v6,
                BAN_RECORDS_CAPACITY,
            ),
        ];
        for (map, held, wanted, capacity) in maps {
            if held + wanted > capacity as usize {
                return Err(Full {
                    map,
                    held,
                    wanted,
                    capacity,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_with_its_map() {
        let held = Numbers {
            addresses_v4: (1 << 20) - 3,
            ..Numbers::default()
        };
        let wanted = |addresses_v4| Numbers {
            addresses_v4,
            ..Numbers::default()
        };
        assert_eq!(held.check(wanted(3), 10), Ok(()));
        assert_eq!(
            held.check(wanted(4), 10).unwrap_err().to_string(),
            "4 more bans do not fit into ADDRESSES_V4: it holds 1048573 of at most 1048576; \
             ban networks in place of single addresses, or remove bans"
        );
        let networks = Numbers {
            networks_v6: 11,
            ..Numbers::default()
        };
        assert_eq!(
            held.check(networks, 10).unwrap_err().map,
            map_name::BAN_RECORDS
        );
    }
}
