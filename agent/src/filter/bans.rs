//! The bans in the kernel's maps: single addresses in their lines, networks in tries with records and shortcuts to these, and the
//! presence bits of both. Every change is made in an order in which nobody who is banned before and after it is let in meanwhile.

use std::{collections::HashSet, io, net::IpAddr};

use aya::Ebpf;
use foldhash::quality::RandomState;
use ipnet::IpNet;
use mailwall_common::{
    BAN_RECORDS_CAPACITY, BanSlot, KernelInstant, LINES_V4, LINES_V6, PREFIX_LENGTHS_V4_WORDS,
    PRESENCE_V4_WORDS, PRESENCE_V6_WORDS, SHORTCUT_LINES, Ticks, map_name,
};
use tracing::warn;

use super::{
    error::FilterError,
    lines::Addresses,
    maps::take_shared,
    place::{Network, Place},
    presence::{PresenceV4, PresenceV6},
    ranges::Ranges,
    room::{Full, Numbers},
    settings::SettingsEntry,
    shared::{SharedArray, SharedLineV4, SharedLineV6, SharedRecord},
    shortcuts::Shortcuts,
    table::{Step, Table},
    tries::Tries,
};

mod addresses;
mod drops;
mod networks;

/// From so many bans on, the maps are kept mapped while they are changed.
const MANY: usize = 64;

/// The bans in the kernel.
pub struct Bans {
    addresses_v4: Addresses<SharedLineV4>,
    prefixes_v6: Addresses<SharedLineV6>,
    presence_v4: PresenceV4,
    presence_v6: PresenceV6,
    shortcuts: Shortcuts,
    table: Table,
    tries: Tries,
    records: SharedArray<SharedRecord>,
    /// What is known here is not what is in the maps, because a change failed half-way.
    out_of_step: bool,
}

impl Bans {
    /// Takes the maps out of a loaded object, with what is in them.
    ///
    /// # Errors
    /// When a map is missing, or the kernel refuses.
    pub fn take(ebpf: &mut Ebpf, settings: &mut SettingsEntry) -> Result<Self, FilterError> {
        let seed = settings.get().seed;
        let words_v4 = take_shared(ebpf, map_name::PRESENCE_V4, PRESENCE_V4_WORDS)?;
        let words_v6 = take_shared(ebpf, map_name::PRESENCE_V6, PRESENCE_V6_WORDS)?;
        let lines_v4 = take_shared(ebpf, map_name::ADDRESSES_V4, LINES_V4)?;
        let lines_v6 = take_shared(ebpf, map_name::PREFIXES_V6, LINES_V6)?;
        let lengths = take_shared(ebpf, map_name::PREFIX_LENGTHS_V4, PREFIX_LENGTHS_V4_WORDS)?;
        let shortcuts = take_shared(ebpf, map_name::SHORTCUTS_V4, SHORTCUT_LINES)?;
        let mut bans = Self {
            addresses_v4: Addresses::new(lines_v4, seed),
            prefixes_v6: Addresses::new(lines_v6, seed),
            presence_v4: PresenceV4::new(words_v4),
            presence_v6: PresenceV6::new(words_v6, seed),
            shortcuts: Shortcuts::new(lengths, shortcuts, seed),
            table: Table::new(BAN_RECORDS_CAPACITY),
            tries: Tries::take(ebpf)?,
            records: take_shared(ebpf, map_name::BAN_RECORDS, BAN_RECORDS_CAPACITY)?,
            out_of_step: true,
        };
        bans.step_in(settings)?;
        Ok(bans)
    }

    /// The bans, with their ends. Of a network that lies in another banned one the later end of both may be told, because that
    /// is what the kernel has of it; ends of addresses are told in the kernel's steps.
    pub fn list(&self) -> Result<Vec<(IpNet, KernelInstant)>, FilterError> {
        let mut bans = Vec::with_capacity(self.len());
        self.addresses_v4.each(|address, end| {
            bans.push((Place::AddressV4(address).net(), end.instant()));
        })?;
        self.prefixes_v6.each(|prefix, end| {
            bans.push((Place::PrefixV6(prefix).net(), end.instant()));
        })?;
        bans.extend(
            self.table
                .iter()
                .map(|(network, ends)| (network.net(), ends)),
        );
        Ok(bans)
    }

