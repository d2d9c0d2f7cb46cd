//! Simpler designs than mailwall's, over maps of their own that the loader fills with the same bans.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    btf_maps::{Array, HashMap, LpmTrie, lpm_trie::Key},
    helpers::bpf_ktime_get_coarse_ns,
    macros::btf_map,
    programs::XdpContext,
};
use mailwall_common::{AddressV4, AddressV6};
use mailwall_filter::{
    ban::Tables as _,
    maps::Maps,
    segment::{self, Payload, Segment, Source, Tcp},
};

const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;
const MMAPABLE: usize = BPF_F_MMAPABLE as usize;

const ADDRESSES: usize = 1 << 20;
const NETWORKS: usize = 1 << 17;
const RECORDS: usize = 1 << 21;
/// One bit for each IPv4 /24, in words of 64.
const PRESENCE_WORDS: usize = (1 << 24) / 64;

#[btf_map]
static HASH_V4: HashMap<u32, u32, ADDRESSES, NO_PREALLOC> = HashMap::new();
/// The same with four buckets for each ban: fewer chains to follow.
#[btf_map]
static ROOMY_V4: HashMap<u32, u32, { 4 * ADDRESSES }, NO_PREALLOC> = HashMap::new();
#[btf_map]
static HASH_V6: HashMap<u64, u32, ADDRESSES, NO_PREALLOC> = HashMap::new();
#[btf_map]
static TRIE_V4: LpmTrie<AddressV4, u32, NETWORKS> = LpmTrie::new();
#[btf_map]
static TRIE_V6: LpmTrie<AddressV6, u32, NETWORKS> = LpmTrie::new();
#[btf_map]
static BITMAP_V4: Array<u64, PRESENCE_WORDS, MMAPABLE> = Array::new();
#[btf_map]
static RECORDS_OF_BANS: Array<Record, RECORDS, MMAPABLE> = Array::new();

/// What `RECORDS_OF_BANS` holds.
#[repr(C)]
pub struct Record {
    ends_ns: u64,
    drops: u64,
}

/// The source of a SYN to a guarded port, by the filter's own parser and ports.
#[inline(always)]
pub fn guarded_syn(frame: &XdpContext) -> Option<Source> {
    let segment = match segment::payload(frame) {
        Ok(Payload::Ipv4(at)) => segment::ipv4(frame, at),
        Ok(Payload::Ipv6(at)) => segment::ipv6(frame, at),
        Err(_) => return None,
    };
    let Ok(Segment { source, tcp }) = segment else {
        return None;
    };
    match tcp {
        Tcp::Shown { port, flags } if Maps.guards(port) && flags.open_a_connection() => {
            Some(source)
        }
        _ => None,
    }
}

/// Whether a hash has the address (of IPv6 the /64).
#[inline(always)]
pub fn hash(source: Source) -> bool {
    hash_slot(source).is_some()
}

/// The same with the roomy hash; there is none for IPv6.
#[inline(always)]
pub fn roomy_hash(source: Source) -> bool {
    match source {
        Source::V4(address) => ROOMY_V4.get_ptr(word(address)).is_some(),
        Source::V6(_) => false,
    }
}

/// Whether a hash has the address or a trie a network around it.
#[inline(always)]
pub fn hash_then_trie(source: Source) -> bool {
    hash_slot(source).or_else(|| trie_slot(source)).is_some()
}

/// The same behind one bit for each IPv4 /24, and with the ban's end and counter in a record.
#[inline(always)]
pub fn bitmap_hash_trie(source: Source) -> bool {
    if let Source::V4(address) = source
        && !has_bit(address)
    {
        return false;
    }
    let Some(slot) = hash_slot(source).or_else(|| trie_slot(source)) else {
        return false;
    };
    let Some(record) = RECORDS_OF_BANS.get_ptr_mut(slot) else {
        return false;
    };
    // SAFETY: the helper takes nothing and returns a number.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    // SAFETY: the pointer is to an element of an array, which lives as long as the map.
    unsafe {
        if (&raw const (*record).ends_ns).read_volatile() <= now {
            return false;
        }
        atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(&raw mut (*record).drops, 1);
    }
    true
}

#[inline(always)]
fn hash_slot(source: Source) -> Option<u32> {
    let slot = match source {
        Source::V4(address) => HASH_V4.get_ptr(word(address)),
        Source::V6(address) => HASH_V6.get_ptr(u64::from_ne_bytes(address.prefix().octets())),
    }?;
    // SAFETY: the kernel frees an element only once this program is done with it; the word is read once.
    Some(unsafe { slot.read_volatile() })
}

#[inline(always)]
fn trie_slot(source: Source) -> Option<u32> {
    match source {
        Source::V4(address) => TRIE_V4.get(&Key::new(32, address)),
        Source::V6(address) => TRIE_V6.get(&Key::new(128, address)),
    }
    .copied()
}

#[inline(always)]
fn has_bit(address: AddressV4) -> bool {
    let bit = u32::from_be(word(address)) >> 8;
    match BITMAP_V4.get(bit / 64) {
        Some(bits) => bits >> (bit % 64) & 1 == 1,
        None => false,
    }
}

/// The address as it stands in the packet.
#[inline(always)]
fn word(address: AddressV4) -> u32 {
    u32::from_ne_bytes(address.octets())
}
