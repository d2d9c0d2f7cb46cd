//! What the agent tells the filter to do.

use crate::{BucketsInUse, LimitsInForce};

/// [`Settings::mode`]: banned SYNs are dropped.
pub const MODE_ENFORCE: u32 = 0;
/// [`Settings::mode`]: banned SYNs are counted and passed.
pub const MODE_OBSERVE: u32 = 1;

/// The one entry of the `SETTINGS` map.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct Settings {
    /// [`MODE_ENFORCE`] or [`MODE_OBSERVE`]; any other value passes everything.
    pub mode: u32,
    /// Banned IPv6 networks wider than /32, which have no presence cells. Any makes every IPv6 source be looked for in the trie.
    pub wide_networks_v6: u32,
    /// Seed of the hashes, chosen at random when the maps are made and never changed: entries would not be found again.
    pub seed: u64,
    /// Buckets of banned IPv4 addresses.
    pub buckets_v4: BucketsInUse,
    /// Buckets of banned IPv6 prefixes.
    pub buckets_v6: BucketsInUse,
    /// Which limits there are.
    pub limits: LimitsInForce,
    /// Fills the last word.
    pub spare: u32,
}

const _: () = assert!(size_of::<Settings>() == 32);
