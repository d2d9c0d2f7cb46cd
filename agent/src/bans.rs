//! The table of bans in force: who is shut out, by which ban, and which ends next. As many as the filter's maps hold.

mod by_net;
mod kept;
mod lengths;
mod map_of;
mod origins;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::IpAddr,
    time::SystemTime,
};

use foldhash::quality::RandomState;
use ipnet::IpNet;

pub use self::kept::EVIDENCE_BYTES_MAX;
use self::{
    by_net::ByNet,
    kept::{Kept, bytes_of},
    lengths::Lengths,
    map_of::MapOf,
    origins::Origins,
};
use crate::ban::{Ban, End, ListName, Origin};

/// The bans in force, by net: at most one a net, and no more than the maps hold.
#[derive(Debug, Default)]
pub struct Bans {
    by_net: ByNet,
    /// In the order of their ends; what gives the table its order, too.
    by_end: BTreeSet<(End, IpNet)>,
    /// The automatic ones of each map of the filter, in the order of their ends: who gives way when it is full.
    automatic: [BTreeSet<(End, IpNet)>; MapOf::ALL.len()],
    /// How many bans each map of the filter holds.
    held: [usize; MapOf::ALL.len()],
    /// How many bans there are of each list.
    lists: BTreeMap<ListName, usize>,
    /// How many bans there are of each prefix length.
    lengths_v4: Lengths,
    lengths_v6: Lengths,
    origins: Origins,
    evidence: Kept,
}

