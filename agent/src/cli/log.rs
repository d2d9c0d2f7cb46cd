//! Where the agent's log goes: stderr, as much as was asked for.

use std::{env, io};

use nix::sys::stat::fstat;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::{console::Volume, failure::Failure, paint::Paint};

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
    if is_journal() {
        log.without_time().init();
    } else {
        log.init();
    }
    Ok(())
}

/// Whether stderr is a stream to journald, which puts the time in front of every line itself: `JOURNAL_STREAM` (systemd.exec(5))
/// names device and inode, because it is inherited by what has its stderr elsewhere.
fn is_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    fstat(io::stderr()).is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}
