//! A log that is followed: how far it was read, and what is wrong with it.

use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;

use crate::{
    clock::Now,
    config::{Log, SourceConfig},
    dialect::{Reader, Reading},
    event::Event,
    source::{Checkpoint, Origin, SourceId, SourceState},
};

/// A live log whose stamps are further than this from the time its lines are written has another time zone than we think.
const STAMP_TOLERANCE: Duration = Duration::from_secs(600);
/// For so long after lines were lost that is a problem.
const LOSS_SHOWN: Duration = Duration::from_secs(3600);

/// A log that is followed.
pub(in crate::daemon) struct Followed {
    pub(super) id: SourceId,
    pub(in crate::daemon) config: SourceConfig,
    pub(super) origin: Origin,
    pub(super) since: SystemTime,
    pub(in crate::daemon) name: String,
    pub(in crate::daemon) state: SourceState,
    pub(in crate::daemon) counts: Counts,
    pub(in crate::daemon) position: u64,
    pub(in crate::daemon) lag_bytes: Option<u64>,
    /// When lines were lost last.
    pub(super) lost_at: Option<SystemTime>,
    pub(in crate::daemon) last_line: Option<SystemTime>,
    pub(super) reader: Reader,
    /// The newest position of which everything is decided.
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) stored: Stored,
    /// When it was last read to its end: what comes after was written after that.
    pub(super) caught_up: Option<SystemTime>,
    /// How far its stamps are off.
    pub(super) stamps_off: Option<Duration>,
    pub(super) task: Option<JoinHandle<()>>,
}

/// Which checkpoint of a source is in the store.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Stored {
    /// None since it is followed.
    Never,
    /// An older one.
    Older,
    /// The newest.
    Newest,
}

/// Lines since the agent started.
#[derive(Clone, Copy, Default)]
pub(in crate::daemon) struct Counts {
    pub(in crate::daemon) lines: u64,
    pub(in crate::daemon) understood: u64,
    pub(in crate::daemon) ignored: u64,
    pub(in crate::daemon) refused: u64,
    pub(in crate::daemon) unknown: u64,
    pub(in crate::daemon) cut: u64,
    /// Lines that never came, as the source, the kernel or the logger says.
    pub(in crate::daemon) lost: u64,
}

impl Followed {
    /// Whether it is still in the config.
    pub(in crate::daemon) fn is_followed(&self) -> bool {
        self.task.is_some()
    }

    /// For how long it is behind; `None` where nobody knows.
    pub(in crate::daemon) fn lag(&self, now: SystemTime) -> Option<Duration> {
        if self.lag_bytes? == 0 {
            return Some(Duration::ZERO);
        }
        let behind_since = self.caught_up.unwrap_or(self.since);
        Some(now.duration_since(behind_since).unwrap_or_default())
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.checkpoint.is_some() && self.stored != Stored::Newest
    }

    /// What is wrong with it.
    pub(in crate::daemon) fn problem(&self, now: SystemTime) -> Option<String> {
        match &self.state {
            SourceState::Failed(text) => Some(text.clone()),
            SourceState::Ended => {
                Some("has ended; start mailwall run again with the log piped into it".to_owned())
            }
            // That of a pattern's file is no news.
            SourceState::Waiting if matches!(self.config.log, Log::Files(_)) => None,
            SourceState::Waiting if self.origin.path().is_some() => {
                Some("does not exist yet".to_owned())
            }
            SourceState::Waiting => Some("is not read yet".to_owned()),
            SourceState::Following => self.stamp_problem().or_else(|| self.loss_problem(now)),
        }
    }

    fn stamp_problem(&self) -> Option<String> {
        let off = crate::duration::format(self.stamps_off?);
        Some(format!(
            "its time stamps are {off} off; set time_zone of this [[source]]"
        ))
    }

    fn loss_problem(&self, now: SystemTime) -> Option<String> {
        let ago = now.duration_since(self.lost_at?).unwrap_or_default();
        (ago < LOSS_SHOWN).then(|| {
            let lost = self.counts.lost;
            format!(
                "lost {lost} line{}, the last within the hour: what was in them is not judged; raise the rate limit of the logger (journald: RateLimitBurst), or let it write a file",
                if lost == 1 { "" } else { "s" }
            )
        })
    }

    /// Stops following it; where it stood.
    pub(super) fn stop(&mut self) -> Option<(String, Checkpoint)> {
        self.task.take()?.abort();
        let checkpoint = self.checkpoint.clone()?;
        Some((self.name.clone(), checkpoint))
    }

    pub(super) fn count(&mut self, reading: &Reading) {
        self.counts.lines += 1;
        let counter = match reading {
            Reading::Event(_) => &mut self.counts.understood,
            Reading::Ignored => &mut self.counts.ignored,
            Reading::Refused => &mut self.counts.refused,
            Reading::Unknown => &mut self.counts.unknown,
        };
        *counter += 1;
    }

    pub(super) fn note_lost(&mut self, lost: u64, now: SystemTime) {
        if lost > 0 {
            self.counts.lost += lost;
            self.lost_at = Some(now);
        }
    }

    /// Puts an event on the steady clock, and notes how far the log's stamps are off.
    pub(super) fn date(&mut self, event: &mut Event, now: &Now) {
        let stamped = now.steady_of(event.at);
        event.at = not_before(self.caught_up, stamped);
        if self.caught_up.is_some() {
            let off = event.at.duration_since(stamped).unwrap_or_default();
            self.stamps_off = (off > STAMP_TOLERANCE).then_some(off);
        }
    }
}

/// When something happened that a log stamps only roughly: a line that was not there when the log was last read to its end
/// is younger than that, whatever its stamp and the time zone say.
fn not_before(caught_up: Option<SystemTime>, stamped: SystemTime) -> SystemTime {
    caught_up.map_or(stamped, |caught_up| caught_up.max(stamped))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::not_before;

    #[test]
    fn a_backlog_is_dated_by_its_stamps_and_a_live_log_by_when_it_was_read() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let hour = Duration::from_secs(3600);
        assert_eq!(not_before(None, noon - hour), noon - hour);
        assert_eq!(
            not_before(Some(noon), noon - 2 * hour),
            noon,
            "a log in another time zone"
        );
        assert_eq!(not_before(Some(noon - hour), noon), noon);
    }
}
