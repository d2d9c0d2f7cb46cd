//! Where the agent's log goes: stderr, as much as was asked for.

use std::{env, io};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::{console::Volume, failure::Failure, paint::Paint};
use crate::journald;

/// Starts logging.
///
/// # Errors
///
/// When `RUST_LOG` is not understood.
pub fn start(volume: Volume, paint: Paint) -> Result<(), Failure> {
    let level = match volume {
        Volume::Quiet => LevelFilter::WARN,
        Volume::Normal => LevelFilter::INFO,
        Volume::Verbose => LevelFilter::DEBUG,
        Volume::Everything => LevelFilter::TRACE,
    };
    let wanted = env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .parse(&wanted)
        .map_err(|error| Failure::usage(format!("RUST_LOG={wanted}: {error}")))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(io::stderr)
        .with_ansi(paint == Paint::Colour);
    if journald::is_stderr() {
        log.without_time().init();
    } else {
        log.init();
    }
    Ok(())
}
