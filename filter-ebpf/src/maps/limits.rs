//! The maps of limits, as [`Limits`].

use aya_ebpf::{
    btf_maps::{Array, LpmTrie},
    macros::btf_map,
};
use mailwall_common::{
    AddressV4, AddressV6, BUCKETS, Bucket, DEFAULT_LIMIT, EventRing, LIMITS_CAPACITY, Limit,
    LimitEvent, LimitsInForce, SourceKey,
};

use super::{MMAPABLE, Maps, SETTINGS, key_v4, key_v6};
use crate::{limit::Limits, report, segment::Source, tally::Seats};

#[btf_map]
static LIMITS: Array<Limit, { LIMITS_CAPACITY as usize }> = Array::new();

#[btf_map]
static LIMITS_V4: LpmTrie<AddressV4, u32, { LIMITS_CAPACITY as usize }> = LpmTrie::new();

#[btf_map]
static LIMITS_V6: LpmTrie<AddressV6, u32, { LIMITS_CAPACITY as usize }> = LpmTrie::new();

#[btf_map]
static RATES: Array<Bucket, { BUCKETS as usize }, MMAPABLE> = Array::new();

#[btf_map]
static CONNECTIONS: Array<Bucket, { BUCKETS as usize }, MMAPABLE> = Array::new();

impl Limits for Maps {
    #[inline(always)]
    fn in_force(&self) -> LimitsInForce {
        match SETTINGS.get(0) {
            Some(settings) => settings.limits,
            None => LimitsInForce::default(),
        }
    }

    #[inline(always)]
    fn limit_index(&self, source: Source) -> u32 {
        let in_force = self.in_force();
        let found = match source {
            Source::V4(address) if in_force.has(LimitsInForce::NETWORKS_V4) => {
                LIMITS_V4.get(&key_v4(address))
            }
            Source::V6(address) if in_force.has(LimitsInForce::NETWORKS_V6) => {
                LIMITS_V6.get(&key_v6(address))
            }
            Source::V4(_) | Source::V6(_) => None,
        };
        found.copied().unwrap_or(DEFAULT_LIMIT)
    }

    #[inline(always)]
    fn limit(&self, index: u32) -> Option<Limit> {
        LIMITS.get(index).copied()
    }

    #[inline(always)]
    fn rates(&self, key: SourceKey) -> Option<Seats> {
        let bucket = RATES.get_ptr_mut(key.bucket(SETTINGS.get(0)?.seed))?;
        // SAFETY: the pointer is to an element of an array, which lives as long as the map; nobody else writes parts of words.
        Some(unsafe { Seats::new(bucket) })
    }

    #[inline(always)]
    fn connections(&self, key: SourceKey) -> Option<Seats> {
        let bucket = CONNECTIONS.get_ptr_mut(key.bucket(SETTINGS.get(0)?.seed))?;
        // SAFETY: the pointer is to an element of an array, which lives as long as the map; the agent writes words whole.
        Some(unsafe { Seats::new(bucket) })
    }

    #[inline(always)]
    fn tell(&self, ring: EventRing, event: &LimitEvent) {
        report::tell(ring, event);
    }
}
