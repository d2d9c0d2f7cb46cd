//! The pause of bans as it is shown.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::SCHEMA;

/// When bans pause, and whether they do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BreakerShown {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Whether they ever do.
    pub enabled: bool,
    /// So many regulars that get nothing done are too many...
    pub hosts: u32,
    /// ... if they are this share, in percent, of those that were seen.
    pub share: u8,
    /// So many bans are too many, if one in ten is of a host that is known.
    pub bans: u32,
    /// All of that within this time.
    pub within_s: u64,
    /// Bans go on when nothing was seen of it for so long.
    pub pause_s: u64,
    /// The pause; `null` while there is none.
    pub pause: Option<PauseView>,
    /// Until when nothing pauses them, since an operator let them go on; `null` where that is over.
    pub muted_until: Option<String>,
}

/// A pause of bans.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PauseView {
    /// Since when.
    pub since: String,
    /// For how long.
    pub age_s: u64,
    /// Until when, if nothing more is seen.
    pub until: String,
    /// Why, in a sentence.
    pub reason: String,
    /// Bans that there would have been.
    pub spared: u64,
}

/// What came of the wish that bans go on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BreakerResumed {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Whether they had paused.
    pub resumed: bool,
    /// Bans that there would have been.
    pub spared: u64,
    /// Until when nothing pauses them again; `null` where they had not paused.
    pub muted_until: Option<String>,
}