    /// Makes these the bans, and gives the nets that are to be [removed](Self::remove) then; meanwhile who was banned before is
    /// banned, and so is who is banned now. Of several for one net the last counts.
    ///
    /// # Errors
    /// When they do not fit; then the bans are as before. When the kernel refuses an update.
    pub fn replace(
        &mut self,
        bans: &[(IpNet, KernelInstant)],
        settings: &mut SettingsEntry,
    ) -> Result<Vec<IpNet>, FilterError> {
        self.change(settings, bans.len(), |held, settings| {
            let wanted = last_of_each(bans);
            let changes = held.compare(&wanted)?;
            let unwanted = match changes.held == held.len() {
                true => Vec::new(),
                false => held.other_than(&wanted)?,
            };
            if held
                .numbers()
                .check(changes.wanted, held.table.free_records())
                .is_err()
            {
                // Beside each other they do not fit.
                check_room_alone(&wanted)?;
                held.remove_held(&unwanted, settings)?;
                held.add_held(&wanted, settings)?;
                return Ok(Vec::new());
            }
            held.make(changes, settings)?;
            Ok(unwanted)
        })
    }

    /// The nets banned that are not among `wanted`.
    fn other_than(&self, wanted: &[(Place, KernelInstant)]) -> Result<Vec<IpNet>, FilterError> {
        let places = wanted.iter().map(|(place, _)| *place);
        let wanted: HashSet<Place, RandomState> = places.collect();
        let held = self.list()?.into_iter().map(|(net, _)| net);
        Ok(held
            .filter(|net| !wanted.contains(&Place::of(*net)))
            .collect())
    }

    /// Adds bans, or gives those that are there another end; those keep their drops. Of several for one net the last counts.
    ///
    /// # Errors
    /// When they do not all fit; then none is added. When the kernel refuses an update.
    pub fn add(
        &mut self,
        bans: &[(IpNet, KernelInstant)],
        settings: &mut SettingsEntry,
    ) -> Result<(), FilterError> {
        self.change(settings, bans.len(), |bans_in_kernel, settings| {
            bans_in_kernel.add_held(&last_of_each(bans), settings)
        })
    }

    /// Removes bans; nets that are not banned are passed over.
    ///
    /// # Errors
    /// When the kernel refuses an update.
    pub fn remove(
        &mut self,
        nets: &[IpNet],
        settings: &mut SettingsEntry,
    ) -> Result<(), FilterError> {
        self.change(settings, nets.len(), |bans, settings| {
            bans.remove_held(nets, settings)
        })
    }

