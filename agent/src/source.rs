//! Where log lines come from. A source hands over whole lines, capped, in batches, each with a checkpoint where there is one;
//! when nobody takes them it waits, and the log is the buffer.
//!
//! What is lost of files, and only that: lines of a file that was deleted, or rotated away twice, before they were read; what
//! was written between the copying and the truncating of `copytruncate`, and all since the file was last empty if nothing of
//! that had been read; lines that are appended to a rotated file after the first ones of its successor. Of the journal: what
//! journald had deleted before it was read. Of sockets: what comes while the agent does not run, and over UDP what the kernel
//! drops when its queue is full. What can be counted of that is.

mod command;
mod file;
mod glob;
mod journal;
mod left;
mod line_list;
mod lines;
mod outlet;
mod packed;
mod packing;
mod reading;
mod rotated;
mod rotation;
mod stdin;
mod syslog;
mod tail;
mod wake;

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::sync::mpsc::Sender;

pub use self::{
    glob::{FILES_MAX, Pattern},
    left::Folders,
    line_list::LineList,
    packing::Packing,
    rotation::log_of,
};
use self::{outlet::Outlet, reading::Reading};
pub use crate::checkpoint::Checkpoint;
use crate::checkpoint::FilePosition;

/// Most lines of a batch.
pub const BATCH_LINES_MAX: usize = 256;
/// Number of a source, given by who started it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SourceId(pub usize);

/// Where lines come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// One file.
    File(PathBuf),
    /// The journal of systemd: all of it, or what these units wrote.
    Journal {
        /// Names of units.
        units: Vec<String>,
    },
    /// A socket that syslog daemons send to.
    Syslog(Listen),
    /// Standard input of the agent.
    Stdin,
}

/// A socket that is listened on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// A Unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Whether it takes connections, and no datagrams.
        is_stream: bool,
        /// Group whose members may write to it, beside root.
        group: Option<String>,
    },
    /// A UDP socket.
    Udp(SocketAddr),
}

/// Where to begin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Start {
    /// Where an earlier run stopped.
    Checkpoint(Checkpoint),
    /// After what is there.
    End,
    /// With what is there.
    Beginning,
}

/// Follows a source until nobody listens any more. With [`Start::End`], a file that is not there yet is followed from its start.
pub async fn follow(id: SourceId, origin: Origin, start: Start, out: Sender<Notice>) {
    let outlet = Outlet::new(id, out);
    match origin {
        Origin::File(path) => file::follow(path, start, outlet).await,
        Origin::Journal { units } => journal::follow(&units, start, outlet).await,
        Origin::Syslog(listen) => syslog::follow(&listen, outlet).await,
        Origin::Stdin => stdin::follow(outlet).await,
    }
}

/// Whether the file at `path` is the one that `position` speaks of, under whatever name.
pub fn stands_in(path: &Path, position: &FilePosition) -> bool {
    let reading = Reading::open(path).ok().flatten();
    reading.is_some_and(|mut reading| {
        reading.is_file_of(position) && reading.seek(position).unwrap_or(false)
    })
}

impl Origin {
    /// The path, of a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Journal { .. } | Self::Syslog(_) | Self::Stdin => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Journal { units } if units.is_empty() => f.write_str("journal"),
            Self::Journal { units } => write!(f, "journal:{}", units.join(",")),
            Self::Syslog(listen) => write!(f, "{listen}"),
            Self::Stdin => f.write_str("stdin"),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix {
                path,
                is_stream: false,
                ..
            } => write!(f, "unix:{}", path.display()),
            Self::Unix { path, .. } => write!(f, "unix-stream:{}", path.display()),
            Self::Udp(address) => write!(f, "udp:{address}"),
        }
    }
}

/// What a source has to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// Lines, or (when there are none) only a new position, such as that of a file just opened.
    Batch {
        /// Of which source.
        source: SourceId,
        /// The lines in their order, without line ends, at most `LINE_MAX` bytes each (`RECORD_MAX` of a record); at most
        /// [`BATCH_LINES_MAX`].
        lines: LineList,
        /// How many of them were cut, or lost because their end never came.
        cut: u64,
        /// How many lines were lost before them.
        lost: u64,
        /// Where to go on after them; `None` where the source cannot go back.
        checkpoint: Option<Checkpoint>,
        /// Bytes read of the present file, or records of the journal.
        position: u64,
        /// Bytes that are not read yet; 0 when all lines have been handed over, `None` where nobody knows.
        lag_bytes: Option<u64>,
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
    /// There will be no more lines.
    Ended,
}
