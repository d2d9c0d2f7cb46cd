//! What the filter (kernel) and the agent (userspace) agree on byte for byte: map names, shapes, capacities, keys, values
//! and counters. Nothing here allocates, reads a clock or decides anything.
//!
//! A change of any map's shape (type, key, value, capacity, flags) is a change of [`ABI`]; a new map whose content follows from that of
//! others is none.
#![cfg_attr(not(any(feature = "user", test)), no_std)]

mod address;
mod clock;
mod instant;
mod limit;
mod line;
mod maps;
mod presence;
mod program;
mod settings;
mod shortcut;
pub mod socket_record;
mod verdict;

pub use address::{AddressV4, AddressV6, NetworkV4, NetworkV6, PrefixV6};
pub use clock::COARSE_CLOCK;
pub use instant::{KernelInstant, Ticks};
pub use limit::{
    BUCKETS, Bucket, Counted, DEFAULT_LIMIT, EVENTS_BYTES, EventRing, LIMITS_CAPACITY, Limit,
    LimitEvent, LimitEventKind, LimitsInForce, REMINDER_NS, SourceKey, Tally, Told,
};
pub use line::{BanEnd, BucketsInUse, LINES_V4, LINES_V6, LineV4, LineV6, neighbour};
pub use maps::{
    ABI, ADDRESSES_V4_CAPACITY, ALLOWED_CAPACITY, BAN_RECORDS_CAPACITY, BanRecord, BanSlot, MAPS,
    MapKind, MapShape, NETWORKS_CAPACITY, PORT_WORDS, PREFIXES_V6_CAPACITY, map_name,
};
pub use presence::{ANY_WORDS_V4, Cell, PRESENCE_V4_WORDS, PRESENCE_V6_WORDS, Presence};
pub use program::program_name;
pub use settings::{MODE_ENFORCE, MODE_OBSERVE, Settings};
pub use shortcut::{
    PREFIX_LENGTHS_V4_WORDS, PrefixLength, SHORTCUT_LINES, Shortcut, ShortcutKey, ShortcutLine,
};
pub use verdict::{Family, TOTALS_LEN, Verdict};

#[cfg(feature = "user")]
mod user;
#[cfg(feature = "user")]
pub use clock::choose_clock;
