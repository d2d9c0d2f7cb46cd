//! Tells what happens, with the time since the start.

use std::io::{IsTerminal as _, stdout};

use anyhow::{Context as _, Result};
use mailwall_tests::Stopwatch;

/// Tells a story. Several threads may speak.
pub struct Narrator {
    since: Stopwatch,
    colour: bool,
}

impl Narrator {
    /// Begins.
    pub fn start() -> Self {
        Self {
            since: Stopwatch::start(),
            colour: stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// One line: who, and what happened.
    pub fn tell(&self, who: &str, what: &str) {
        let seconds = self.since.elapsed().as_secs_f64();
        let (on, off) = if self.colour {
            (hue(who), "\x1b[0m")
        } else {
            ("", "")
        };
        println!("{seconds:6.1} s  {on}{who:<9}{off} {what}");
    }

    /// Lines that belong to the one before.
    pub fn show(&self, text: &str) {
        for line in text.lines() {
            println!("{:20}{line}", "");
        }
    }

    /// Does something whose failure is named.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn step<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        work().with_context(|| format!("this step did not happen: {name}"))
    }
}

fn hue(who: &str) -> &'static str {
    match who {
        "attack" => "\x1b[31m",
        "good" => "\x1b[32m",
        "mailwall" => "\x1b[1;36m",
        "kernel" => "\x1b[1;35m",
        _ => "\x1b[2m",
    }
}
