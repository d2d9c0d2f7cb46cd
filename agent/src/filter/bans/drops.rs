//! The packets that each ban dropped. The kernel goes on counting while they are read or raised.

use std::sync::atomic::Ordering;

use ipnet::IpNet;

use super::{
    super::{error::FilterError, place::Place},
    Bans, Held,
};

impl Bans {
    /// Packets that the ban of exactly `net` dropped; `None` when there is none.
    pub fn drops(&self, net: &IpNet) -> Result<Option<u64>, FilterError> {
        Ok(match self.find(Place::of(*net))? {
            None => None,
            Some(Held::Address { drops, .. }) => Some(drops),
            Some(Held::Network(slot)) => {
                Some(self.record(slot, |record| record.drops.load(Ordering::Relaxed))?)
            }
        })
    }

    /// [`Bans::drops`] of many.
    pub fn drops_of_each(&mut self, nets: &[IpNet]) -> Result<Vec<Option<u64>>, FilterError> {
        self.held(nets.len(), |bans| {
            nets.iter().map(|net| bans.drops(net)).collect()
        })
    }

    /// Makes the drops of bans so many, where they are fewer. Nets that are not banned are passed over.
    pub fn raise_drops(&mut self, least: &[(IpNet, u64)]) -> Result<(), FilterError> {
        self.held(least.len(), |bans| {
            for (net, drops) in least {
                bans.raise(Place::of(*net), *drops)?;
            }
            Ok(())
        })
    }

    fn raise(&self, place: Place, least: u64) -> Result<(), FilterError> {
        let is_address = match place {
            Place::AddressV4(address) => self.addresses_v4.raise_drops(address, least)?,
            Place::PrefixV6(prefix) => self.prefixes_v6.raise_drops(prefix, least)?,
            Place::Network(_) => false,
        };
        if !is_address && let Some(slot) = self.table.slot(place.network()) {
            self.record(slot, |record| {
                record.drops.fetch_max(least, Ordering::Relaxed);
            })?;
        }
        Ok(())
    }
}
