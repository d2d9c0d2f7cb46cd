//! The maps, in the shapes of `mailwall_common::MAPS`, as [`Tables`].

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    Global,
    bindings::BPF_F_MMAPABLE,
    btf_maps::{Array, LpmTrie, lpm_trie::Key},
    helpers::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns},
    macros::btf_map,
};
use mailwall_common::{
    ALLOWED_CAPACITY, AddressV4, AddressV6, BAN_RECORDS_CAPACITY, BanEnd, BanRecord, BanSlot, Cell,
    KernelInstant, LINES_V4, LINES_V6, LineV4, LineV6, MODE_ENFORCE, NETWORKS_CAPACITY, PORT_WORDS,
    PREFIX_LENGTHS_V4_WORDS, PRESENCE_V4_WORDS, PRESENCE_V6_WORDS, PrefixLength, PrefixV6,
    Presence, SHORTCUT_LINES, Settings, Shortcut, ShortcutKey, ShortcutLine, neighbour,
};

use crate::{
    ban::{Found, Tables},
    segment::Source,
};

mod limits;

const MMAPABLE: usize = BPF_F_MMAPABLE as usize;

#[btf_map]
static ADDRESSES_V4: Array<LineV4, { LINES_V4 as usize }, MMAPABLE> = Array::new();

#[btf_map]
static PREFIXES_V6: Array<LineV6, { LINES_V6 as usize }, MMAPABLE> = Array::new();

#[btf_map]
static PRESENCE_V4: Array<u64, { PRESENCE_V4_WORDS as usize }, MMAPABLE> = Array::new();

#[btf_map]
static PRESENCE_V6: Array<u64, { PRESENCE_V6_WORDS as usize }, MMAPABLE> = Array::new();

#[btf_map]
static PREFIX_LENGTHS_V4: Array<u64, { PREFIX_LENGTHS_V4_WORDS as usize }, MMAPABLE> = Array::new();

#[btf_map]
static SHORTCUTS_V4: Array<ShortcutLine, { SHORTCUT_LINES as usize }, MMAPABLE> = Array::new();

#[btf_map]
static NETWORKS_V4: LpmTrie<AddressV4, BanSlot, { NETWORKS_CAPACITY as usize }> = LpmTrie::new();

#[btf_map]
static NETWORKS_V6: LpmTrie<AddressV6, BanSlot, { NETWORKS_CAPACITY as usize }> = LpmTrie::new();

#[btf_map]
static BAN_RECORDS: Array<BanRecord, { BAN_RECORDS_CAPACITY as usize }, MMAPABLE> = Array::new();

#[btf_map]
static ALLOWED_V4: LpmTrie<AddressV4, u32, { ALLOWED_CAPACITY as usize }> = LpmTrie::new();

#[btf_map]
static ALLOWED_V6: LpmTrie<AddressV6, u32, { ALLOWED_CAPACITY as usize }> = LpmTrie::new();

#[btf_map]
static PORTS: Array<u64, { PORT_WORDS as usize }> = Array::new();

#[btf_map]
static SETTINGS: Array<Settings, 1> = Array::new();

/// Whether the kernel has the coarse clock: see `mailwall_common::COARSE_CLOCK`.
#[unsafe(no_mangle)]
static COARSE_CLOCK: Global<u8> = Global::new(1);

/// The maps above.
pub struct Maps;

/// Where the drops of a ban are counted: a word of a map.
#[derive(Clone, Copy)]
pub struct Counter(*mut u64);

impl Tables for Maps {
    type Counter = Counter;

    #[inline(always)]
    fn guards(&self, port: u16) -> bool {
        match PORTS.get(u32::from(port / 64)) {
            Some(ports) => ports >> (port % 64) & 1 == 1,
            None => false,
        }
    }

    #[inline(always)]
    fn enforces(&self) -> bool {
        match SETTINGS.get(0) {
            Some(settings) => settings.mode == MODE_ENFORCE,
            None => false,
        }
    }

    #[inline(always)]
    fn has_few_addresses(&self, source: Source) -> bool {
        let Some(settings) = SETTINGS.get(0) else {
            return false;
        };
        match source {
            Source::V4(_) => settings.buckets_v4.are_few(),
            Source::V6(_) => settings.buckets_v6.are_few(),
        }
    }

    #[inline(always)]
    fn presence(&self, source: Source) -> Presence {
        match source {
            Source::V4(address) => presence_v4(address),
            Source::V6(address) => presence_v6(address),
        }
    }

    #[inline(always)]
    fn address_ban(&self, source: Source) -> Option<Found<Counter>> {
        let settings = SETTINGS.get(0)?;
        match source {
            Source::V4(address) => {
                let index = LineV4::index_of(settings.seed, settings.buckets_v4, address);
                find_v4(index, address).or_else(|| find_v4(neighbour(index), address))
            }
            Source::V6(address) => {
                let prefix = address.prefix();
                let index = LineV6::index_of(settings.seed, settings.buckets_v6, prefix);
                find_v6(index, prefix).or_else(|| find_v6(neighbour(index), prefix))
            }
        }
    }

    #[inline(always)]
    fn network_ban(&self, source: Source) -> Option<Found<Counter>> {
        let (slot, may_be_allowed) = match source {
            Source::V4(address) => match shortcut(address) {
                Some(shortcut) => (shortcut.slot(), shortcut.may_be_allowed()),
                None => (*NETWORKS_V4.get(&key_v4(address))?, true),
            },
            Source::V6(address) => (*NETWORKS_V6.get(&key_v6(address))?, true),
        };
        let record = BAN_RECORDS.get_ptr_mut(slot.index())?;
        // SAFETY: the pointer is to an element of an array, which lives as long as the map; the agent writes the word whole.
        let ends_ns = unsafe { (&raw const (*record).ends_ns).read_volatile() };
        Some(Found {
            end: KernelInstant::from_ns(ends_ns),
            may_be_allowed,
            // SAFETY: as above; nothing is read.
            counter: Counter(unsafe { &raw mut (*record).drops }),
        })
    }

