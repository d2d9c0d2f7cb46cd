//! Bans of single addresses: in their lines, with their presence.

use mailwall_common::{KernelInstant, Ticks};

use super::{
    super::{
        error::FilterError,
        lines::Put,
        place::{Network, Place},
        readers,
        room::Numbers,
        settings::SettingsEntry,
    },
    Bans,
};

impl Bans {
    /// Takes more buckets of addresses into use, if so many more are to come.
    pub(super) fn make_room(
        &mut self,
        more: Numbers,
        settings: &mut SettingsEntry,
    ) -> Result<(), FilterError> {
        let v4 = self.addresses_v4.buckets_for(more.addresses_v4);
        let v6 = self.prefixes_v6.buckets_for(more.prefixes_v6);
        if (v4, v6) == (self.addresses_v4.buckets(), self.prefixes_v6.buckets()) {
            return Ok(());
        }
        let copied_v4 = self.addresses_v4.copy_to(v4)?;
        let copied_v6 = self.prefixes_v6.copy_to(v6)?;
        settings.change(|settings| {
            settings.buckets_v4 = v4;
            settings.buckets_v6 = v6;
        })?;
        if !copied_v4.is_empty() || !copied_v6.is_empty() {
            // Who still looks for somebody in the old place must find them.
            readers::wait();
        }
        self.addresses_v4.leave(&copied_v4)?;
        self.prefixes_v6.leave(&copied_v6)?;
        Ok(())
    }

    /// Bans addresses, but for ends that are to be sooner. Notes what was done, what is left to do, and who found no room.
    pub(super) fn put_addresses(
        &mut self,
        addresses: &[(Place, KernelInstant, Option<Ticks>)],
        done: &mut Vec<(Place, Option<Ticks>)>,
        sooner: &mut Vec<(Place, Ticks)>,
        networks: &mut Vec<(Network, KernelInstant)>,
    ) -> Result<(), FilterError> {
        for (place, ends, before) in addresses {
            let end = Ticks::not_before(*ends);
            match before {
                Some(before) if end <= *before => sooner.push((*place, end)),
                Some(_) => {
                    self.renew(*place, end)?;
                    done.push((*place, *before));
                }
                None if self.put(*place, end)? => done.push((*place, None)),
                None => networks.push((place.network(), *ends)),
            }
        }
        Ok(())
    }

    /// Bans an address that is not banned, with its presence; tells whether there was room.
    fn put(&mut self, place: Place, end: Ticks) -> Result<bool, FilterError> {
        let put = match place {
            Place::AddressV4(address) => {
                self.presence_v4.add_address(address)?;
                let put = self.addresses_v4.put(address, end)?;
                if put == Put::NoRoom {
                    self.presence_v4.remove_address(address)?;
                }
                put
            }
            Place::PrefixV6(prefix) => {
                self.presence_v6.add_prefix(prefix)?;
                let put = self.prefixes_v6.put(prefix, end)?;
                if put == Put::NoRoom {
                    self.presence_v6.remove_prefix(prefix)?;
                }
                put
            }
            Place::Network(_) => Put::NoRoom,
        };
        Ok(put != Put::NoRoom)
    }

    /// Gives the ban of an address that is in its line another end.
    pub(super) fn renew(&mut self, place: Place, end: Ticks) -> Result<(), FilterError> {
        match place {
            Place::AddressV4(address) => self.addresses_v4.put(address, end).map(drop)?,
            Place::PrefixV6(prefix) => self.prefixes_v6.put(prefix, end).map(drop)?,
            Place::Network(_) => {}
        }
        Ok(())
    }

    /// Removes an address; tells whether it was there.
    pub(super) fn remove_address(&mut self, place: Place) -> Result<bool, FilterError> {
        Ok(match place {
            Place::AddressV4(address) if self.addresses_v4.remove(address)? => {
                self.presence_v4.remove_address(address)?;
                true
            }
            Place::PrefixV6(prefix) if self.prefixes_v6.remove(prefix)? => {
                self.presence_v6.remove_prefix(prefix)?;
                true
            }
            Place::AddressV4(_) | Place::PrefixV6(_) | Place::Network(_) => false,
        })
    }

    /// Takes back what [`Bans::put_addresses`] did.
    pub(super) fn undo(&mut self, done: &[(Place, Option<Ticks>)]) -> Result<(), FilterError> {
        for (place, before) in done {
            match before {
                None => {
                    self.remove_address(*place)?;
                }
                Some(before) => {
                    self.renew(*place, *before)?;
                }
            }
        }
        Ok(())
    }
}
