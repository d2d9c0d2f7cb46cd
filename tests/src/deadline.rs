//! Waiting for something to happen, always with a deadline: the only place of the test bed that reads a clock.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `look` finds something, and gives up after `within` or at the first error of `look`.
///
/// # Errors
/// When the deadline is over, or `look` fails.
pub fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let watch = Stopwatch::start();
    loop {
        // Before the look: what happens in time is seen, however late the look is.
        let over = watch.elapsed() >= within;
        if let Some(found) = look().with_context(|| what.to_owned())? {
            return Ok(found);
        }
        if over {
            bail!("{what} did not happen within {within:?}");
        }
        thread::sleep(PAUSE);
    }
}

/// Time since a start.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[expect(
        clippy::disallowed_methods,
        reason = "deadlines and measurements of the test bed; nothing is judged by it"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
