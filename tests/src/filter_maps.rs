//! Bans written into the object's maps by hand, so that the filter is tested without the agent's bookkeeping.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::{
    Ebpf, Pod,
    maps::{Array, LpmTrie, Map, RingBuf, lpm_trie::Key},
};
use ipnet::{IpNet, Ipv4Net};
use mailwall_common::{
    AddressV4, AddressV6, BanEnd, BanRecord, BanSlot, BucketsInUse, Cell, KernelInstant, Limit,
    LimitEvent, LimitsInForce, LineV4, LineV6, PREFIX_LENGTHS_V4_WORDS, PRESENCE_V4_WORDS,
    PrefixLength, PrefixV6, Settings, Shortcut, ShortcutKey, ShortcutLine, Ticks, map_name,
    neighbour,
};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Buckets in use: of IPv4 so many that presence is asked first, of IPv6 so few that it is not.
const BUCKETS_V4: BucketsInUse = BucketsInUse::FEWEST.doubled().doubled().doubled();
const BUCKETS_V6: BucketsInUse = BucketsInUse::FEWEST;
const _: () = assert!(!BUCKETS_V4.are_few() && BUCKETS_V6.are_few());

/// Seed of the hashes in tests.
pub const SEED: u64 = 0x0123_4567_89ab_cdef;

/// The maps of a loaded object. Its methods panic where a test could not go on.
pub struct Maps<'a>(pub &'a mut Ebpf);

