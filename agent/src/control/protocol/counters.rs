//! What the kernel counted.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::SCHEMA;

/// What the kernel counted since the maps were made.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Counters {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Kernel time of the reading in nanoseconds, for rates.
    pub at_ns: u64,
    /// Every verdict, with zeroes.
    pub packets: Vec<PacketCounter>,
}

/// Packets of one verdict and family.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PacketCounter {
    /// Name of the verdict.
    pub verdict: String,
    /// `ipv4`, `ipv6` or `other`.
    pub family: String,
    /// Whether such packets are dropped.
    pub dropped: bool,
    /// How many.
    pub packets: u64,
}
