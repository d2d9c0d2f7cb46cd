//! How far it has come, on a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use super::logs::Read;
use crate::cli::{
    console::{Console, Volume},
    number::{bytes, grouped},
};

/// One line on stderr that is written over; nothing when stderr is no terminal.
pub(super) struct Progress {
    is_shown: bool,
    is_wanted: bool,
    size: u64,
}

impl Progress {
    /// `size` is what there is to read in all, 0 when that is not known.
    pub(super) fn new(console: &Console, size: u64) -> Self {
        Self {
            is_shown: false,
            is_wanted: console.volume > Volume::Quiet && io::stderr().is_terminal(),
            size,
        }
    }

    pub(super) fn show(&mut self, read: &Read) {
        if !self.is_wanted {
            return;
        }
        let lines = grouped(read.lines);
        let part = match self.size {
            0 => bytes(read.bytes),
            size => format!("{}% of {}", (read.bytes * 100 / size).min(100), bytes(size)),
        };
        // Where stderr is closed, nobody is waiting.
        let _ = write!(io::stderr(), "\r\x1b[K{lines} lines, {part}");
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
