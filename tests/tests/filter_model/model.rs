//! What should be in the maps: a net, its end, its drops. Which addresses find no room in their bucket is worked out by
//! counting who is in it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use ipnet::IpNet;
use mailwall_common::{BucketsInUse, KernelInstant, LineV4, LineV6, Ticks, Verdict};

use crate::{
    content::{Content, address_v4, prefix_v6},
    universe::single,
};

/// A ban.
#[derive(Clone, Copy, Debug)]
struct Held {
    end: KernelInstant,
    drops: u64,
    in_lines: bool,
}

/// What is meant.
#[derive(Clone)]
pub struct Model {
    seed: u64,
    bans: BTreeMap<IpNet, Held>,
    buckets: HashMap<(bool, u32), usize>,
    pub allowed: BTreeSet<IpNet>,
}

impl Model {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            bans: BTreeMap::new(),
            buckets: HashMap::new(),
            allowed: BTreeSet::new(),
        }
    }

    pub fn nets(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.bans.keys().copied()
    }

    pub fn len(&self) -> usize {
        self.bans.len()
    }

    /// Addresses that are kept as networks.
    pub fn spilled(&self) -> usize {
        let spilled = self.bans.iter();
        spilled
            .filter(|(net, held)| is_single(net) && !held.in_lines)
            .count()
    }

    pub fn drops(&self, net: &IpNet) -> Option<u64> {
        self.bans.get(&net.trunc()).map(|held| held.drops)
    }

    /// Of several for one net the last counts.
    pub fn ban(&mut self, bans: &[(IpNet, KernelInstant)]) {
        let last: HashMap<IpNet, usize> = (0..)
            .zip(bans)
            .map(|(index, (net, _))| (net.trunc(), index))
            .collect();
        for (index, (net, end)) in bans.iter().enumerate() {
            let net = net.trunc();
            if last[&net] == index {
                self.ban_one(net, *end);
            }
        }
    }

    fn ban_one(&mut self, net: IpNet, end: KernelInstant) {
        let in_lines = match self.bans.get(&net) {
            Some(held) => held.in_lines,
            None => self.takes_place(net),
        };
        let end = if in_lines {
            Ticks::not_before(end).instant()
        } else {
            end
        };
        let drops = self.drops(&net).unwrap_or(0);
        let held = Held {
            end,
            drops,
            in_lines,
        };
        self.bans.insert(net, held);
    }

    fn takes_place(&mut self, net: IpNet) -> bool {
        let Some((bucket, room)) = self.bucket(&net) else {
            return false;
        };
        let taken = self.buckets.entry(bucket).or_default();
        let there_is_room = *taken < room;
        *taken += usize::from(there_is_room);
        there_is_room
    }

    /// The bucket that a net belongs in, and the places in it.
    fn bucket(&self, net: &IpNet) -> Option<((bool, u32), usize)> {
        // What is written as nothing but zeros means nobody.
        if !is_single(net) || net.addr().is_unspecified() {
            return None;
        }
        Some(match net.addr() {
            IpAddr::V4(address) => {
                let line = LineV4::index_of(self.seed, BucketsInUse::FEWEST, address_v4(address));
                ((true, line / 2), 2 * LineV4::ENTRIES)
            }
            IpAddr::V6(address) => {
                let line = LineV6::index_of(self.seed, BucketsInUse::FEWEST, prefix_v6(address));
                ((false, line / 2), 2 * LineV6::ENTRIES)
            }
        })
    }

    pub fn unban(&mut self, nets: &[IpNet]) {
        for net in nets {
            let net = net.trunc();
            if self.bans.remove(&net).is_some_and(|held| held.in_lines)
                && let Some((bucket, _)) = self.bucket(&net)
            {
                *self.buckets.get_mut(&bucket).unwrap() -= 1;
            }
        }
    }

    /// First what comes, then what goes, so that nobody is let in meanwhile.
    pub fn replace_all(&mut self, bans: &[(IpNet, KernelInstant)], allowed: &[IpNet]) {
        let wanted: BTreeSet<IpNet> = bans.iter().map(|(net, _)| net.trunc()).collect();
        let unwanted: Vec<IpNet> = self.nets().filter(|net| !wanted.contains(net)).collect();
        self.ban(bans);
        self.unban(&unwanted);
        self.allowed = allowed.iter().map(IpNet::trunc).collect();
    }

    /// All that is known after a restart is in the maps.
    pub fn restart(&mut self) {
        let ends: Vec<(IpNet, KernelInstant)> = self
            .networks()
            .map(|net| (net, self.end_in_record(net)))
            .collect();
        for (net, end) in ends {
            self.bans.get_mut(&net).unwrap().end = end;
        }
    }

    fn networks(&self) -> impl Iterator<Item = IpNet> + '_ {
        let networks = self.bans.iter().filter(|(_, held)| !held.in_lines);
        networks.map(|(net, _)| *net)
    }

    /// The latest end of a network and those around it.
    fn end_in_record(&self, net: IpNet) -> KernelInstant {
        let around = self.networks_around(net.addr(), net.prefix_len());
        around.map(|(_, held)| held.end).max().unwrap()
    }

    /// The networks that `address` is in, narrow before wide, of no more than `len` bits.
    fn networks_around(
        &self,
        address: IpAddr,
        len: u8,
    ) -> impl Iterator<Item = (IpNet, Held)> + '_ {
        (0..=len).rev().filter_map(move |len| {
            let net = IpNet::new(address, len).unwrap().trunc();
            let held = self.bans.get(&net)?;
            (!held.in_lines).then_some((net, *held))
        })
    }

    /// What is to be done with a SYN of `source`, and the ban it is counted for.
    pub fn judge(
        &self,
        source: IpAddr,
        in_force: impl Fn(KernelInstant) -> bool,
    ) -> (Verdict, Option<IpNet>) {
        let address = single(source);
        let held = self.bans.get(&address).filter(|held| held.in_lines);
        let len = if source.is_ipv4() { 32 } else { 128 };
        let narrowest = self.networks_around(source, len).next();
        let allowed = || self.allowed.iter().any(|net| net.contains(&source));
        if held.is_some_and(|held| in_force(held.end)) {
            return match allowed() {
                true => (Verdict::Allowed, None),
                false => (Verdict::BannedAddress, Some(address)),
            };
        }
        // Whichever of them is in force, the narrowest counts.
        let mut around = self.networks_around(source, len);
        if around.any(|(_, held)| in_force(held.end)) {
            return match allowed() {
                true => (Verdict::Allowed, None),
                false => (Verdict::BannedNetwork, narrowest.map(|(net, _)| net)),
            };
        }
        if held.is_some() || narrowest.is_some() {
            return (Verdict::Expired, None);
        }
        (Verdict::Clean, None)
    }

    pub fn count_drop(&mut self, net: &IpNet) {
        self.bans.get_mut(net).unwrap().drops += 1;
    }

    /// What the agent tells of the bans.
    pub fn kept(&self) -> Vec<(IpNet, KernelInstant)> {
        let bans = self.bans.iter();
        bans.map(|(net, held)| (*net, held.end)).collect()
    }

    /// What is in the maps.
    pub fn content(&self) -> Content {
        let singles = self.bans.iter().filter(|(_, held)| held.in_lines);
        Content {
            singles: singles
                .map(|(net, held)| (*net, (held.end, held.drops)))
                .collect(),
            networks: self
                .networks()
                .map(|net| (net, (self.end_in_record(net), self.bans[&net].drops)))
                .collect(),
            allowed: self.allowed.clone(),
        }
    }
}

fn is_single(net: &IpNet) -> bool {
    *net == single(net.addr())
}
