//! The bookkeeping of bans: which net has which record, what the records and maps must hold, and in which order they are
//! written so that no packet finds a ban missing that is in force before and after. Pure: it only says what is to be done.

use std::{
    cmp::{Ordering, Reverse},
    collections::{HashMap, HashSet},
};

use ipnet::IpNet;
use mailwall_common::{AddressV4, BanSlot, KernelInstant, NetworkV4, NetworkV6, PrefixV6};

use crate::filter::place::Place;

mod networks;
mod room;
mod slots;
#[cfg(test)]
mod tests;

use networks::{Networks, Span};
pub use room::{CAPACITIES, Capacities, Full};
use slots::Slots;

/// One thing to do in the kernel. Done in the order given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Write a new ban's record: its end, and no drops.
    Begin(BanSlot, KernelInstant),
    /// Write another end into a record and leave its drops.
    Extend(BanSlot, KernelInstant),
    /// Make a map entry.
    Enter(Place, BanSlot),
    /// Delete a map entry. [`Table::release`] its record when that is done.
    Leave(Place, BanSlot),
}

/// A ban of a single IPv4 address or of an IPv6 /64: no other ban's record depends on it.
#[derive(Clone, Copy, Debug)]
struct Held {
    slot: BanSlot,
    ends: KernelInstant,
}

/// The bans in the kernel's maps.
#[derive(Debug)]
pub struct Table {
    capacities: Capacities,
    slots: Slots,
    addresses_v4: HashMap<AddressV4, Held>,
    prefixes_v6: HashMap<PrefixV6, Held>,
    networks_v4: Networks,
    networks_v6: Networks,
}

impl Table {
    /// The table of maps that are empty.
    pub fn new(capacities: Capacities) -> Self {
        Self {
            capacities,
            slots: Slots::new(capacities.records, &[]),
            addresses_v4: HashMap::new(),
            prefixes_v6: HashMap::new(),
            networks_v4: Networks::default(),
            networks_v6: Networks::default(),
        }
    }

    /// The table of maps that hold `entries` already. An entry whose record does not exist or belongs to another one is
    /// not taken over, but returned: it must be deleted.
    pub fn adopt(
        capacities: Capacities,
        entries: &[(Place, BanSlot, KernelInstant)],
    ) -> (Self, Vec<Place>) {
        let mut table = Self::new(capacities);
        let mut in_use = vec![false; capacities.records as usize];
        let mut damaged = Vec::new();
        for (place, slot, ends) in entries {
            match in_use.get_mut(slot.index() as usize) {
                Some(used) if !*used => {
                    *used = true;
                    table.put(*place, *slot, *ends, &mut Rewrites::default());
                }
                Some(_) | None => damaged.push(*place),
            }
        }
        table.slots = Slots::new(capacities.records, &in_use);
        (table, damaged)
    }

    /// Adds bans, or gives those that are held another end. Of several for one net the last counts.
    ///
    /// # Errors
    /// [`Full`] when not all of them fit; then none is added.
    pub fn add(&mut self, bans: &[(IpNet, KernelInstant)]) -> Result<Vec<Step>, Full> {
        let bans = last_of_each(bans);
        self.check_places(&bans)?;
        let mut steps = Vec::with_capacity(2 * bans.len());
        let mut entries = Vec::with_capacity(bans.len());
        let mut rewrites = Rewrites::default();
        let mut changed = Changed::default();
        for (place, ends) in bans {
            changed.note(place);
            if let Some(slot) = self.slot_at(place) {
                self.put(place, slot, ends, &mut rewrites);
                continue;
            }
            let Some(slot) = self.slots.take() else {
                debug_assert!(false, "room was checked for all of them");
                continue;
            };
            self.put(place, slot, ends, &mut rewrites);
            steps.push(Step::Begin(slot, ends));
            entries.push((place, slot));
        }
        self.settle(changed, &mut rewrites);
        // Whoever is banned by another ban after this than before must be found by one of them at any moment in between:
        // what bans longer comes first, what bans shorter last.
        steps.append(&mut rewrites.later);
        // Single addresses first, they only add. Then narrow before wide: the longest match of a source must not be an
        // entry in between, which may end sooner.
        entries.sort_by_key(|(place, _)| (place.is_network(), Reverse(place.prefix_len())));
        steps.extend(
            entries
                .into_iter()
                .map(|(place, slot)| Step::Enter(place, slot)),
        );
        steps.append(&mut rewrites.sooner);
        Ok(steps)
    }

    /// Removes bans. Nets that are not held are passed over.
    pub fn remove(&mut self, nets: &[IpNet]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(nets.len());
        let mut rewrites = Rewrites::default();
        let mut changed = Changed::default();
        for net in nets {
            let place = Place::of(*net);
            if let Some(slot) = self.take(place) {
                changed.note(place);
                steps.push(Step::Leave(place, slot));
            }
        }
        self.settle(changed, &mut rewrites);
        steps.append(&mut rewrites.later);
        steps.append(&mut rewrites.sooner);
        steps
    }

    /// Gives back the record of an entry that is deleted.
    pub fn release(&mut self, slot: BanSlot) {
        self.slots.give_back(slot);
    }

    /// Whether `bans` could be added without anything removed before.
    ///
    /// # Errors
    /// [`Full`] when not all of them fit.
    pub fn check_room(&self, bans: &[(IpNet, KernelInstant)]) -> Result<(), Full> {
        self.check_places(&last_of_each(bans))
    }

    /// The nets held that are not among `wanted`.
    pub fn other_than(&self, wanted: &[(IpNet, KernelInstant)]) -> Vec<IpNet> {
        let wanted: HashSet<Place> = wanted.iter().map(|(net, _)| Place::of(*net)).collect();
        self.places()
            .filter(|(place, _)| !wanted.contains(place))
            .map(|(place, _)| place.net())
            .collect()
    }

