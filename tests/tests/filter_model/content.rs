//! What is in the maps, read raw, with everything that must hold whatever is banned: each key once and in its bucket, each
//! network with a record of its own, and the presence words and ways past the trie bit for bit what the entries need.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net};
use mailwall_common::{
    ANY_WORDS_V4, AddressV4, AddressV6, BanSlot, Cell, KernelInstant, LineV4, LineV6,
    PREFIX_LENGTHS_V4_WORDS, PRESENCE_V4_WORDS, PRESENCE_V6_WORDS, PrefixLength, PrefixV6,
    Shortcut, ShortcutKey, ShortcutLine,
};

use crate::{pinned::Pinned, universe::single};

/// End and drops of each ban, and the allowlist.
#[derive(Debug, Eq, PartialEq)]
pub struct Content {
    /// In the lines.
    pub singles: BTreeMap<IpNet, (KernelInstant, u64)>,
    /// In the tries; the end is that of the record.
    pub networks: BTreeMap<IpNet, (KernelInstant, u64)>,
    pub allowed: BTreeSet<IpNet>,
}

impl Content {
    /// What is there.
    ///
    /// # Panics
    /// When it does not hold together.
    pub fn read(pinned: &Pinned) -> Self {
        let settings = pinned.settings();
        let mut singles = BTreeMap::new();
        // Those for which the filter asks the allowlist.
        let mut asked = BTreeSet::new();
        for (index, line) in used(pinned.lines_v4.elements()) {
            for entry in 0..LineV4::ENTRIES {
                let key = AddressV4::from_be(line.keys[entry]);
                if key.word() != 0 {
                    let home = LineV4::index_of(settings.seed, settings.buckets_v4, key);
                    let net = single(IpAddr::from(key.octets()));
                    assert_eq!(index / 2, home / 2, "{net} is not in its bucket");
                    let end = line.ends[entry];
                    if end.may_be_allowed() {
                        asked.insert(net);
                    }
                    let held = (end.ticks().instant(), line.drops[entry]);
                    assert_eq!(singles.insert(net, held), None, "{net} is there twice");
                }
            }
        }
        for (index, line) in used(pinned.lines_v6.elements()) {
            for entry in 0..LineV6::ENTRIES {
                let key = PrefixV6::from_be(line.keys[entry]);
                if key.word() != 0 {
                    let home = LineV6::index_of(settings.seed, settings.buckets_v6, key);
                    let bits = u128::from(u64::from_be_bytes(key.octets())) << 64;
                    let net = single(Ipv6Addr::from_bits(bits));
                    assert_eq!(index / 2, home / 2, "{net} is not in its bucket");
                    let end = line.ends[entry];
                    if end.may_be_allowed() {
                        asked.insert(net);
                    }
                    let held = (end.ticks().instant(), line.drops[entry]);
                    assert_eq!(singles.insert(net, held), None, "{net} is there twice");
                }
            }
        }
        let records = pinned.records.elements();
        let mut networks = BTreeMap::new();
        let entered = pinned.networks();
        let allowed: BTreeSet<IpNet> = pinned.allowed().into_iter().collect();
        check_shortcuts(pinned, &entered, &allowed);
        let mut slots = BTreeSet::new();
        for (net, slot) in entered {
            assert!(slots.insert(slot), "{net} shares its record");
            assert!(!singles.contains_key(&net), "{net} is in lines and trie");
            let record = records[slot.index() as usize];
            let held = (KernelInstant::from_ns(record.ends_ns), record.drops);
            networks.insert(net, held);
        }
        let content = Self {
            singles,
            networks,
            allowed,
        };
        content.check_presence(pinned);
        let is_asked = |net: &&IpNet| content.allowed.iter().any(|other| meets(net, other));
        let expected: BTreeSet<IpNet> = content.singles.keys().filter(is_asked).copied().collect();
        assert_eq!(asked, expected, "bans for which the allowlist is asked");
        content
    }

    fn check_presence(&self, pinned: &Pinned) {
        let settings = pinned.settings();
        let mut v4 = vec![0; PRESENCE_V4_WORDS as usize];
        let mut v6 = vec![0; PRESENCE_V6_WORDS as usize];
        let mut wide = 0;
        let mark = |words: &mut [u64], cell: Cell| words[cell.word as usize] |= cell.mask;
        for net in self.singles.keys() {
            match net.addr() {
                IpAddr::V4(address) => {
                    let bits = address_v4(address).slash_24();
                    mark(&mut v4, Cell::any_v4(bits));
                    mark(&mut v4, Cell::addresses_v4(bits));
                }
                IpAddr::V6(address) => {
                    let cell = Cell::prefix_v6(settings.seed, prefix_v6(address));
                    mark(&mut v6, cell);
                }
            }
        }
        for net in self.networks.keys() {
            match net {
                IpNet::V4(net) => mark_networks_v4(&mut v4, *net),
                IpNet::V6(net) if net.prefix_len() < 32 => wide += 1,
                IpNet::V6(net) => {
                    let bits = AddressV6::from_octets(net.addr().octets()).slash_32();
                    mark(&mut v6, Cell::networks_v6(settings.seed, bits));
                }
            }
        }
        assert_eq!(difference(pinned.presence_v4.elements(), &v4), None, "IPv4");
        assert_eq!(difference(pinned.presence_v6.elements(), &v6), None, "IPv6");
        assert_eq!(settings.wide_networks_v6, wide);
    }
}

