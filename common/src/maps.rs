//! Names, shapes and capacities of the maps, and what is in them.

/// Version of the maps' shapes; the pins live in a directory of this name.
pub const ABI: u32 = 2;

/// Single IPv4 addresses that can be banned at once: half of the entries there are, so that few find no room in their bucket.
pub const ADDRESSES_V4_CAPACITY: u32 = 1 << 20;
/// IPv6 /64 prefixes that can be banned at once.
pub const PREFIXES_V6_CAPACITY: u32 = 1 << 19;
/// Networks of each family that can be banned at once: every IPv4 ban that is not a /32, every IPv6 ban that is not a /64.
pub const NETWORKS_CAPACITY: u32 = 1 << 17;
/// Ban records: one for each banned network.
pub const BAN_RECORDS_CAPACITY: u32 = 2 * NETWORKS_CAPACITY;
/// Allowlisted networks of each family.
pub const ALLOWED_CAPACITY: u32 = 1 << 16;
/// 64-bit words that hold one bit for each TCP port; port `p` is bit `p % 64` of word `p / 64`.
pub const PORT_WORDS: u32 = 65_536 / 64;

/// Names of the maps, in the object and under the pin directory.
pub mod map_name {
    /// ARRAY (mmapable) of [`LineV4`](crate::LineV4).
    pub const ADDRESSES_V4: &str = "ADDRESSES_V4";
    /// ARRAY (mmapable) of [`LineV6`](crate::LineV6).
    pub const PREFIXES_V6: &str = "PREFIXES_V6";
    /// ARRAY (mmapable) of `u64`, the [`Cell`](crate::Cell)s of IPv4.
    pub const PRESENCE_V4: &str = "PRESENCE_V4";
    /// ARRAY (mmapable) of `u64`, the [`Cell`](crate::Cell)s of IPv6.
    pub const PRESENCE_V6: &str = "PRESENCE_V6";
    /// ARRAY (mmapable) of `u64`, the [`PrefixLength`](crate::PrefixLength)s of IPv4.
    pub const PREFIX_LENGTHS_V4: &str = "PREFIX_LENGTHS_V4";
    /// ARRAY (mmapable) of [`ShortcutLine`](crate::ShortcutLine).
    pub const SHORTCUTS_V4: &str = "SHORTCUTS_V4";
    /// LPM trie, [`NetworkV4`](crate::NetworkV4) to [`BanSlot`](crate::BanSlot).
    pub const NETWORKS_V4: &str = "NETWORKS_V4";
    /// LPM trie, [`NetworkV6`](crate::NetworkV6) to [`BanSlot`](crate::BanSlot).
    pub const NETWORKS_V6: &str = "NETWORKS_V6";
    /// ARRAY (mmapable) of [`BanRecord`](crate::BanRecord), indexed by [`BanSlot`](crate::BanSlot).
    pub const BAN_RECORDS: &str = "BAN_RECORDS";
    /// LPM trie, [`NetworkV4`](crate::NetworkV4) to a `u32` that is not read.
    pub const ALLOWED_V4: &str = "ALLOWED_V4";
    /// LPM trie, [`NetworkV6`](crate::NetworkV6) to a `u32` that is not read.
    pub const ALLOWED_V6: &str = "ALLOWED_V6";
    /// ARRAY of `u64`, the guarded ports as a bit set.
    pub const PORTS: &str = "PORTS";
    /// ARRAY of one [`Settings`](crate::Settings).
    pub const SETTINGS: &str = "SETTINGS";
    /// PERCPU_ARRAY of `u64` packets, indexed by [`Verdict::total_index`](crate::Verdict::total_index).
    pub const TOTALS: &str = "TOTALS";
    /// ARRAY of [`Limit`](crate::Limit); the first is the default one.
    pub const LIMITS: &str = "LIMITS";
    /// LPM trie, [`NetworkV4`](crate::NetworkV4) to the index in `LIMITS`.
    pub const LIMITS_V4: &str = "LIMITS_V4";
    /// LPM trie, [`NetworkV6`](crate::NetworkV6) to the index in `LIMITS`.
    pub const LIMITS_V6: &str = "LIMITS_V6";
    /// ARRAY (mmapable, so that no bucket is on three cache lines) of [`Bucket`](crate::Bucket): the SYNs of each source.
    pub const RATES: &str = "RATES";
    /// ARRAY (mmapable) of [`Bucket`](crate::Bucket): the completed and open connections of each source.
    pub const CONNECTIONS: &str = "CONNECTIONS";
    /// RINGBUF of [`LimitEvent`](crate::LimitEvent): what is told of SYNs.
    pub const SYN_EVENTS: &str = "SYN_EVENTS";
    /// RINGBUF of [`LimitEvent`](crate::LimitEvent): what is told of connections.
    pub const CONNECTION_EVENTS: &str = "CONNECTION_EVENTS";
    /// PERCPU_ARRAY of `u64` records that found no room, indexed by [`EventRing`](crate::EventRing).
    pub const LOST_EVENTS: &str = "LOST_EVENTS";
}