    /// The record of the ban of exactly `net`.
    pub fn slot(&self, net: &IpNet) -> Option<BanSlot> {
        self.slot_at(Place::of(*net))
    }

    /// The bans and their own ends.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, KernelInstant)> {
        self.places().map(|(place, ends)| (place.net(), ends))
    }

    /// How many bans.
    pub fn len(&self) -> usize {
        self.addresses_v4.len()
            + self.prefixes_v6.len()
            + self.networks_v4.len()
            + self.networks_v6.len()
    }

    fn places(&self) -> impl Iterator<Item = (Place, KernelInstant)> {
        let addresses = self.addresses_v4.iter();
        let prefixes = self.prefixes_v6.iter();
        addresses
            .map(|(key, held)| (Place::AddressV4(*key), held.ends))
            .chain(prefixes.map(|(key, held)| (Place::PrefixV6(*key), held.ends)))
            .chain(
                self.networks_v4
                    .iter()
                    .map(|(span, held)| (place_v4(span), held.own)),
            )
            .chain(
                self.networks_v6
                    .iter()
                    .map(|(span, held)| (place_v6(span), held.own)),
            )
    }

    fn slot_at(&self, place: Place) -> Option<BanSlot> {
        match place {
            Place::AddressV4(key) => self.addresses_v4.get(&key).map(|held| held.slot),
            Place::PrefixV6(key) => self.prefixes_v6.get(&key).map(|held| held.slot),
            Place::NetworkV4(key) => self.networks_v4.get(span_v4(key)).map(|held| held.slot),
            Place::NetworkV6(key) => self.networks_v6.get(span_v6(key)).map(|held| held.slot),
        }
    }

    /// Notes a ban, and the end to be written into its record as far as that does not depend on wider networks: those
    /// are the matter of [`Table::settle`].
    fn put(&mut self, place: Place, slot: BanSlot, ends: KernelInstant, rewrites: &mut Rewrites) {
        let held = Held { slot, ends };
        let before = match place {
            Place::AddressV4(key) => self.addresses_v4.insert(key, held),
            Place::PrefixV6(key) => self.prefixes_v6.insert(key, held),
            Place::NetworkV4(key) => {
                put_network(&mut self.networks_v4, span_v4(key), held);
                None
            }
            Place::NetworkV6(key) => {
                put_network(&mut self.networks_v6, span_v6(key), held);
                None
            }
        };
        if let Some(before) = before {
            rewrites.note(slot, before.ends, ends);
        }
    }

    fn take(&mut self, place: Place) -> Option<BanSlot> {
        match place {
            Place::AddressV4(key) => self.addresses_v4.remove(&key).map(|held| held.slot),
            Place::PrefixV6(key) => self.prefixes_v6.remove(&key).map(|held| held.slot),
            Place::NetworkV4(key) => self.networks_v4.remove(span_v4(key)).map(|held| held.slot),
            Place::NetworkV6(key) => self.networks_v6.remove(span_v6(key)).map(|held| held.slot),
        }
    }

    fn settle(&mut self, changed: Changed, rewrites: &mut Rewrites) {
        self.networks_v4.settle(changed.networks_v4, rewrites);
        self.networks_v6.settle(changed.networks_v6, rewrites);
    }
}

/// The places of `bans`, each once, with the end that was named last for it.
fn last_of_each(bans: &[(IpNet, KernelInstant)]) -> Vec<(Place, KernelInstant)> {
    let mut seen = HashSet::with_capacity(bans.len());
    let mut last: Vec<_> = bans
        .iter()
        .rev()
        .map(|(net, ends)| (Place::of(*net), *ends))
        .filter(|(place, _)| seen.insert(*place))
        .collect();
    last.reverse();
    last
}

fn put_network(networks: &mut Networks, span: Span, held: Held) {
    let Held { slot, ends: own } = held;
    let effective = networks.get(span).map_or(own, |held| held.effective);
    networks.insert(
        span,
        networks::Held {
            slot,
            own,
            effective,
        },
    );
}

/// Ends to be written into records that are in use.
#[derive(Default)]
struct Rewrites {
    later: Vec<Step>,
    sooner: Vec<Step>,
}

impl Rewrites {
    fn note(&mut self, slot: BanSlot, before: KernelInstant, after: KernelInstant) {
        match after.cmp(&before) {
            Ordering::Greater => self.later.push(Step::Extend(slot, after)),
            Ordering::Less => self.sooner.push(Step::Extend(slot, after)),
            Ordering::Equal => {}
        }
    }
}

fn span_v4(key: NetworkV4) -> Span {
    Span::v4(key.octets(), key.prefix_len())
}

fn span_v6(key: NetworkV6) -> Span {
    Span::v6(key.octets(), key.prefix_len())
}

fn place_v4(span: Span) -> Place {
    let (octets, len) = span.as_v4();
    Place::NetworkV4(NetworkV4::new(len, octets))
}

fn place_v6(span: Span) -> Place {
    let (octets, len) = span.as_v6();
    Place::NetworkV6(NetworkV6::new(len, octets))
}

/// Networks whose own end changed, or that came or went.
#[derive(Default)]
struct Changed {
    networks_v4: Vec<Span>,
    networks_v6: Vec<Span>,
}

impl Changed {
    fn note(&mut self, place: Place) {
        match place {
            Place::NetworkV4(key) => self.networks_v4.push(span_v4(key)),
            Place::NetworkV6(key) => self.networks_v6.push(span_v6(key)),
            Place::AddressV4(_) | Place::PrefixV6(_) => {}
        }
    }
}