fn meets(net: &IpNet, other: &IpNet) -> bool {
    net.contains(other) || other.contains(net)
}

/// The ways past the trie lead where its entries do, and are told of every network that there is room for.
fn check_shortcuts(pinned: &Pinned, entered: &[(IpNet, BanSlot)], allowed: &BTreeSet<IpNet>) {
    let seed = pinned.settings().seed;
    let mut lengths = vec![0; PREFIX_LENGTHS_V4_WORDS as usize];
    let mut lines = BTreeMap::<u32, BTreeSet<u64>>::new();
    // The narrowest last.
    let mut v4: Vec<(Ipv4Net, BanSlot)> = entered
        .iter()
        .filter_map(|(net, slot)| match net {
            IpNet::V4(net) => Some((*net, *slot)),
            IpNet::V6(_) => None,
        })
        .collect();
    v4.sort_by_key(|(net, _)| net.prefix_len());
    for (net, slot) in v4 {
        let told = PrefixLength::of(u32::from(net.prefix_len()));
        if net.prefix_len() >= 10 {
            for slash_24 in net.network().to_bits() >> 8..=net.broadcast().to_bits() >> 8 {
                let word = &mut lengths[PrefixLength::word_of(slash_24) as usize];
                *word = told.put_into(*word, slash_24);
            }
        }
        if let Some(key) = ShortcutKey::of(net.into()) {
            let line = lines.entry(key.line(seed)).or_default();
            let net = IpNet::V4(net);
            let is_asked = allowed.iter().any(|other| meets(&net, other));
            line.insert(Shortcut::new(key, slot, is_asked).word());
        }
    }
    let told = difference(pinned.prefix_lengths.elements(), &lengths);
    assert_eq!(told, None, "lengths of prefixes");
    for (index, line) in used(pinned.shortcuts.elements()) {
        let held: BTreeSet<u64> = line.entries.into_iter().filter(|word| *word != 0).collect();
        let all = lines.remove(&index).unwrap_or_default();
        assert!(
            held.is_subset(&all),
            "line {index}: {held:x?}, not of {all:x?}"
        );
        assert_eq!(
            held.len(),
            all.len().min(ShortcutLine::ENTRIES),
            "line {index}"
        );
    }
    assert_eq!(lines, BTreeMap::new(), "networks without a shortcut");
}

/// The first word that is not as it should be: index, what it is, what it should be.
fn difference(is: &[u64], should: &[u64]) -> Option<(usize, u64, u64)> {
    if is == should {
        return None;
    }
    let index = (0..should.len()).find(|index| is[*index] != should[*index])?;
    Some((index, is[index], should[index]))
}

fn mark_networks_v4(words: &mut [u64], net: Ipv4Net) {
    let first = net.network().to_bits() >> 8;
    let last = net.broadcast().to_bits() >> 8;
    let all_of_word = (0..32).fold(0, |mask, bits| mask | Cell::networks_v4(bits).mask);
    if last - first >= 63 {
        // Aligned at 64 /24s, as any network of so many.
        let (any, kinds) = words.split_at_mut(ANY_WORDS_V4 as usize);
        any[first as usize / 64..=last as usize / 64].fill(u64::MAX);
        for word in &mut kinds[first as usize / 32..=last as usize / 32] {
            *word |= all_of_word;
        }
        return;
    }
    for bits in first..=last {
        for cell in [Cell::any_v4(bits), Cell::networks_v4(bits)] {
            words[cell.word as usize] |= cell.mask;
        }
    }
}

/// The lines that are not empty, with their index. Most pages are.
fn used<L: Copy + Default + PartialEq>(lines: &[L]) -> impl Iterator<Item = (u32, L)> + '_ {
    const PAGE: usize = 64;
    let is_empty = |page: &[L]| {
        let bytes = size_of_val(page);
        // SAFETY: lines are integers without padding between them.
        let bytes = unsafe { std::slice::from_raw_parts(page.as_ptr().cast::<u8>(), bytes) };
        bytes == &[0; 64 * PAGE][..bytes.len()]
    };
    let pages = (0..).step_by(PAGE).zip(lines.chunks(PAGE));
    pages
        .filter(move |(_, page)| !is_empty(page))
        .flat_map(|(first, page)| (first..).zip(page.iter().copied()))
}

/// As the filter knows it.
pub fn address_v4(address: Ipv4Addr) -> AddressV4 {
    AddressV4::from_octets(address.octets())
}

/// The /64 of an address.
pub fn prefix_v6(address: Ipv6Addr) -> PrefixV6 {
    AddressV6::from_octets(address.octets()).prefix()
}