impl Bans {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_net.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_net.is_empty()
    }

    /// The ban of exactly `net`.
    pub fn get(&self, net: &IpNet) -> Option<&Ban> {
        self.by_net.get(net)
    }

    /// Every ban, the next to end first.
    pub fn iter(&self) -> impl Iterator<Item = &Ban> {
        self.by_end
            .iter()
            .filter_map(|(_, net)| self.by_net.get(net))
    }

    /// Every ban, in no order that matters: quicker than [`Bans::iter`] where there are many.
    pub fn each(&self) -> impl Iterator<Item = &Ban> {
        self.by_net.iter()
    }

    /// The bans that `address` lies in, the narrowest first.
    pub fn covering(&self, address: IpAddr) -> impl Iterator<Item = &Ban> {
        self.around(IpNet::from(address.to_canonical()))
    }

    /// The bans that the whole of `net` lies in, the narrowest first; one of `net` itself is among them.
    pub fn around(&self, net: IpNet) -> impl Iterator<Item = &Ban> {
        let lengths = match net {
            IpNet::V4(_) => &self.lengths_v4,
            IpNet::V6(_) => &self.lengths_v6,
        };
        lengths.up_to(net.prefix_len()).filter_map(move |length| {
            let around = IpNet::new(net.addr(), length).ok()?.trunc();
            self.by_net.get(&around)
        })
    }

    /// How many there are of each origin, by its name, in no order that matters.
    pub fn by_origin(&self) -> impl Iterator<Item = (&str, usize)> {
        self.origins.iter()
    }

    /// How many bans each map of the filter holds, and can hold.
    pub fn fill(&self) -> impl Iterator<Item = (&'static str, usize, usize)> + '_ {
        let of = |map: MapOf| (map.as_str(), self.held[map as usize], map.capacity());
        MapOf::ALL.into_iter().map(of)
    }

    /// The lists that have bans, with how many they have.
    pub fn lists(&self) -> &BTreeMap<ListName, usize> {
        &self.lists
    }

    /// When the next one ends.
    pub fn next_end(&self) -> Option<SystemTime> {
        match self.by_end.first()? {
            (End::At(end), _) => Some(*end),
            (End::Never, _) => None,
        }
    }

    /// Whether there is no room for one more ban of `net`, which has none.
    pub fn is_full_for(&self, net: &IpNet) -> bool {
        self.room_for(net) == 0
    }

    /// How many more bans there is room for in the map that holds `net`.
    pub fn room_for(&self, net: &IpNet) -> usize {
        let map = MapOf::of(net);
        map.capacity().saturating_sub(self.held[map as usize])
    }

    /// The first of `nets` that there would be no room for, if an operator banned them all and every other automatic ban gave
    /// way.
    pub(crate) fn first_without_room(
        &self,
        nets: impl IntoIterator<Item = IpNet>,
    ) -> Option<IpNet> {
        self.first_without_room_after([], nets)
    }

    /// As [`Bans::first_without_room`], when the bans of `leaving` have ended before.
    pub(crate) fn first_without_room_after<'a>(
        &self,
        leaving: impl IntoIterator<Item = &'a Ban>,
        nets: impl IntoIterator<Item = IpNet>,
    ) -> Option<IpNet> {
        let mut left = MapOf::ALL.map(|map| {
            map.capacity() - self.held[map as usize] + self.automatic[map as usize].len()
        });
        for ban in leaving {
            // The others make room anyway.
            left[MapOf::of(&ban.net) as usize] += usize::from(ban.origin.is_operators());
        }
        let mut seen: HashSet<IpNet, RandomState> = HashSet::default();
        nets.into_iter().find(|net| {
            let is_kept = |ban: &Ban| ban.origin.is_operators();
            if self.get(net).is_some_and(is_kept) || !seen.insert(*net) {
                return false;
            }
            let left = &mut left[MapOf::of(net) as usize];
            *left = match left.checked_sub(1) {
                Some(left) => left,
                None => return true,
            };
            false
        })
    }

    /// The automatic ban that ends next among those that share a map of the filter with `net`.
    pub(crate) fn next_to_give_way(&self, net: &IpNet) -> Option<IpNet> {
        let automatic = &self.automatic[MapOf::of(net) as usize];
        automatic.first().map(|(_, net)| *net)
    }

    /// Takes over bans of before; `each` is shown every one that is in force then. What there is no room for is left out. Of many
    /// this is far quicker than to put them in force one by one.
    pub(crate) fn restore(&mut self, bans: Vec<Ban>, mut each: impl FnMut(&Ban)) {
        let mut by_end = Vec::with_capacity(bans.len());
        let mut automatic = MapOf::ALL.map(|_| Vec::new());
        let mut again = Vec::new();
        self.by_net.reserve(bans.len());
        for ban in bans {
            // Nets are banned once each, but for those that this table has already.
            if !self.is_full_for(&ban.net) || self.get(&ban.net).is_some() {
                let key = (ban.end, ban.net);
                let map = MapOf::of(&ban.net) as usize;
                let is_automatic = !ban.origin.is_operators();
                each(&ban);
                match self.enter(ban) {
                    None => {
                        by_end.push(key);
                        if is_automatic {
                            automatic[map].push(key);
                        }
                    }
                    Some(ban) => again.push(ban),
                }
            }
        }
        // They are sorted once, and make sets without room between their entries.
        self.by_end.append(&mut by_end.into_iter().collect());
        for (held, new) in self.automatic.iter_mut().zip(automatic) {
            held.append(&mut new.into_iter().collect());
        }
        for ban in again {
            self.insert(ban);
        }
    }

    /// Puts a ban in force, in place of one of the same net, which is returned. The caller sees to the room.
    pub(crate) fn insert(&mut self, ban: Ban) -> Option<Ban> {
        let old = self.remove(&ban.net);
        let key = (ban.end, ban.net);
        self.by_end.insert(key);
        if !ban.origin.is_operators() {
            self.automatic[MapOf::of(&ban.net) as usize].insert(key);
        }
        let had_one = self.enter(ban);
        debug_assert!(had_one.is_none(), "what was of this net is removed");
        old
    }

    /// Takes in a ban of a net that has none, but for the order of the ends; gives it back if it has one.
    #[must_use]
    fn enter(&mut self, ban: Ban) -> Option<Ban> {
        let (net, since) = (ban.net, ban.since);
        let (evidence_bytes, origin) = (bytes_of(&ban), ban.origin.clone());
        if let Some(ban) = self.by_net.insert(ban) {
            return Some(ban);
        }
        self.held[MapOf::of(&net) as usize] += 1;
        self.lengths(&net).add(net.prefix_len());
        self.origins.add(&origin);
        if let Origin::List(list) = origin {
            *self.lists.entry(list).or_default() += 1;
        }
        self.evidence
            .add(net, since, evidence_bytes, &mut self.by_net);
        None
    }

    /// Bytes of log lines that are kept with bans.
    pub(crate) fn evidence_bytes(&self) -> usize {
        self.evidence.bytes()
    }

    /// Takes out the ban of exactly `net`.
    pub(crate) fn remove(&mut self, net: &IpNet) -> Option<Ban> {
        let ban = self.by_net.remove(net)?;
        self.evidence.subtract(&ban);
        let key = (ban.end, ban.net);
        let map = MapOf::of(net) as usize;
        self.by_end.remove(&key);
        self.automatic[map].remove(&key);
        self.held[map] -= 1;
        self.lengths(net).subtract(net.prefix_len());
        self.origins.subtract(&ban.origin);
        if let Some(list) = ban.origin.list()
            && let Some(count) = self.lists.get_mut(list)
        {
            *count -= 1;
            if *count == 0 {
                self.lists.remove(list);
            }
        }
        Some(ban)
    }

    /// Takes out one that is over at `now`.
    pub(crate) fn pop_over(&mut self, now: SystemTime) -> Option<Ban> {
        let (end, net) = *self.by_end.first()?;
        if !end.is_over_at(now) {
            return None;
        }
        self.remove(&net)
    }

    fn lengths(&mut self, net: &IpNet) -> &mut Lengths {
        match net {
            IpNet::V4(_) => &mut self.lengths_v4,
            IpNet::V6(_) => &mut self.lengths_v6,
        }
    }
}

#[cfg(test)]
mod tests;
