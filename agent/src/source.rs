//! Where log lines come from. A source hands over whole lines, capped, in batches, each with a checkpoint; when nobody takes
//! them it waits, and the log is the buffer.
//!
//! What is lost, and only that: lines of a file that was deleted, or rotated away twice, before they were read; what was
//! written between the copying and the truncating of `copytruncate`, and all since the file was last empty if nothing of
//! that had been read; lines that are appended to a rotated file after the first ones of its successor.

mod file;
mod lines;
mod packing;
mod reading;
mod rotated;
mod tail;
mod wake;

pub use self::{file::follow, packing::Packing};
pub use crate::checkpoint::Checkpoint;

/// Most lines of a batch.
pub const BATCH_LINES_MAX: usize = 256;
/// Number of a source, given by who started it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SourceId(pub usize);

/// What a source has to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// Lines, or (when there are none) only a new position, such as that of a file just opened.
    Batch {
        /// Of which source.
        source: SourceId,
        /// The lines in their order, without line ends, at most `LINE_MAX` bytes each (`RECORD_MAX` of a record); at most [`BATCH_LINES_MAX`].
        lines: Vec<Box<[u8]>>,
        /// How many of them were cut, or lost because their end never came.
        cut: u64,
        /// Where to go on after them.
        checkpoint: Checkpoint,
        /// Its offset.
        position: u64,
        /// Bytes of the file that are not read yet; 0 when all its lines have been handed over.
        lag_bytes: u64,
    },
    /// The source's state changed.
    State {
        /// Of which source.
        source: SourceId,
        /// What it is.
        state: SourceState,
    },
}

/// What a source is doing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SourceState {
    /// Reading, or waiting for more.
    Following,
    /// There is no log yet, or none again.
    Waiting,
    /// The log cannot be read, and why; it is tried again.
    Failed(String),
}
