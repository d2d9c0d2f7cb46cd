//! The agent: one task that owns all state.

use std::path::PathBuf;

use crate::config::{Config, ConfigError};

/// Where an agent keeps its things.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The config file; only the default one may be missing.
    pub config: PathBuf,
    /// Folder of the database.
    pub state_dir: PathBuf,
    /// Folder of the control socket.
    pub run_dir: PathBuf,
    /// Folder of the pinned maps, on a BPF file system.
    pub bpffs_dir: PathBuf,
}

/// Why the agent could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Exit code 78.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The agent is not part of this build.
    #[error("the agent is not built in")]
    NotBuiltIn,
}

/// Runs the agent until SIGTERM or SIGINT.
///
/// # Errors
///
/// When it cannot start.
pub fn run(paths: Paths) -> Result<(), RunError> {
    Config::load(&paths.config)?;
    Err(RunError::NotBuiltIn)
}
