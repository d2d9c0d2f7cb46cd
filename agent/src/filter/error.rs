//! Why the filter could not do what it was asked.

use std::{io, path::PathBuf};

use aya::{EbpfError, maps::MapError, pin::PinError, programs::ProgramError};
use thiserror::Error;

use super::room::Full;

/// Why the filter could not do what it was asked.
#[derive(Debug, Error)]
pub enum FilterError {
    /// The folder of the pins could not be made or used.
    #[error("cannot {action} {}; {advice}", path.display())]
    Pins {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What helps.
        advice: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The object in this program could not be made ready: maps could not be made, or the kernel does not know them.
    #[error(
        "cannot create the filter's maps; it takes root, or CAP_BPF with CAP_NET_ADMIN, and Linux 5.15 or later"
    )]
    Object(#[source] EbpfError),
    /// The object in this program has no such part: it was not built from these sources.
    #[error("the built-in BPF object has no {0}; build it again with `cargo xtask build-ebpf`")]
    Incomplete(&'static str),
    /// The kernel refused the program.
    #[error("the kernel refuses the program{}", last_line(said))]
    Program {
        /// What its verifier said.
        said: String,
        /// The error it gave.
        #[source]
        source: io::Error,
    },
    /// Anything else that went wrong while the program was loaded.
    #[error("cannot load the program")]
    Load(#[source] ProgramError),
    /// The program could not be pinned.
    #[error("cannot pin the XDP program as {}", path.display())]
    PinProgram {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: PinError,
    },
    /// A map could not be read or written.
    #[error("cannot {action} the map {map}")]
    Map {
        /// What was tried.
        action: &'static str,
        /// Its name.
        map: &'static str,
        /// Why not.
        #[source]
        source: MapError,
    },
    /// A map that both halves work on could not be mapped into memory.
    #[error("cannot map the filter's maps into memory")]
    Memory(#[from] io::Error),
    /// The counted connections could not be mapped into memory.
    #[error("cannot map the map CONNECTIONS into memory")]
    Connections(#[source] io::Error),
    /// What the programs tell of packets cannot be read.
    #[error("cannot trace packets")]
    Trace(#[source] aya_log::Error),
    /// Nobody can read what the programs tell of packets.
    #[error("cannot start the thread that logs packets")]
    TraceThread(#[source] io::Error),
    /// More bans than fit. None was added.
    #[error(transparent)]
    Full(#[from] Full),
    /// More allowlisted nets than fit. None was added.
    #[error(
        "{wanted} allowlisted {family} nets do not fit into {map}: it holds at most {capacity}; allow wider networks in their place"
    )]
    TooManyAllowed {
        /// Of which family.
        family: &'static str,
        /// The map.
        map: &'static str,
        /// How many were asked for.
        wanted: usize,
        /// How many fit.
        capacity: u32,
    },
}

/// The verifier's log ends with the reason.
fn last_line(said: &str) -> String {
    let reason = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty() && !is_statistics(line));
    reason
        .map(|line| format!(" (\"{}\")", line.trim()))
        .unwrap_or_default()
}

fn is_statistics(line: &str) -> bool {
    line.starts_with("processed ")
        || line.starts_with("verification time")
        || line.starts_with("stack depth")
}

impl From<ProgramError> for FilterError {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::LoadError {
                io_error,
                verifier_log,
            } => Self::Program {
                said: verifier_log.to_string(),
                source: io_error,
            },
            other => Self::Load(other),
        }
    }
}