/// Index of a network's record in `BAN_RECORDS`. A `u32`, because the IPv4 LPM trie keeps its value at an address that is only
/// 4-aligned (kernel/bpf/lpm_trie.c: `data[]` is followed by the value).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct BanSlot(u32);

impl BanSlot {
    /// The record at `index`, which is below [`BAN_RECORDS_CAPACITY`].
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Index of the record.
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// What the kernel needs to know of a network's ban, and what it counts of it. Apart from the key, because replacing a map's value
/// from userspace would lose the drops counted meanwhile. The agent reads and writes it through a memory mapping.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct BanRecord {
    /// Nanoseconds of `CLOCK_MONOTONIC` at which the ban is over; `u64::MAX` for never.
    pub ends_ns: u64,
    /// Packets dropped (in observe mode: that would have been) because of this ban.
    pub drops: u64,
}

/// Type of a map, numbered as `enum bpf_map_type` in include/uapi/linux/bpf.h.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum MapKind {
    /// `BPF_MAP_TYPE_ARRAY`
    Array = 2,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`
    PerCpuArray = 6,
    /// `BPF_MAP_TYPE_LPM_TRIE`
    LpmTrie = 11,
    /// `BPF_MAP_TYPE_RINGBUF`
    RingBuf = 27,
}

/// `BPF_F_NO_PREALLOC`: memory grows with the entries.
const NO_PREALLOC: u32 = 1;
/// `BPF_F_MMAPABLE`: userspace reads and writes the array's memory.
const MMAPABLE: u32 = 1 << 10;

/// What a pinned map must look like to be used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MapShape {
    /// Name in the object and under the pin directory.
    pub name: &'static str,
    /// Type of the map.
    pub kind: MapKind,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value (on each CPU).
    pub value_size: u32,
    /// Most entries.
    pub max_entries: u32,
    /// `BPF_F_*` flags of creation.
    pub flags: u32,
    /// Whether what is in it follows from other maps, and it came with a later version of this ABI: where it is missing, it is made.
    pub is_derived: bool,
}

impl MapShape {
    const fn derived(mut self) -> Self {
        self.is_derived = true;
        self
    }
}

const fn shape<K, V>(name: &'static str, kind: MapKind, max_entries: u32, flags: u32) -> MapShape {
    MapShape {
        name,
        kind,
        key_size: size_of::<K>() as u32,
        value_size: size_of::<V>() as u32,
        max_entries,
        flags,
        is_derived: false,
    }
}

/// Every map of this [`ABI`].
pub const MAPS: [MapShape; 22] = {
    use crate::{
        BUCKETS, Bucket, EVENTS_BYTES, EventRing, LIMITS_CAPACITY, LINES_V4, LINES_V6, Limit,
        LineV4, LineV6, NetworkV4, NetworkV6, PREFIX_LENGTHS_V4_WORDS, PRESENCE_V4_WORDS,
        PRESENCE_V6_WORDS, SHORTCUT_LINES, Settings, ShortcutLine, TOTALS_LEN,
    };
    use MapKind::{Array, LpmTrie, PerCpuArray, RingBuf};
    [
        shape::<u32, LineV4>(map_name::ADDRESSES_V4, Array, LINES_V4, MMAPABLE),
        shape::<u32, LineV6>(map_name::PREFIXES_V6, Array, LINES_V6, MMAPABLE),
        shape::<u32, u64>(map_name::PRESENCE_V4, Array, PRESENCE_V4_WORDS, MMAPABLE),
        shape::<u32, u64>(map_name::PRESENCE_V6, Array, PRESENCE_V6_WORDS, MMAPABLE),
        shape::<u32, u64>(
            map_name::PREFIX_LENGTHS_V4,
            Array,
            PREFIX_LENGTHS_V4_WORDS,
            MMAPABLE,
        )
        .derived(),
        shape::<u32, ShortcutLine>(map_name::SHORTCUTS_V4, Array, SHORTCUT_LINES, MMAPABLE)
            .derived(),
        shape::<NetworkV4, BanSlot>(
            map_name::NETWORKS_V4,
            LpmTrie,
            NETWORKS_CAPACITY,
            NO_PREALLOC,
        ),
        shape::<NetworkV6, BanSlot>(
            map_name::NETWORKS_V6,
            LpmTrie,
            NETWORKS_CAPACITY,
            NO_PREALLOC,
        ),
        shape::<u32, BanRecord>(map_name::BAN_RECORDS, Array, BAN_RECORDS_CAPACITY, MMAPABLE),
        shape::<NetworkV4, u32>(map_name::ALLOWED_V4, LpmTrie, ALLOWED_CAPACITY, NO_PREALLOC),
        shape::<NetworkV6, u32>(map_name::ALLOWED_V6, LpmTrie, ALLOWED_CAPACITY, NO_PREALLOC),
        shape::<u32, u64>(map_name::PORTS, Array, PORT_WORDS, 0),
        shape::<u32, Settings>(map_name::SETTINGS, Array, 1, 0),
        shape::<u32, u64>(map_name::TOTALS, PerCpuArray, TOTALS_LEN, 0),
        shape::<u32, Limit>(map_name::LIMITS, Array, LIMITS_CAPACITY, 0),
        shape::<NetworkV4, u32>(map_name::LIMITS_V4, LpmTrie, LIMITS_CAPACITY, NO_PREALLOC),
        shape::<NetworkV6, u32>(map_name::LIMITS_V6, LpmTrie, LIMITS_CAPACITY, NO_PREALLOC),
        shape::<u32, Bucket>(map_name::RATES, Array, BUCKETS, MMAPABLE),
        shape::<u32, Bucket>(map_name::CONNECTIONS, Array, BUCKETS, MMAPABLE),
        shape::<(), ()>(map_name::SYN_EVENTS, RingBuf, EVENTS_BYTES, 0),
        shape::<(), ()>(map_name::CONNECTION_EVENTS, RingBuf, EVENTS_BYTES, 0),
        shape::<u32, u64>(
            map_name::LOST_EVENTS,
            PerCpuArray,
            EventRing::ALL.len() as u32,
            0,
        ),
    ]
};

const _: () = assert!(size_of::<BanSlot>() == 4 && align_of::<BanSlot>() == 4);
const _: () = assert!(size_of::<BanRecord>() == 16 && align_of::<BanRecord>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_maps_share_a_name() {
        for (index, shape) in MAPS.iter().enumerate() {
            assert!(MAPS[..index].iter().all(|other| other.name != shape.name));
        }
    }

    #[test]
    fn tries_are_not_preallocated_and_their_values_are_words() {
        for shape in MAPS.iter().filter(|shape| shape.kind == MapKind::LpmTrie) {
            assert_eq!(shape.flags, NO_PREALLOC, "{}", shape.name);
            assert_eq!(shape.value_size, 4, "{}", shape.name);
        }
    }
}
