//! Whether more bans fit.

use mailwall_common::{
    ADDRESSES_V4_CAPACITY, BAN_RECORDS_CAPACITY, KernelInstant, NETWORKS_CAPACITY,
    PREFIXES_V6_CAPACITY, map_name,
};
use thiserror::Error;

use super::{Place, Table};

/// How many bans fit.
#[derive(Clone, Copy, Debug)]
pub struct Capacities {
    /// IPv4 /32.
    pub addresses_v4: u32,
    /// IPv6 /64.
    pub prefixes_v6: u32,
    /// Other nets, of each family.
    pub networks: u32,
    /// Records, one for each ban.
    pub records: u32,
}

/// The capacities of the maps.
pub const CAPACITIES: Capacities = Capacities {
    addresses_v4: ADDRESSES_V4_CAPACITY,
    prefixes_v6: PREFIXES_V6_CAPACITY,
    networks: NETWORKS_CAPACITY,
    records: BAN_RECORDS_CAPACITY,
};

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

impl Table {
    /// Whether bans at these places, each named once, fit beside what is held.
    ///
    /// # Errors
    /// [`Full`] when they do not.
    pub(super) fn check_places(&self, bans: &[(Place, KernelInstant)]) -> Result<(), Full> {
        let mut wanted = Wanted::default();
        let mut new = 0;
        for (place, _) in bans {
            if self.slot_at(*place).is_none() {
                wanted.count(*place);
                new += 1;
            }
        }
        let Capacities {
            addresses_v4,
            prefixes_v6,
            networks,
            records: _,
        } = self.capacities;
        let fits = |map, held: usize, wanted: usize, capacity: u32| {
            if held + wanted > capacity as usize {
                return Err(Full {
                    map,
                    held,
                    wanted,
                    capacity,
                });
            }
            Ok(())
        };
        fits(
            map_name::ADDRESSES_V4,
            self.addresses_v4.len(),
            wanted.addresses_v4,
            addresses_v4,
        )?;
        fits(
            map_name::PREFIXES_V6,
            self.prefixes_v6.len(),
            wanted.prefixes_v6,
            prefixes_v6,
        )?;
        fits(
            map_name::NETWORKS_V4,
            self.networks_v4.len(),
            wanted.networks_v4,
            networks,
        )?;
        fits(
            map_name::NETWORKS_V6,
            self.networks_v6.len(),
            wanted.networks_v6,
            networks,
        )?;
        // Records of entries that could not be deleted are never used again, so this can be reached too.
        let capacity = self.capacities.records;
        let held = capacity as usize - self.slots.free();
        fits(map_name::BAN_RECORDS, held, new, capacity)
    }
}

/// How many new entries each map would get.
#[derive(Default)]
struct Wanted {
    addresses_v4: usize,
    prefixes_v6: usize,
    networks_v4: usize,
    networks_v6: usize,
}

impl Wanted {
    fn count(&mut self, place: Place) {
        match place {
            Place::AddressV4(_) => self.addresses_v4 += 1,
            Place::PrefixV6(_) => self.prefixes_v6 += 1,
            Place::NetworkV4(_) => self.networks_v4 += 1,
            Place::NetworkV6(_) => self.networks_v6 += 1,
        }
    }
}
