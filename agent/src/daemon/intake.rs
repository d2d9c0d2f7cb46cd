//! What comes in from the logs: lines are read, events judged, checkpoints kept until they are stored.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::Daemon;
use crate::{
    clock::Clock,
    config::SourceConfig,
    dialect::{Reader, Reading},
    event::{Event, SessionId},
    source::{self, Checkpoint, Notice, SourceId, SourceState},
};

/// A live log whose stamps are further than this from the time its lines are written has another time zone than we think.
const STAMP_TOLERANCE: Duration = Duration::from_secs(600);

/// The sources and how far they were read.
pub(super) struct Intake {
    /// Where sources that are not followed stood, by name: when the agent started, or when they were stopped.
    checkpoints: HashMap<String, Checkpoint>,
    pub(super) sources: Vec<Followed>,
}

/// A log that is followed.
pub(super) struct Followed {
    pub(super) config: SourceConfig,
    pub(super) name: String,
    pub(super) state: SourceState,
    pub(super) counts: Counts,
    pub(super) position: u64,
    pub(super) lag_bytes: u64,
    pub(super) last_line: Option<SystemTime>,
    reader: Reader,
    /// The newest position of which everything is decided.
    checkpoint: Option<Checkpoint>,
    stored: Stored,
    /// When it was last read to its end: what comes after was written after that.
    caught_up: Option<SystemTime>,
    /// How far its stamps are off.
    stamps_off: Option<Duration>,
    task: Option<JoinHandle<()>>,
}

/// Which checkpoint of a source is in the store.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Stored {
    /// None since it is followed.
    Never,
    /// An older one.
    Older,
    /// The newest.
    Newest,
}

/// Lines since the agent started.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) lines: u64,
    pub(super) understood: u64,
    pub(super) ignored: u64,
    pub(super) refused: u64,
    pub(super) unknown: u64,
    pub(super) cut: u64,
}

impl Intake {
    pub(super) fn new(checkpoints: HashMap<String, Checkpoint>) -> Self {
        Self {
            checkpoints,
            sources: Vec::new(),
        }
    }

    pub(super) fn has_dirty_checkpoints(&self) -> bool {
        self.sources.iter().any(Followed::is_dirty)
    }

    /// Checkpoints to be stored.
    pub(super) fn dirty_checkpoints(&self) -> Vec<(String, Checkpoint)> {
        let named = |source: &Followed| Some((source.name.clone(), source.checkpoint.clone()?));
        let dirty = self.sources.iter().filter(|source| source.is_dirty());
        dirty.filter_map(named).collect()
    }

    pub(super) fn set_clean(&mut self) {
        for source in &mut self.sources {
            if source.is_dirty() {
                source.stored = Stored::Newest;
            }
        }
    }

    pub(super) fn problems(&self) -> impl Iterator<Item = String> + '_ {
        self.sources
            .iter()
            .filter(|source| source.is_followed())
            .filter_map(|source| Some(format!("{}: {}", source.name, source.problem()?)))
    }
}

impl Followed {
    /// Whether it is still in the config.
    pub(super) fn is_followed(&self) -> bool {
        self.task.is_some()
    }