    #[inline(always)]
    fn allows(&self, source: Source) -> bool {
        match source {
            Source::V4(address) => ALLOWED_V4.get(&key_v4(address)),
            Source::V6(address) => ALLOWED_V6.get(&key_v6(address)),
        }
        .is_some()
    }

    #[inline(always)]
    fn now(&self) -> KernelInstant {
        KernelInstant::from_ns(if COARSE_CLOCK.load() == 0 {
            // SAFETY: the helper takes nothing and returns a number.
            unsafe { bpf_ktime_get_ns() }
        } else {
            // SAFETY: the helper takes nothing and returns a number.
            unsafe { bpf_ktime_get_coarse_ns() }
        })
    }

    #[inline(always)]
    fn count_drop(&self, counter: Counter) {
        // SAFETY: the pointer is to a word of an array, which lives as long as the map. `AtomicU64::fetch_add` is not there on
        // this target, which cannot compare and swap; the previous value is not used, as the first instruction set (v1) has
        // no way to return it.
        unsafe {
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter.0, 1);
        }
    }
}

#[inline(always)]
fn presence_v4(address: AddressV4) -> Presence {
    let any = Cell::any_v4(address.slash_24());
    if !matches!(PRESENCE_V4.get(any.word), Some(word) if word & any.mask != 0) {
        return Presence::default();
    }
    let addresses = Cell::addresses_v4(address.slash_24());
    let networks = Cell::networks_v4(address.slash_24());
    match PRESENCE_V4.get(addresses.word) {
        Some(word) => Presence {
            address: word & addresses.mask != 0,
            network: word & networks.mask != 0,
        },
        None => Presence::default(),
    }
}

#[inline(always)]
fn presence_v6(address: AddressV6) -> Presence {
    let Some(settings) = SETTINGS.get(0) else {
        return Presence::default();
    };
    let is_set =
        |cell: Cell| matches!(PRESENCE_V6.get(cell.word), Some(word) if word & cell.mask != 0);
    Presence {
        address: is_set(Cell::prefix_v6(settings.seed, address.prefix())),
        network: settings.wide_networks_v6 != 0
            || is_set(Cell::networks_v6(settings.seed, address.slash_32())),
    }
}

/// The entry of `key` among those of one line, whose parts are at these places. The agent may write while this reads: an entry that
/// it takes away and gives to somebody else meanwhile is, for this one packet, as if it had not been taken away.
///
/// # Safety
/// The places are those of a line in an array, which lives as long as the map; the agent writes words whole.
#[inline(always)]
unsafe fn find<K: Copy + Eq, const ENTRIES: usize>(
    key: K,
    keys: *const [K; ENTRIES],
    ends: *const [BanEnd; ENTRIES],
    drops: *mut [u64; ENTRIES],
) -> Option<Found<Counter>> {
    for entry in 0..ENTRIES {
        // SAFETY: by the promise of who calls.
        unsafe {
            if (&raw const (*keys)[entry]).read_volatile() == key {
                let end = (&raw const (*ends)[entry]).read_volatile();
                return Some(Found {
                    end: end.ticks().instant(),
                    may_be_allowed: end.may_be_allowed(),
                    counter: Counter(&raw mut (*drops)[entry]),
                });
            }
        }
    }
    None
}

#[inline(always)]
fn find_v4(index: u32, address: AddressV4) -> Option<Found<Counter>> {
    if address.word() == 0 {
        return None;
    }
    let line = ADDRESSES_V4.get_ptr_mut(index)?;
    // SAFETY: the pointer is to an element of the array.
    unsafe {
        let (keys, ends) = (&raw const (*line).keys, &raw const (*line).ends);
        find(address.word(), keys, ends, &raw mut (*line).drops)
    }
}

#[inline(always)]
fn find_v6(index: u32, prefix: PrefixV6) -> Option<Found<Counter>> {
    if prefix.word() == 0 {
        return None;
    }
    let line = PREFIXES_V6.get_ptr_mut(index)?;
    // SAFETY: the pointer is to an element of the array.
    unsafe {
        let (keys, ends) = (&raw const (*line).keys, &raw const (*line).ends);
        find(prefix.word(), keys, ends, &raw mut (*line).drops)
    }
}

/// The way to the narrowest banned network around an address, where the trie need not be asked.
#[inline(always)]
fn shortcut(address: AddressV4) -> Option<Shortcut> {
    let word = PREFIX_LENGTHS_V4.get(PrefixLength::word_of(address.slash_24()))?;
    let len = PrefixLength::in_word(*word, address.slash_24()).bits()?;
    let key = ShortcutKey::around(address, len);
    let line = SHORTCUTS_V4.get_ptr_mut(key.line(SETTINGS.get(0)?.seed))?;
    for entry in 0..ShortcutLine::ENTRIES {
        // SAFETY: the pointer is to an element of an array, which lives as long as the map; the agent writes words whole.
        let word = unsafe { (&raw const (*line).entries[entry]).read_volatile() };
        if let Some(shortcut) = Shortcut::from_word(word)
            && shortcut.key() == key
        {
            return Some(shortcut);
        }
    }
    None
}

#[inline(always)]
const fn key_v4(address: AddressV4) -> Key<AddressV4> {
    Key::new(32, address)
}

#[inline(always)]
const fn key_v6(address: AddressV6) -> Key<AddressV6> {
    Key::new(128, address)
}