    /// Takes note that the allowlist in the kernel holds these nets. Before a net leaves it this need not be told; once one is in it,
    /// bans of its addresses go on until this is.
    ///
    /// # Errors
    /// When the maps cannot be changed.
    pub fn allow<'a>(&mut self, nets: impl Iterator<Item = &'a IpNet>) -> Result<(), FilterError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match (net.network(), net.broadcast()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    v4.push((first.to_bits().into(), last.to_bits().into()));
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    let prefix = |address: std::net::Ipv6Addr| (address.to_bits() >> 64) as u64;
                    v6.push((prefix(first), prefix(last)));
                }
                _ => {}
            }
        }
        let v4 = Ranges::new(v4);
        self.shortcuts.allow(v4.clone())?;
        self.addresses_v4.allow(v4)?;
        Ok(self.prefixes_v6.allow(Ranges::new(v6))?)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.addresses_v4.len() + self.prefixes_v6.len() + self.table.len()
    }

    fn numbers(&self) -> Numbers {
        Numbers {
            addresses_v4: self.addresses_v4.len(),
            prefixes_v6: self.prefixes_v6.len(),
            networks_v4: self.table.v4().len(),
            networks_v6: self.table.v6().len(),
        }
    }

    fn find(&self, place: Place) -> Result<Option<Held>, FilterError> {
        let address = match place {
            Place::AddressV4(address) => self.addresses_v4.get(address)?,
            Place::PrefixV6(prefix) => self.prefixes_v6.get(prefix)?,
            Place::Network(_) => None,
        };
        Ok(match address {
            Some((end, drops)) => Some(Held::Address { end, drops }),
            None => self.table.slot(place.network()).map(Held::Network),
        })
    }

    fn add_held(
        &mut self,
        bans: &[(Place, KernelInstant)],
        settings: &mut SettingsEntry,
    ) -> Result<(), FilterError> {
        let changes = self.compare(bans)?;
        self.make(changes, settings)
    }

    /// What has to be done for these bans, each of another place.
    fn compare(&self, bans: &[(Place, KernelInstant)]) -> Result<Changes, FilterError> {
        let mut changes = Changes::default();
        for (place, ends) in bans {
            match self.find(*place)? {
                Some(Held::Network(_)) => {
                    changes.held += 1;
                    changes.networks.push((place.network(), *ends));
                }
                Some(Held::Address { end, .. }) => {
                    changes.held += 1;
                    // Most are as they should be when an agent starts over maps that it left.
                    if end != Ticks::not_before(*ends) {
                        changes.addresses.push((*place, *ends, Some(end)));
                    }
                }
                None => {
                    changes.wanted.count(*place);
                    match place {
                        Place::Network(network) => changes.networks.push((*network, *ends)),
                        Place::AddressV4(_) | Place::PrefixV6(_) => {
                            changes.addresses.push((*place, *ends, None));
                        }
                    }
                }
            }
        }
        Ok(changes)
    }

    fn make(&mut self, changes: Changes, settings: &mut SettingsEntry) -> Result<(), FilterError> {
        let Changes {
            wanted,
            mut networks,
            addresses,
            held: _,
        } = changes;
        self.numbers().check(wanted, self.table.free_records())?;

        self.make_room(wanted, settings)?;

        // What bans longer comes first, what bans shorter last; see the table.
        let mut done = Vec::with_capacity(addresses.len());
        let mut sooner = Vec::new();
        let put = self.put_addresses(&addresses, &mut done, &mut sooner, &mut networks);
        if let Err(error) = put.and_then(|()| self.check_networks(&networks)) {
            self.undo(&done)?;
            return Err(error);
        }
        let mut entering = networks.clone();
        entering.retain(|(network, _)| self.table.slot(*network).is_none());
        let steps = self.table.add(&networks);
        for (network, _) in entering {
            self.mark(network, settings)?;
        }
        self.carry_out(&steps)?;
        for (place, end) in sooner {
            self.renew(place, end)?;
        }
        Ok(())
    }

    /// Whether networks fit, with addresses among them that found no room elsewhere.
    fn check_networks(&self, networks: &[(Network, KernelInstant)]) -> Result<(), FilterError> {
        let mut wanted = Numbers::default();
        for (network, _) in networks {
            if self.table.slot(*network).is_none() {
                wanted.count_network(*network);
            }
        }
        Ok(self.numbers().check(wanted, self.table.free_records())?)
    }

    fn remove_held(
        &mut self,
        nets: &[IpNet],
        settings: &mut SettingsEntry,
    ) -> Result<(), FilterError> {
        let mut networks = Vec::new();
        for net in nets {
            let place = Place::of(*net);
            if !self.remove_address(place)? && self.table.slot(place.network()).is_some() {
                networks.push(place.network());
            }
        }
        let steps = self.table.remove(&networks);
        self.carry_out(&steps)?;
        for step in steps {
            if let Step::Leave(network, _) = step {
                self.unmark(network, settings)?;
            }
        }
        Ok(())
    }

    /// Changes the maps. What is done is consistent in itself; after an error in the midst, the next change begins with reading
    /// what is there from the maps.
    fn change<R>(
        &mut self,
        settings: &mut SettingsEntry,
        bans: usize,
        work: impl FnOnce(&mut Self, &mut SettingsEntry) -> Result<R, FilterError>,
    ) -> Result<R, FilterError> {
        self.step_in(settings)?;
        self.out_of_step = true;
        let done = self.held(bans, |held| work(held, settings));
        self.out_of_step = !matches!(done, Ok(_) | Err(FilterError::Full(_)));
        done
    }

    /// Takes over what lines and tries hold, and makes the presence bits what that needs.
    fn step_in(&mut self, settings: &mut SettingsEntry) -> Result<(), FilterError> {
        if !self.out_of_step {
            return Ok(());
        }
        let in_force = settings.get();
        self.presence_v4.forget();
        self.addresses_v4.read(in_force.buckets_v4, |address| {
            self.presence_v4.note(address);
        })?;
        self.presence_v6.forget();
        self.prefixes_v6
            .read(in_force.buckets_v6, |prefix| self.presence_v6.note(prefix))?;
        self.records.hold()?;
        let entries = self.entries();
        self.records.release();
        let (table, damaged) = Table::adopt(BAN_RECORDS_CAPACITY, &entries?);
        for network in &damaged {
            warn!(net = %network.net(), "removed a map entry that had no record of its own");
        }
        self.tries.leave(&damaged)?;
        self.table = table;
        self.presence_v4.write(self.table.v4())?;
        self.presence_v6.write(self.table.v6())?;
        self.shortcuts.write(self.table.v4())?;
        self.tell_wide(settings)?;
        self.out_of_step = false;
        Ok(())
    }

    fn record<R>(
        &self,
        slot: BanSlot,
        work: impl FnOnce(&SharedRecord) -> R,
    ) -> Result<R, FilterError> {
        Ok(self
            .records
            .with(slot.index(), 1, |records| work(&records[0]))?)
    }

    /// Does something with the maps mapped, if it is with many bans.
    fn held<R>(
        &mut self,
        bans: usize,
        work: impl FnOnce(&mut Self) -> Result<R, FilterError>,
    ) -> Result<R, FilterError> {
        let held = if bans < MANY { Ok(()) } else { self.hold() };
        let done = held.map_err(FilterError::from).and_then(|()| work(self));
        self.addresses_v4.release();
        self.prefixes_v6.release();
        self.presence_v4.release();
        self.presence_v6.release();
        self.shortcuts.release();
        self.records.release();
        done
    }

    fn hold(&mut self) -> io::Result<()> {
        self.addresses_v4.hold()?;
        self.prefixes_v6.hold()?;
        self.presence_v4.hold()?;
        self.presence_v6.hold()?;
        self.shortcuts.hold()?;
        self.records.hold()
    }
}

