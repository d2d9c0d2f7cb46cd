//! What the service did, for `mailwall status`.

use std::time::SystemTime;

use super::{Kind, Verdict};

/// Counts since the service began to listen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// Connections open now.
    pub connections: usize,
    /// Connections refused, because there were too many.
    pub refused: u64,
    /// Requests.
    pub requests: u64,
    /// Answers, by [`Kind`].
    pub answers: [u64; Kind::ALL.len()],
    /// Answers that were not given because all is only observed, by [`Kind`].
    pub would: [u64; Kind::ALL.len()],
    /// Requests that were answered with `DUNNO` because the agent was too busy for them.
    pub late: u64,
    /// Connections that were closed because of what they sent, or how slowly.
    pub garbage: u64,
    /// The last of these: when, and what was wrong with it, escaped.
    pub last_garbage: Option<(SystemTime, String)>,
}

impl Stats {
    pub(super) fn count(&mut self, verdict: Verdict) {
        self.answers[verdict.answer.kind() as usize] += 1;
        if let Some(kind) = verdict.would {
            self.would[kind as usize] += 1;
        }
    }
}