impl Maps<'_> {
    /// Makes a ban with no drops. `slot` is its record if it is a network's.
    pub fn ban(&mut self, net: &IpNet, slot: u32, end: KernelInstant) {
        match place(net) {
            Place::V4(address) => {
                let (index, mut line, entry) = self.line_v4(address, 0);
                line.keys[entry] = address.word();
                line.ends[entry] = BanEnd::new(Ticks::not_before(end), true);
                line.drops[entry] = 0;
                self.set(map_name::ADDRESSES_V4, index, line);
                self.mark(
                    map_name::PRESENCE_V4,
                    Cell::addresses_v4(address.slash_24()),
                );
                self.mark(map_name::PRESENCE_V4, Cell::any_v4(address.slash_24()));
            }
            Place::V6(prefix) => {
                let (index, mut line, entry) = self.line_v6(prefix, 0);
                line.keys[entry] = prefix.word();
                line.ends[entry] = BanEnd::new(Ticks::not_before(end), true);
                line.drops[entry] = 0;
                self.set(map_name::PREFIXES_V6, index, line);
                self.mark(map_name::PRESENCE_V6, Cell::prefix_v6(SEED, prefix));
            }
            Place::Network => {
                let ends_ns = end.as_ns();
                self.set(map_name::BAN_RECORDS, slot, BanRecord { ends_ns, drops: 0 });
                self.enter_network(net, slot);
            }
        }
    }

    /// Makes a network's entry, and writes no record.
    pub fn enter_network(&mut self, net: &IpNet, slot: u32) {
        self.set_in_trie(net, Some(BanSlot::new(slot)));
        match net {
            IpNet::V4(net) => {
                let first = AddressV4::from_octets(net.network().octets()).slash_24();
                let last = AddressV4::from_octets(net.broadcast().octets()).slash_24();
                let words = self.words(map_name::PRESENCE_V4, PRESENCE_V4_WORDS);
                for bits in first..=last {
                    let cell = Cell::networks_v4(bits);
                    words.or(cell);
                    words.or(Cell::any_v4(bits));
                }
            }
            IpNet::V6(net) if net.prefix_len() >= 32 => {
                let bits = AddressV6::from_octets(net.addr().octets()).slash_32();
                self.mark(map_name::PRESENCE_V6, Cell::networks_v6(SEED, bits));
            }
            IpNet::V6(_) => self.change_settings(|settings| settings.wide_networks_v6 += 1),
        }
    }

    /// Tells the ways past the trie for these IPv4 networks with these records, which are in it. Of the records only every second one is
    /// told, so that the others are found in the trie.
    pub fn tell_shortcuts(&mut self, networks: &[(IpNet, u32)], allowed: &[IpNet]) {
        let mut slots = BTreeMap::new();
        for (network, slot) in v4_of(networks) {
            slots.insert((network.prefix_len(), network), slot);
        }
        // The narrowest last.
        for ((len, network), slot) in slots {
            self.paint(network, PrefixLength::of(u32::from(len)));
            let Some(key) = ShortcutKey::of(network.into()).filter(|_| slot % 2 == 0) else {
                continue;
            };
            let mut line: ShortcutLine = self.get(map_name::SHORTCUTS_V4, key.line(SEED));
            if let Some(free) = line.entries.iter_mut().find(|entry| **entry == 0) {
                let network = IpNet::V4(network);
                let mut allowed = allowed.iter();
                let is_asked = allowed.any(|net| net.contains(&network) || network.contains(net));
                *free = Shortcut::new(key, BanSlot::new(slot), is_asked).word();
            }
            self.set(map_name::SHORTCUTS_V4, key.line(SEED), line);
        }
    }

    /// Tells nothing of these any more.
    pub fn forget_shortcuts(&mut self, networks: &[(IpNet, u32)]) {
        for (network, _) in v4_of(networks) {
            self.paint(network, PrefixLength::UNTOLD);
            if let Some(key) = ShortcutKey::of(network.into()) {
                let empty = ShortcutLine::default();
                self.set(map_name::SHORTCUTS_V4, key.line(SEED), empty);
            }
        }
    }

    /// Takes a ban out, and leaves the marks of where bans can be.
    pub fn unban(&mut self, net: &IpNet) {
        match place(net) {
            Place::V4(address) => {
                let (index, mut line, entry) = self.line_v4(address, address.word());
                line.keys[entry] = 0;
                self.set(map_name::ADDRESSES_V4, index, line);
            }
            Place::V6(prefix) => {
                let (index, mut line, entry) = self.line_v6(prefix, prefix.word());
                line.keys[entry] = 0;
                self.set(map_name::PREFIXES_V6, index, line);
            }
            Place::Network => {
                self.set_in_trie::<BanSlot>(net, None);
                if matches!(net, IpNet::V6(net) if net.prefix_len() < 32) {
                    self.change_settings(|settings| settings.wide_networks_v6 -= 1);
                }
            }
        }
    }

    /// Gives a ban another end, and leaves its drops.
    pub fn renew(&mut self, net: &IpNet, slot: u32, end: KernelInstant) {
        match place(net) {
            Place::V4(address) => {
                let (index, mut line, entry) = self.line_v4(address, address.word());
                line.ends[entry] = BanEnd::new(Ticks::not_before(end), true);
                self.set(map_name::ADDRESSES_V4, index, line);
            }
            Place::V6(prefix) => {
                let (index, mut line, entry) = self.line_v6(prefix, prefix.word());
                line.ends[entry] = BanEnd::new(Ticks::not_before(end), true);
                self.set(map_name::PREFIXES_V6, index, line);
            }
            Place::Network => {
                let mut record: BanRecord = self.get(map_name::BAN_RECORDS, slot);
                record.ends_ns = end.as_ns();
                self.set(map_name::BAN_RECORDS, slot, record);
            }
        }
    }

    /// Packets that a ban dropped.
    pub fn drops(&mut self, net: &IpNet, slot: u32) -> u64 {
        match place(net) {
            Place::V4(address) => {
                let (_, line, entry) = self.line_v4(address, address.word());
                line.drops[entry]
            }
            Place::V6(prefix) => {
                let (_, line, entry) = self.line_v6(prefix, prefix.word());
                line.drops[entry]
            }
            Place::Network => self.get::<BanRecord>(map_name::BAN_RECORDS, slot).drops,
        }
    }

    /// Sets the mode.
    pub fn set_mode(&mut self, mode: u32) {
        self.change_settings(|settings| {
            settings.mode = mode;
            settings.seed = SEED;
            settings.buckets_v4 = BUCKETS_V4;
            settings.buckets_v6 = BUCKETS_V6;
        });
    }

    /// Writes one entry of an array.
    pub fn set<V: Pod>(&mut self, name: &str, index: u32, value: V) {
        Array::<_, V>::try_from(self.map(name))
            .and_then(|mut array| array.set(index, value, 0))
            .expect("an array of such values with such an index");
    }

    /// Puts a net into the allowlist's trie or takes it out.
    pub fn set_allowed(&mut self, net: &IpNet, allowed: bool) {
        let name = match net {
            IpNet::V4(_) => map_name::ALLOWED_V4,
            IpNet::V6(_) => map_name::ALLOWED_V6,
        };
        set_in_trie(self.map(name), net, allowed.then_some(0_u32));
    }

    /// Limits the sources of a network, or everybody else; `index` is the limit's, 0 for everybody else's.
    pub fn limit(&mut self, net: Option<&IpNet>, index: u32, limit: Limit) {
        self.set(map_name::LIMITS, index, limit);
        let (name, networks) = match net {
            None => (None, LimitsInForce::default()),
            Some(IpNet::V4(_)) => (Some(map_name::LIMITS_V4), LimitsInForce::NETWORKS_V4),
            Some(IpNet::V6(_)) => (Some(map_name::LIMITS_V6), LimitsInForce::NETWORKS_V6),
        };
        if let (Some(net), Some(name)) = (net, name) {
            set_in_trie(self.map(name), net, Some(index));
        }
        self.change_settings(|settings| {
            settings.limits = settings.limits.with(LimitsInForce::RATE).with(networks);
        });
    }

    /// The limit events in a ring, which are taken out of it.
    pub fn limit_events(&mut self, name: &str) -> Vec<LimitEvent> {
        let mut ring = RingBuf::try_from(self.map(name)).expect("a ring");
        let mut events = Vec::new();
        while let Some(record) = ring.next() {
            events.push(LimitEvent::from_bytes(&record).expect("a record of a limit event"));
        }
        events
    }

    /// One entry of an array.
    pub fn get<V: Pod>(&mut self, name: &str, index: u32) -> V {
        Array::<_, V>::try_from(self.map(name))
            .and_then(|array| array.get(&index, 0))
            .expect("an array of such values with such an index")
    }

    /// The line of an address's bucket that holds `key` (0: that has room), and where in it.
    fn line_v4(&mut self, address: AddressV4, key: u32) -> (u32, LineV4, usize) {
        let preferred = LineV4::index_of(SEED, BUCKETS_V4, address);
        for index in [preferred, neighbour(preferred)] {
            let line: LineV4 = self.get(map_name::ADDRESSES_V4, index);
            if let Some(entry) = line.keys.iter().position(|held| *held == key) {
                return (index, line, entry);
            }
        }
        panic!(
            "{:?} is not in its bucket, or has no room there",
            address.octets()
        );
    }

    fn line_v6(&mut self, prefix: PrefixV6, key: u64) -> (u32, LineV6, usize) {
        let preferred = LineV6::index_of(SEED, BUCKETS_V6, prefix);
        for index in [preferred, neighbour(preferred)] {
            let line: LineV6 = self.get(map_name::PREFIXES_V6, index);
            if let Some(entry) = line.keys.iter().position(|held| *held == key) {
                return (index, line, entry);
            }
        }
        panic!(
            "{:?} is not in its bucket, or has no room there",
            prefix.octets()
        );
    }

    fn mark(&mut self, name: &str, cell: Cell) {
        let word: u64 = self.get(name, cell.word);
        self.set(name, cell.word, word | cell.mask);
    }

    /// An array of words, mapped: a wide network has too many to write each by a call.
    fn words(&mut self, name: &str, len: u32) -> Words {
        let Map::Array(map) = self.map(name) else {
            panic!("{name} is no array");
        };
        let bytes = NonZeroUsize::new(len as usize * size_of::<u64>()).expect("some words");
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new shared mapping at an address of the kernel's choice touches no memory of this process.
        let start = unsafe { mmap(None, bytes, access, MapFlags::MAP_SHARED, map.fd(), 0) }
            .expect("the array can be mapped");
        Words {
            start: start.cast(),
            bytes,
        }
    }

    fn paint(&mut self, network: Ipv4Net, told: PrefixLength) {
        if network.prefix_len() < 10 {
            // Of these nothing is told in any case.
            return;
        }
        let first = network.network().to_bits() >> 8;
        let last = network.broadcast().to_bits() >> 8;
        let words = self.words(map_name::PREFIX_LENGTHS_V4, PREFIX_LENGTHS_V4_WORDS);
        for slash_24 in first..=last {
            let word = words.at(PrefixLength::word_of(slash_24));
            let painted = told.put_into(word.load(Ordering::Relaxed), slash_24);
            word.store(painted, Ordering::Relaxed);
        }
    }

    fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings: Settings = self.get(map_name::SETTINGS, 0);
        change(&mut settings);
        self.set(map_name::SETTINGS, 0, settings);
    }

    fn set_in_trie<V: Pod>(&mut self, net: &IpNet, value: Option<V>) {
        let name = match net {
            IpNet::V4(_) => map_name::NETWORKS_V4,
            IpNet::V6(_) => map_name::NETWORKS_V6,
        };
        set_in_trie(self.map(name), net, value);
    }

    fn map(&mut self, name: &str) -> &mut Map {
        self.0
            .map_mut(name)
            .unwrap_or_else(|| panic!("the object has no map {name}"))
    }
}