/// A ban that is there.
enum Held {
    Address { end: Ticks, drops: u64 },
    Network(BanSlot),
}

/// What has to be done for some bans.
#[derive(Default)]
struct Changes {
    /// How many of them are there already.
    held: usize,
    /// How many are not, by where they belong.
    wanted: Numbers,
    networks: Vec<(Network, KernelInstant)>,
    /// With the end that there is.
    addresses: Vec<(Place, KernelInstant, Option<Ticks>)>,
}

/// The places of `bans`, each once, with the end that was named last for it.
fn last_of_each(bans: &[(IpNet, KernelInstant)]) -> Vec<(Place, KernelInstant)> {
    let mut seen: HashSet<Place, RandomState> = HashSet::default();
    seen.reserve(bans.len());
    let mut last: Vec<_> = bans
        .iter()
        .rev()
        .map(|(net, ends)| (Place::of(*net), *ends))
        .filter(|(place, _)| seen.insert(*place))
        .collect();
    last.reverse();
    last
}

/// Whether `bans` fit into empty maps.
fn check_room_alone(bans: &[(Place, KernelInstant)]) -> Result<(), Full> {
    let mut wanted = Numbers::default();
    for (place, _) in bans {
        wanted.count(*place);
    }
    Numbers::default().check(wanted, BAN_RECORDS_CAPACITY as usize)
}
