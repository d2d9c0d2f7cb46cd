//! The bookkeeping of banned networks: which has which record, what records and tries must hold, and in which order they are
//! written so that no packet finds a ban missing that is in force before and after. Pure: it only says what is to be done.

use std::cmp::{Ordering, Reverse};

use mailwall_common::{BanSlot, KernelInstant, NetworkV4, NetworkV6};

use crate::filter::place::Network;

mod networks;
mod slots;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use networks::Held;
pub use networks::{Networks, Span};
use slots::Slots;

/// One thing to do in the kernel. Done in the order given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Write a new ban's record: its end, and no drops.
    Begin(BanSlot, KernelInstant),
    /// Write another end into a record and leave its drops.
    Extend(BanSlot, KernelInstant),
    /// Make a trie's entry.
    Enter(Network, BanSlot),
    /// Delete a trie's entry. [`Table::release`] its record when that is done.
    Leave(Network, BanSlot),
}

impl Step {
    /// Whether it is of the same kind.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// The banned networks in the kernel's tries.
#[derive(Debug)]
pub struct Table {
    slots: Slots,
    v4: Networks,
    v6: Networks,
}

impl Table {
    /// The table of tries that are empty, with `records` for them.
    pub fn new(records: u32) -> Self {
        Self {
            slots: Slots::new(records, &[]),
            v4: Networks::default(),
            v6: Networks::default(),
        }
    }

    /// The table of tries that hold `entries` already. An entry whose record does not exist or belongs to another one is not
    /// taken over, but returned: it must be deleted.
    pub fn adopt(
        records: u32,
        entries: &[(Network, BanSlot, KernelInstant)],
    ) -> (Self, Vec<Network>) {
        let mut table = Self::new(records);
        let mut in_use = vec![false; records as usize];
        let mut damaged = Vec::new();
        for (network, slot, ends) in entries {
            match in_use.get_mut(slot.index() as usize) {
                Some(used) if !*used => {
                    *used = true;
                    table.put(*network, *slot, *ends);
                }
                Some(_) | None => damaged.push(*network),
            }
        }
        table.slots = Slots::new(records, &in_use);
        (table, damaged)
    }

    /// Adds bans, or gives those that are held another end. Each network is named once, and there are records for all.
    pub fn add(&mut self, bans: &[(Network, KernelInstant)]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(2 * bans.len());
        let mut entries = Vec::with_capacity(bans.len());
        let mut rewrites = Rewrites::default();
        let mut changed = Changed::default();
        for (network, ends) in bans {
            if let Some(slot) = self.slot(*network) {
                changed.note(*network);
                self.put(*network, slot, *ends);
                continue;
            }
            let Some(slot) = self.slots.take() else {
                debug_assert!(false, "room was checked for all of them");
                continue;
            };
            changed.note(*network);
            self.put(*network, slot, *ends);
            steps.push(Step::Begin(slot, *ends));
            entries.push((*network, slot));
        }
        self.settle(changed, &mut rewrites);
        // Whoever is banned by another ban after this than before must be found by one of them at any moment in between:
        // what bans longer comes first, what bans shorter last.
        steps.append(&mut rewrites.later);
        // Narrow before wide: the longest match of a source must not be an entry in between, which may end sooner.
        entries.sort_by_key(|(network, _)| Reverse(network.prefix_len()));
        steps.extend(
            entries
                .into_iter()
                .map(|(network, slot)| Step::Enter(network, slot)),
        );
        steps.append(&mut rewrites.sooner);
        steps
    }

    /// Removes bans. Networks that are not held are passed over.
    pub fn remove(&mut self, networks: &[Network]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(networks.len());
        let mut rewrites = Rewrites::default();
        let mut changed = Changed::default();
        for network in networks {
            if let Some(slot) = self.take(*network) {
                changed.note(*network);
                steps.push(Step::Leave(*network, slot));
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

    /// The record of the ban of exactly this network.
    pub fn slot(&self, network: Network) -> Option<BanSlot> {
        match network {
            Network::V4(key) => self.v4.get(span_v4(key)).map(|held| held.slot),
            Network::V6(key) => self.v6.get(span_v6(key)).map(|held| held.slot),
        }
    }

    /// The bans and their own ends.
    pub fn iter(&self) -> impl Iterator<Item = (Network, KernelInstant)> {
        let v4 = self.v4.iter().map(|(span, held)| {
            let (octets, len) = span.as_v4();
            (Network::V4(NetworkV4::new(len, octets)), held.own)
        });
        let v6 = self.v6.iter().map(|(span, held)| {
            let (octets, len) = span.as_v6();
            (Network::V6(NetworkV6::new(len, octets)), held.own)
        });
        v4.chain(v6)
    }

    /// Those of IPv4.
    pub fn v4(&self) -> &Networks {
        &self.v4
    }

    /// Those of IPv6.
    pub fn v6(&self) -> &Networks {
        &self.v6
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Records that no ban has. Those of entries that could not be deleted are never used again.
    pub fn free_records(&self) -> usize {
        self.slots.free()
    }

    /// Notes a ban. The end to be written into its record depends on wider networks too: [`Table::settle`].
    fn put(&mut self, network: Network, slot: BanSlot, own: KernelInstant) {
        let (networks, span) = match network {
            Network::V4(key) => (&mut self.v4, span_v4(key)),
            Network::V6(key) => (&mut self.v6, span_v6(key)),
        };
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

    fn take(&mut self, network: Network) -> Option<BanSlot> {
        match network {
            Network::V4(key) => self.v4.remove(span_v4(key)),
            Network::V6(key) => self.v6.remove(span_v6(key)),
        }
        .map(|held| held.slot)
    }

    fn settle(&mut self, changed: Changed, rewrites: &mut Rewrites) {
        self.v4.settle(changed.v4, rewrites);
        self.v6.settle(changed.v6, rewrites);
    }
}

/// An IPv4 network as a [`Span`].
pub fn span_v4(key: NetworkV4) -> Span {
    Span::v4(key.octets(), key.prefix_len())
}

/// An IPv6 network as a [`Span`].
pub fn span_v6(key: NetworkV6) -> Span {
    Span::v6(key.octets(), key.prefix_len())
}

/// Ends to be written into records that are in use.
#[derive(Default)]
pub(super) struct Rewrites {
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

/// Networks whose own end changed, or that came or went.
#[derive(Default)]
struct Changed {
    v4: Vec<Span>,
    v6: Vec<Span>,
}

impl Changed {
    fn note(&mut self, network: Network) {
        match network {
            Network::V4(key) => self.v4.push(span_v4(key)),
            Network::V6(key) => self.v6.push(span_v6(key)),
        }
    }
}