/// A mapped array of words.
struct Words {
    start: NonNull<AtomicU64>,
    bytes: NonZeroUsize,
}

impl Words {
    fn or(&self, cell: Cell) {
        self.at(cell.word).fetch_or(cell.mask, Ordering::Relaxed);
    }

    fn at(&self, word: u32) -> &AtomicU64 {
        let word = word as usize;
        assert!(word < self.bytes.get() / size_of::<u64>());
        // SAFETY: the word is in the mapping, which lives as long as `self`.
        unsafe { self.start.add(word).as_ref() }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: this mapping was made with this length, and no reference into it outlives `self`.
        unsafe { munmap(self.start.cast(), self.bytes.get()) }.expect("a mapping ends");
    }
}

enum Place {
    V4(AddressV4),
    V6(PrefixV6),
    Network,
}

fn place(net: &IpNet) -> Place {
    match net {
        IpNet::V4(net) if net.prefix_len() == 32 => {
            Place::V4(AddressV4::from_octets(net.addr().octets()))
        }
        IpNet::V6(net) if net.prefix_len() == 64 => {
            Place::V6(AddressV6::from_octets(net.addr().octets()).prefix())
        }
        IpNet::V4(_) | IpNet::V6(_) => Place::Network,
    }
}

fn v4_of(networks: &[(IpNet, u32)]) -> impl Iterator<Item = (Ipv4Net, u32)> + '_ {
    networks.iter().filter_map(|(net, slot)| match net {
        IpNet::V4(net) if net.prefix_len() < 32 => Some((net.trunc(), *slot)),
        _ => None,
    })
}

fn set_in_trie<V: Pod>(map: &mut Map, net: &IpNet, value: Option<V>) {
    match net {
        IpNet::V4(net) => {
            let key = Key::new(u32::from(net.prefix_len()), net.addr().octets());
            set_key_in_trie(map, key, value);
        }
        IpNet::V6(net) => {
            let key = Key::new(u32::from(net.prefix_len()), net.addr().octets());
            set_key_in_trie(map, key, value);
        }
    }
}

fn set_key_in_trie<K: Pod, V: Pod>(map: &mut Map, key: Key<K>, value: Option<V>) {
    let mut map = LpmTrie::<_, K, V>::try_from(map).expect("a trie of such keys and values");
    match value {
        Some(value) => map.insert(&key, value, 0),
        None => map.remove(&key),
    }
    .expect("the map can be changed");
}
