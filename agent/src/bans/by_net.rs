//! The bans by their nets. They lie side by side, and the table that finds them holds only their places: its free room costs
//! little, where that of a table of bans would take as much as the bans.

use foldhash::quality::RandomState;
use ipnet::IpNet;

use crate::{
    ban::Ban,
    rule::{Index, NetKey, hash_of},
};

/// At most one ban of each net.
#[derive(Debug, Default)]
pub(super) struct ByNet {
    /// In no order that matters.
    bans: Vec<Ban>,
    /// Indices of `bans`. The maps of the filter hold fewer bans than there are numbers.
    places: Index,
    hasher: RandomState,
}

impl ByNet {
    pub(super) fn len(&self) -> usize {
        self.bans.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bans.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Ban> {
        self.bans.iter()
    }

    /// Makes room for so many more at once.
    pub(super) fn reserve(&mut self, more: usize) {
        self.bans.reserve_exact(more);
    }

    pub(super) fn get(&self, net: &IpNet) -> Option<&Ban> {
        let place = self.place(net, self.hash(net))?;
        self.bans.get(place as usize)
    }

    pub(super) fn get_mut(&mut self, net: &IpNet) -> Option<&mut Ban> {
        let place = self.place(net, self.hash(net))?;
        self.bans.get_mut(place as usize)
    }

    /// Puts in the ban of a net that has none, which is the only place where it is looked for; one that has gets it back.
    #[must_use]
    pub(super) fn insert(&mut self, ban: Ban) -> Option<Ban> {
        let hash = self.hash(&ban.net);
        if self.place(&ban.net, hash).is_some() {
            return Some(ban);
        }
        self.places.insert(hash, self.bans.len() as u32);
        self.bans.push(ban);
        None
    }

    /// Takes out the ban of `net`; the last one takes its place.
    pub(super) fn remove(&mut self, net: &IpNet) -> Option<Ban> {
        let hash = self.hash(net);
        let place = self.place(net, hash)?;
        self.places.remove(hash, place);
        let last = self.bans.len() as u32 - 1;
        if let Some(moved) = self.bans.last().filter(|_| place != last) {
            self.places.replace(self.hash(&moved.net), last, place);
        }
        Some(self.bans.swap_remove(place as usize))
    }

    fn place(&self, net: &IpNet, hash: u32) -> Option<u32> {
        let is_it = |place: u32| self.bans[place as usize].net == *net;
        self.places.find(hash, is_it)
    }

    fn hash(&self, net: &IpNet) -> u32 {
        hash_of(&self.hasher, &NetKey(*net))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::SystemTime};

    use proptest::prelude::*;

    use super::*;
    use crate::ban::{End, Origin};

    fn ban(number: u8, offences: u32) -> Ban {
        let net = format!("203.0.113.{number}/32").parse().unwrap();
        Ban {
            offences,
            ..Ban::new(net, Origin::Kernel, SystemTime::UNIX_EPOCH, End::Never)
        }
    }

    proptest! {
        #[test]
        fn what_was_put_in_and_not_taken_out_is_there(
            steps in proptest::collection::vec((any::<bool>(), 0_u8..40), 1..300),
        ) {
            let mut table = ByNet::default();
            let mut model = BTreeMap::new();
            for (number, (enters, who)) in (0_u32..).zip(steps) {
                let new = ban(who, number);
                let held = table.remove(&new.net);
                prop_assert_eq!(&held, &model.remove(&who));
                if enters {
                    prop_assert_eq!(table.insert(new.clone()), None);
                    prop_assert_eq!(table.insert(new.clone()), Some(new.clone()));
                    model.insert(who, new);
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.is_empty(), model.is_empty());
                for who in 0..40 {
                    let net = ban(who, 0).net;
                    prop_assert_eq!(table.get(&net), model.get(&who));
                }
            }
        }
    }
}
