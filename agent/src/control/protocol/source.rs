//! The logs that are followed.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::SCHEMA;

/// The logs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SourceList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// In the order of the config.
    pub sources: Vec<Source>,
}

/// A log that is followed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Source {
    /// Its path, `journal`, its socket or `stdin`.
    pub name: String,
    /// `following`, `waiting` (does not exist yet), `failed` or `ended`.
    pub state: String,
    /// Bytes read of the present file; of the journal, the number of the record.
    pub position: u64,
    /// Bytes not read yet; `null` where nobody knows.
    pub lag_bytes: Option<u64>,
    /// Seconds since it was last read to its end, 0 while it is; `null` where nobody knows.
    #[serde(default)]
    pub lag_s: Option<u64>,
    /// Lines read since the agent started.
    pub lines: u64,
    /// Lines that gave an event.
    pub understood: u64,
    /// Lines of mail programs that say nothing of interest, and lines of other programs.
    pub ignored: u64,
    /// Lines of mail programs that name two candidate addresses: no event.
    pub refused: u64,
    /// Lines of known mail programs that were not understood.
    pub unknown: u64,
    /// Lines cut at the line cap.
    pub cut: u64,
    /// Lines that never came: dropped by the kernel, suppressed by the logger, deleted before they were read.
    #[serde(default)]
    pub lost: u64,
    /// When the last line was read; `null` before the first.
    pub last_line: Option<String>,
    /// What is wrong with it.
    pub problem: Option<String>,
}
