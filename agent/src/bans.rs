//! The table of bans in force: who is shut out, by which ban, and which ends next. As many as the filter's maps hold.

mod by_net;
mod origins;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    net::IpAddr,
    time::SystemTime,
};

use foldhash::quality::RandomState;
use ipnet::IpNet;
use mailwall_common::{ADDRESSES_V4_CAPACITY, NETWORKS_CAPACITY, PREFIXES_V6_CAPACITY};

use self::{by_net::ByNet, origins::Origins};
use crate::ban::{Ban, End, Evidence, ListName};

/// Most bytes of log lines that are kept with bans in force; beyond it the bans that began longest ago lose theirs, which the store
/// still has.
pub const EVIDENCE_BYTES_MAX: usize = 32 << 20;

/// Entries of ended bans that may wait to be forgotten, beside one for each ban.
const STALE_MAX: usize = 1024;

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
    /// Bytes of evidence, and the nets that have any, in the order in which their bans began; some of those have none any more.
    evidence_bytes: usize,
    with_evidence: VecDeque<(IpNet, SystemTime)>,
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
        let map = MapOf::of(net);
        self.held[map as usize] >= map.capacity()
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
        if let Some(list) = origin.list() {
            match self.lists.get_mut(list) {
                Some(count) => *count += 1,
                None => {
                    self.lists.insert(list.clone(), 1);
                }
            }
        }
        self.held[MapOf::of(&net) as usize] += 1;
        self.lengths(&net).add(net.prefix_len());
        self.origins.add(&origin);
        if evidence_bytes > 0 {
            self.keep_evidence(net, since, evidence_bytes);
        }
        None
    }

    /// Bytes of log lines that are kept with bans.
    pub(crate) fn evidence_bytes(&self) -> usize {
        self.evidence_bytes
    }

    fn keep_evidence(&mut self, net: IpNet, since: SystemTime, bytes: usize) {
        self.evidence_bytes += bytes;
        self.with_evidence.push_back((net, since));
        // Bans end in any order.
        if self.with_evidence.len() > 2 * self.by_net.len() + STALE_MAX {
            let has_any = |(net, since): &(IpNet, SystemTime)| {
                let ban = self.by_net.get(net);
                ban.is_some_and(|ban| ban.since == *since)
            };
            self.with_evidence.retain(has_any);
        }
        self.bound_evidence();
    }

    fn bound_evidence(&mut self) {
        while self.evidence_bytes > EVIDENCE_BYTES_MAX {
            let Some((net, since)) = self.with_evidence.pop_front() else {
                return;
            };
            let ban = self.by_net.get_mut(&net);
            if let Some(ban) = ban.filter(|ban| ban.since == since) {
                self.evidence_bytes -= bytes_of(ban);
                ban.evidence = Vec::new();
            }
        }
    }

    /// Takes out the ban of exactly `net`.
    pub(crate) fn remove(&mut self, net: &IpNet) -> Option<Ban> {
        let ban = self.by_net.remove(net)?;
        self.evidence_bytes -= bytes_of(&ban);
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

/// Bytes of a ban's evidence.
fn bytes_of(ban: &Ban) -> usize {
    let pieces = ban.evidence.iter();
    pieces
        .map(|piece| size_of::<Evidence>() + piece.text.capacity())
        .sum()
}

/// Which map of the filter holds a ban: each has its own capacity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum MapOf {
    AddressesV4,
    NetworksV4,
    PrefixesV6,
    NetworksV6,
}

impl MapOf {
    const ALL: [Self; 4] = [
        Self::AddressesV4,
        Self::NetworksV4,
        Self::PrefixesV6,
        Self::NetworksV6,
    ];

    fn of(net: &IpNet) -> Self {
        match (net, net.prefix_len()) {
            (IpNet::V4(_), 32) => Self::AddressesV4,
            (IpNet::V4(_), _) => Self::NetworksV4,
            (IpNet::V6(_), 64) => Self::PrefixesV6,
            (IpNet::V6(_), _) => Self::NetworksV6,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::AddressesV4 => "addresses-v4",
            Self::NetworksV4 => "networks-v4",
            Self::PrefixesV6 => "prefixes-v6",
            Self::NetworksV6 => "networks-v6",
        }
    }

