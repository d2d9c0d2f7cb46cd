//! The maps, in the shapes of `mailwall_common::MAPS`, as [`Tables`].

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    btf_maps::{Array, HashMap, LpmTrie, lpm_trie::Key},
    helpers::bpf_ktime_get_coarse_ns,
    macros::btf_map,
};
use mailwall_common::{
    ADDRESSES_V4_CAPACITY, ALLOWED_CAPACITY, AddressV4, AddressV6, BAN_RECORDS_CAPACITY, BanRecord,
    BanSlot, KernelInstant, MODE_ENFORCE, NETWORKS_CAPACITY, PORT_WORDS, PREFIXES_V6_CAPACITY,
    PrefixV6, Settings,
};

use crate::{ban::Tables, segment::Source};

const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;
const MMAPABLE: usize = BPF_F_MMAPABLE as usize;

#[btf_map]
static ADDRESSES_V4: HashMap<AddressV4, BanSlot, { ADDRESSES_V4_CAPACITY as usize }, NO_PREALLOC> =
    HashMap::new();

#[btf_map]
static PREFIXES_V6: HashMap<PrefixV6, BanSlot, { PREFIXES_V6_CAPACITY as usize }, NO_PREALLOC> =
    HashMap::new();

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

/// The maps above.
pub struct Maps;

impl Tables for Maps {
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
    fn address_ban(&self, source: Source) -> Option<BanSlot> {
        let slot = match source {
            Source::V4(address) => ADDRESSES_V4.get_ptr(address),
            Source::V6(address) => PREFIXES_V6.get_ptr(address.prefix()),
        }?;
        // SAFETY: the kernel frees an element only once this program is done with it; the one word is read once, so that it
        // is either that of this ban or, had the element been used again meanwhile, that of another.
        Some(unsafe { slot.read_volatile() })
    }

    #[inline(always)]
    fn network_ban(&self, source: Source) -> Option<BanSlot> {
        match source {
            Source::V4(address) => NETWORKS_V4.get(&key_v4(address)),
            Source::V6(address) => NETWORKS_V6.get(&key_v6(address)),
        }
        .copied()
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
    fn end(&self, slot: BanSlot) -> Option<KernelInstant> {
        let record = BAN_RECORDS.get_ptr(slot.index())?;
        // SAFETY: the pointer is to an element of an array, which lives as long as the map; the agent writes the word whole.
        Some(KernelInstant::from_ns(unsafe {
            (&raw const (*record).ends_ns).read_volatile()
        }))
    }

    #[inline(always)]
    fn now(&self) -> KernelInstant {
        // SAFETY: the helper takes nothing and returns a number.
        KernelInstant::from_ns(unsafe { bpf_ktime_get_coarse_ns() })
    }

    #[inline(always)]
    fn count_drop(&self, slot: BanSlot) {
        let Some(record) = BAN_RECORDS.get_ptr_mut(slot.index()) else {
            return;
        };
        // SAFETY: the pointer is to an element of an array, which lives as long as the map. `AtomicU64::fetch_add` is not
        // there on this target, which cannot compare and swap; the previous value is not used, as the first instruction
        // set (v1) has no way to return it.
        unsafe {
            atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*record).drops, 1);
        }
    }
}

#[inline(always)]
const fn key_v4(address: AddressV4) -> Key<AddressV4> {
    Key::new(32, address)
}

#[inline(always)]
const fn key_v6(address: AddressV6) -> Key<AddressV6> {
    Key::new(128, address)
}
