//! Exit codes: what scripts and systemd may rely on.

use std::{fmt::Write as _, process::ExitCode};

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Exit {
    /// Done; for `ban check`: yes.
    Done = 0,
    /// The message says what, and what to do about it.
    Failed = 1,
    /// A mistake on the command line or in a checked file.
    Usage = 2,
    /// Nobody at the control socket (LSB: not running).
    NotRunning = 3,
    /// Somebody else's control socket.
    NotPermitted = 4,
    /// What was asked for is not there.
    Nothing = 5,
    /// The agent cannot start with its config (`EX_CONFIG` of sysexits.h; the unit does not restart it then).
    Config = 78,
}

impl Exit {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::NotRunning,
        Self::NotPermitted,
        Self::Nothing,
        Self::Config,
    ];

    /// What it says, in a line.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; for ban check: it is banned",
            Self::Failed => "failed; the message says what and what to do",
            Self::Usage => "wrong usage, or a file rejected by config check",
            Self::NotRunning => "the agent is not running",
            Self::NotPermitted => "not permitted to ask the agent",
            Self::Nothing => "nothing there: not banned, or no such ban, entry or rule",
            Self::Config => "run only: the configuration is wrong",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Every code with its meaning, one a line.
pub fn table() -> String {
    let mut table = String::new();
    for exit in Exit::ALL {
        let _ = writeln!(table, "  {:<3} {}", exit as u8, exit.meaning());
    }
    table.truncate(table.trim_end().len());
    table
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_codes_are_those_that_scripts_rely_on() {
        assert_eq!(Exit::ALL.map(|exit| exit as u8), [0, 1, 2, 3, 4, 5, 78]);
        expect![[r#"
            EXIT STATUS
              0   done; for ban check: it is banned
              1   failed; the message says what and what to do
              2   wrong usage, or a file rejected by config check
              3   the agent is not running
              4   not permitted to ask the agent
              5   nothing there: not banned, or no such ban, entry or rule
              78  run only: the configuration is wrong"#]]
        .assert_eq(&format!("EXIT STATUS\n{}", table()));
    }
}
