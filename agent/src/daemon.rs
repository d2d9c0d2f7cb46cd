//! The agent: one task that owns all state.

use std::path::PathBuf;

use crate::config::{Config, ConfigError};

/// Where an agent keeps its things.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The config file.
    pub config: ConfigPath,
    /// Folder of the database.
    pub state_dir: PathBuf,
    /// Folder of the control socket.
    pub run_dir: PathBuf,
    /// Folder of the pinned maps, on a BPF file system.
    pub bpffs_dir: PathBuf,
}

/// Which config file, and whether it must be there.
#[derive(Clone, Debug)]
pub enum ConfigPath {
    /// The default one: if it is not there, the defaults hold.
    Default(PathBuf),
    /// The operator named it: it must be there.
    Named(PathBuf),
}

impl ConfigPath {
    /// The config that holds.
    ///
    /// # Errors
    ///
    /// When a file that must be there is not, or anything in it is wrong.
    pub fn load(&self) -> Result<Config, ConfigError> {
        match self {
            Self::Default(path) if !path.exists() => Ok(Config::default()),
            Self::Default(path) | Self::Named(path) => Config::load(path),
        }
    }
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
    paths.config.load()?;
    Err(RunError::NotBuiltIn)
}