    const fn capacity(self) -> usize {
        let capacity = match self {
            Self::AddressesV4 => ADDRESSES_V4_CAPACITY,
            Self::PrefixesV6 => PREFIXES_V6_CAPACITY,
            Self::NetworksV4 | Self::NetworksV6 => NETWORKS_CAPACITY,
        };
        capacity as usize
    }
}

/// How many bans there are of each prefix length, so that only lengths that occur are looked up.
#[derive(Debug)]
struct Lengths {
    counts: [u32; 129],
    /// Bit `n` of the word `n / 64`: whether there is one of length `n`.
    present: [u64; 3],
}

impl Default for Lengths {
    fn default() -> Self {
        Self {
            counts: [0; 129],
            present: [0; 3],
        }
    }
}

impl Lengths {
    fn add(&mut self, length: u8) {
        self.counts[usize::from(length)] += 1;
        self.present[usize::from(length) / 64] |= 1 << (length % 64);
    }

    fn subtract(&mut self, length: u8) {
        let count = &mut self.counts[usize::from(length)];
        *count -= 1;
        if *count == 0 {
            self.present[usize::from(length) / 64] &= !(1 << (length % 64));
        }
    }

    /// Lengths that occur, from `longest` down.
    fn up_to(&self, longest: u8) -> impl Iterator<Item = u8> + use<> {
        let mut words = self.present;
        let (word, bit) = (usize::from(longest) / 64, longest % 64);
        words[word] &= u64::MAX >> (63 - bit);
        for beyond in &mut words[word + 1..] {
            *beyond = 0;
        }
        std::iter::from_fn(move || {
            let word = words.iter().rposition(|bits| *bits != 0)?;
            let bit = 63 - words[word].leading_zeros();
            words[word] &= !(1 << bit);
            u8::try_from(word * 64 + bit as usize).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Bans, EVIDENCE_BYTES_MAX, STALE_MAX};
    use crate::ban::{Ban, End, Evidence, Origin, Sort};

    fn at(s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(s)
    }

    fn ban(net: &str, end: End) -> Ban {
        Ban {
            net: net.parse().unwrap(),
            sort: Sort::Ban,
            origin: Origin::Kernel,
            since: at(0),
            end,
            offences: 1,
            cause: None,
            level: 0,
            reason: String::new(),
            evidence: Vec::new(),
        }
    }

    fn nets<'a>(bans: impl Iterator<Item = &'a Ban>) -> Vec<String> {
        bans.map(|ban| ban.net.to_string()).collect()
    }

    #[test]
    fn the_log_lines_of_the_newest_bans_are_kept_and_no_more() {
        let mut bans = Bans::new();
        let lines = |n: u64| {
            let text = "x".repeat(512);
            vec![Evidence { at: at(n), text }; 10]
        };
        for n in 0..10_000 {
            let net = std::net::Ipv4Addr::from(0x0a00_0000 + n as u32);
            bans.insert(Ban {
                since: at(n),
                evidence: lines(n),
                ..ban(&format!("{net}/32"), End::Never)
            });
            // One that ends at once.
            bans.insert(Ban {
                since: at(n),
                evidence: lines(n),
                ..ban("192.0.2.1/32", End::At(at(n)))
            });
            assert!(bans.evidence_bytes() <= EVIDENCE_BYTES_MAX);
            assert!(bans.with_evidence.len() <= 2 * bans.len() + STALE_MAX + 1);
        }
        let has_lines = |net: &str| {
            let ban = bans.get(&net.parse().unwrap()).unwrap();
            ban.evidence.len() == 10
        };
        assert!(!has_lines("10.0.0.0/32") && has_lines("10.0.39.15/32"));
        let nets: Vec<_> = bans.iter().map(|ban| ban.net).collect();
        for net in nets {
            bans.remove(&net);
        }
        assert_eq!(bans.evidence_bytes(), 0);
    }

    #[test]
    fn covering_bans_come_narrowest_first() {
        let mut bans = Bans::new();
        for net in [
            "203.0.0.0/16",
            "203.0.113.7/32",
            "203.0.113.0/24",
            "0.0.0.0/0",
            "198.51.100.0/24",
            "2001:db8::/32",
            "2001:db8::/64",
            "2001:db8::1/128",
        ] {
            bans.insert(ban(net, End::Never));
        }
        assert_eq!(
            nets(bans.covering("::ffff:203.0.113.7".parse().unwrap())),
            [
                "203.0.113.7/32",
                "203.0.113.0/24",
                "203.0.0.0/16",
                "0.0.0.0/0"
            ]
        );
        assert_eq!(
            nets(bans.covering("2001:db8::1".parse().unwrap())),
            ["2001:db8::1/128", "2001:db8::/64", "2001:db8::/32"]
        );
        assert_eq!(
            nets(bans.around("203.0.113.0/24".parse().unwrap())),
            ["203.0.113.0/24", "203.0.0.0/16", "0.0.0.0/0"]
        );
        bans.remove(&"203.0.113.0/24".parse().unwrap());
        assert_eq!(nets(bans.covering("203.0.113.9".parse().unwrap())).len(), 2);
    }

    #[test]
    fn bans_of_before_are_in_force_as_if_they_had_been_put_in_one_by_one() {
        let list = Origin::List(crate::ban::ListName::new("drop").unwrap());
        let before: Vec<Ban> = [
            ("203.0.113.3/32", End::Never, Origin::Manual),
            ("203.0.113.2/32", End::At(at(9)), Origin::Kernel),
            ("2001:db8::/64", End::At(at(7)), list.clone()),
            ("203.0.113.2/32", End::At(at(5)), list),
            ("203.0.113.0/24", End::At(at(5)), Origin::Kernel),
        ]
        .map(|(net, end, origin)| Ban {
            origin,
            ..ban(net, end)
        })
        .into();
        let (mut restored, mut one_by_one) = (Bans::new(), Bans::new());
        for bans in [&mut restored, &mut one_by_one] {
            bans.insert(ban("203.0.113.1/32", End::At(at(6))));
        }
        let mut shown = 0;
        restored.restore(before.clone(), |_| shown += 1);
        assert_eq!(shown, before.len());
        for ban in before {
            one_by_one.insert(ban);
        }
        assert!(restored.iter().eq(one_by_one.iter()));
        assert!(restored.fill().eq(one_by_one.fill()));
        assert_eq!(restored.lists(), one_by_one.lists());
        let origins = |bans: &Bans| {
            let counts = bans.by_origin();
            let counts = counts.map(|(name, count)| (name.to_owned(), count));
            counts.collect::<std::collections::BTreeMap<_, _>>()
        };
        assert_eq!(origins(&restored), origins(&one_by_one));
        let net = "203.0.113.200/32".parse().unwrap();
        assert_eq!(
            restored.next_to_give_way(&net),
            one_by_one.next_to_give_way(&net)
        );
        while let Some(next) = one_by_one.pop_over(at(100)) {
            assert_eq!(restored.pop_over(at(100)), Some(next));
        }
        assert!(restored.pop_over(at(100)).is_none());
    }

    #[test]
    fn bans_end_in_the_order_of_their_ends() {
        let mut bans = Bans::new();
        bans.insert(ban("203.0.113.3/32", End::Never));
        bans.insert(ban("203.0.113.2/32", End::At(at(9))));
        bans.insert(ban("203.0.113.1/32", End::At(at(5))));
        assert_eq!(bans.next_end(), Some(at(5)));
        assert_eq!(
            nets(bans.iter()),
            ["203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"]
        );
        bans.insert(ban("203.0.113.1/32", End::At(at(20))));
        assert_eq!(bans.len(), 3);
        assert!(bans.pop_over(at(8)).is_none());
        assert_eq!(
            bans.pop_over(at(9)).unwrap().net.to_string(),
            "203.0.113.2/32"
        );
        assert_eq!(
            bans.pop_over(at(99)).unwrap().net.to_string(),
            "203.0.113.1/32"
        );
        assert!(bans.pop_over(at(99)).is_none());
        assert_eq!(bans.next_end(), None);
    }
}