    fn is_dirty(&self) -> bool {
        self.checkpoint.is_some() && self.stored != Stored::Newest
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<String> {
        match (&self.state, self.stamps_off) {
            (SourceState::Failed(text), _) => Some(text.clone()),
            (SourceState::Waiting, _) => Some("does not exist yet".to_owned()),
            (SourceState::Following, Some(off)) => Some(format!(
                "its time stamps are {} off; set time_zone of this [[source]]",
                crate::duration::format(off)
            )),
            (SourceState::Following, None) => None,
        }
    }

    fn count(&mut self, reading: &Reading) {
        self.counts.lines += 1;
        let counter = match reading {
            Reading::Event(_) => &mut self.counts.understood,
            Reading::Ignored => &mut self.counts.ignored,
            Reading::Refused => &mut self.counts.refused,
            Reading::Unknown => &mut self.counts.unknown,
        };
        *counter += 1;
    }

    /// Puts an event on the steady clock, and notes how far the log's stamps are off.
    fn date(&mut self, event: &mut Event, clock: &Clock) {
        let stamped = clock.steady(event.at);
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

impl Daemon {
    /// Starts following the sources of the config that are not followed yet, and stops those that are not in it.
    pub(super) fn follow_sources(&mut self) {
        let wanted = self.config.sources.clone();
        for source in &mut self.intake.sources {
            if !wanted.contains(&source.config)
                && let Some(task) = source.task.take()
            {
                task.abort();
                let checkpoint = source.checkpoint.clone();
                let left = checkpoint.map(|checkpoint| (source.name.clone(), checkpoint));
                self.intake.checkpoints.extend(left);
                info!(source = source.name, "no longer followed");
            }
        }
        self.carry_out();
        for config in wanted {
            let known = |source: &Followed| source.config == config && source.is_followed();
            if !self.intake.sources.iter().any(known) {
                self.follow(config);
            }
        }
    }

    /// Reads on by the patterns of the configuration.
    pub(super) fn read_by_patterns(&mut self) {
        for source in &mut self.intake.sources {
            source.reader.set_patterns(self.config.patterns.set.clone());
        }
    }

    fn follow(&mut self, config: SourceConfig) {
        // The ids of sources that are gone are not used again: a late notice of theirs must not be taken for another's.
        let id = SourceId(self.intake.sources.len());
        let path = config.path.clone();
        let name = path.display().to_string();
        let checkpoint = self.intake.checkpoints.remove(&name);
        let task = tokio::spawn(source::follow(id, path, checkpoint, self.notices.clone()));
        self.intake.sources.push(Followed {
            reader: Reader::new(config.zone.clone())
                .with_patterns(self.config.patterns.set.clone()),
            config,
            name,
            state: SourceState::Waiting,
            counts: Counts::default(),
            position: 0,
            lag_bytes: 0,
            last_line: None,
            checkpoint: None,
            stored: Stored::Never,
            caught_up: None,
            stamps_off: None,
            task: Some(task),
        });
    }

    pub(super) fn handle_notice(&mut self, notice: Notice) {
        let (Notice::Batch { source, .. } | Notice::State { source, .. }) = notice;
        let followed = self.intake.sources.get(source.0);
        // What a stopped source had sent before is read again when it is followed again.
        if !followed.is_some_and(Followed::is_followed) {
            return;
        }
        match notice {
            Notice::Batch {
                source,
                lines,
                cut,
                checkpoint,
                position,
                lag_bytes,
            } => {
                let now = self.clock.now();
                let wall = self.clock.wall(now);
                for line in &lines {
                    self.handle_line(source, line, wall);
                }
                let followed = &mut self.intake.sources[source.0];
                if !lines.is_empty() {
                    followed.last_line = Some(now);
                }
                followed.counts.cut += cut;
                followed.position = position;
                followed.lag_bytes = lag_bytes;
                followed.checkpoint = Some(checkpoint);
                if lag_bytes == 0 {
                    followed.caught_up = Some(self.clock.now());
                }
                // The first is stored at once: without one, an agent that is killed begins again at the log's end.
                if followed.stored == Stored::Never {
                    self.carry_out();
                } else {
                    followed.stored = Stored::Older;
                    self.carry_out_decisions();
                }
            }
            Notice::State { source, state } => {
                let followed = &mut self.intake.sources[source.0];
                match &state {
                    SourceState::Failed(text) => warn!(source = followed.name, "{text}"),
                    SourceState::Waiting => info!(source = followed.name, "waiting for it"),
                    SourceState::Following => info!(source = followed.name, "following"),
                }
                followed.state = state;
            }
        }
    }

    fn handle_line(&mut self, source: SourceId, line: &[u8], wall: SystemTime) {
        let followed = &mut self.intake.sources[source.0];
        let reading = followed.reader.read(line, wall);
        followed.count(&reading);
        let Reading::Event(mut event) = reading else {
            return;
        };
        followed.date(&mut event, &self.clock);
        event.session = event.session.map(|id| session_of(source, id));
        self.log.note_event(&event, &followed.name);
        self.judge.handle_event(&event, line);
    }
}

/// Readers number their sessions each for itself; the judge sees those of all sources.
fn session_of(source: SourceId, id: SessionId) -> SessionId {
    const SOURCE_BITS: u32 = 16;
    SessionId((id.0 << SOURCE_BITS) | (source.0 as u64 & ((1 << SOURCE_BITS) - 1)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{SessionId, SourceId, not_before, session_of};

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

    #[test]
    fn sessions_of_different_sources_differ() {
        let ids = [(0, 1), (1, 0), (1, 1), (0, 0)]
            .map(|(source, id)| session_of(SourceId(source), SessionId(id)));
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[index + 1..].contains(id), "{ids:?}");
        }
    }
}
