//! How far it has come, on a terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, SystemTime},
};

use super::stream::Read;
use crate::{
    cli::{
        console::{Console, Volume},
        number::{bytes, grouped},
    },
    clock::Clock,
    duration,
};

/// How often it is written anew.
const EVERY: Duration = Duration::from_millis(100);
/// Characters of the bar.
const BAR: usize = 20;

/// One line on stderr that is written over; nothing when stderr is no terminal.
pub(super) struct Progress {
    is_shown: bool,
    is_wanted: bool,
    size: u64,
    clock: Clock,
    began: SystemTime,
    shown: SystemTime,
}

impl Progress {
    /// `size` is what there is to read in all, 0 when that is not known.
    pub(super) fn new(console: &Console, size: u64) -> Self {
        let clock = Clock::start();
        let now = clock.now();
        Self {
            clock,
            began: now,
            shown: now,
            is_shown: false,
            is_wanted: console.volume > Volume::Quiet && io::stderr().is_terminal(),
            size,
        }
    }

    pub(super) fn show(&mut self, read: &Read) {
        if !self.is_wanted {
            return;
        }
        let now = self.clock.now();
        if now.duration_since(self.shown).unwrap_or_default() < EVERY {
            return;
        }
        self.shown = now;
        let took = now.duration_since(self.began).unwrap_or_default();
        let text = text(read, self.size, took);
        // Where stderr is closed, nobody is waiting.
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
        self.is_shown = true;
    }

    /// Makes room for what else is written.
    pub(super) fn clear(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
            self.is_shown = false;
        }
    }
}

/// A bar where the size is known, how much was read, how fast, and what is left.
fn text(read: &Read, size: u64, took: Duration) -> String {
    let took_s = took.as_secs_f64().max(0.001);
    let rate = grouped((read.lines as f64 / took_s) as u64);
    let lines = format!("{} lines, {rate}/s", grouped(read.lines));
    if size == 0 {
        return format!("{lines}, {}", bytes(read.bytes));
    }
    let part = (read.bytes as f64 / size as f64).clamp(0.0, 1.0);
    let full = (part * BAR as f64) as usize;
    let bar = format!("{}{}", "#".repeat(full), "-".repeat(BAR - full));
    let percent = (part * 100.0) as u64;
    let left = match part > 0.0 {
        true => Duration::from_secs((took_s * (1.0 - part) / part).min(1e9) as u64),
        false => return format!("[{bar}] {percent}% of {}, {lines}", bytes(size)),
    };
    let left = duration::format(left);
    format!(
        "[{bar}] {percent}% of {}, {lines}, {left} left",
        bytes(size)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_follow_from_what_was_read() {
        let read = Read {
            lines: 50_000,
            events: 10,
            bytes: 250,
        };
        assert_eq!(
            text(&read, 1000, Duration::from_secs(10)),
            format!(
                "[#####---------------] 25% of {}, 50 000 lines, 5 000/s, 30s left",
                bytes(1000)
            )
        );
        assert_eq!(
            text(&read, 0, Duration::from_secs(10)),
            format!("50 000 lines, 5 000/s, {}", bytes(250))
        );
        // More than was thought there would be.
        assert!(text(&read, 100, Duration::ZERO).contains("100%"));
    }
}
