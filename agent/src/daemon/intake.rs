//! What comes in from the logs: lines are read, events judged, checkpoints kept until they are stored.

mod patterns;

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::Daemon;
use crate::{
    clock::Clock,
    config::{Log, SourceConfig},
    dialect::{Reader, Reading},
    event::{Event, SessionId},
    judge::Telling,
    source::{self, Checkpoint, Notice, Origin, SourceId, SourceState, Start},
};
use patterns::Watched;

/// A live log whose stamps are further than this from the time its lines are written has another time zone than we think.
const STAMP_TOLERANCE: Duration = Duration::from_secs(600);
/// For so long after lines were lost that is a problem.
const LOSS_SHOWN: Duration = Duration::from_secs(3600);

/// The sources and how far they were read.
pub(super) struct Intake {
    /// Where sources that are not followed stood, by name: when the agent started, or when they were stopped.
    checkpoints: HashMap<String, Checkpoint>,
    pub(super) sources: Vec<Followed>,
    patterns: Vec<Watched>,
    next_id: usize,
}

/// A log that is followed.
pub(super) struct Followed {
    id: SourceId,
    pub(super) config: SourceConfig,
    origin: Origin,
    since: SystemTime,
    pub(super) name: String,
    pub(super) state: SourceState,
    pub(super) counts: Counts,
    pub(super) position: u64,
    pub(super) lag_bytes: Option<u64>,
    /// When lines were lost last.
    lost_at: Option<SystemTime>,
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
    /// Lines that never came, as the source, the kernel or the logger says.
    pub(super) lost: u64,
}

impl Intake {
    pub(super) fn new(checkpoints: HashMap<String, Checkpoint>) -> Self {
        Self {
            checkpoints,
            sources: Vec::new(),
            patterns: Vec::new(),
            next_id: 0,
        }
    }

    /// Patterns that no file fits.
    pub(super) fn empty_patterns(&self) -> impl Iterator<Item = String> + '_ {
        self.patterns.iter().filter_map(Watched::without_files)
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

    pub(super) fn problems(&self, now: SystemTime) -> impl Iterator<Item = String> + '_ {
        self.sources
            .iter()
            .filter(|source| source.is_followed())
            .filter_map(move |source| Some(format!("{}: {}", source.name, source.problem(now)?)))
            .chain(self.patterns.iter().filter_map(Watched::problem))
    }
}

impl Followed {
    /// Whether it is still in the config.
    pub(super) fn is_followed(&self) -> bool {
        self.task.is_some()
    }

    /// For how long it is behind; `None` where nobody knows.
    pub(super) fn lag(&self, now: SystemTime) -> Option<Duration> {
        if self.lag_bytes? == 0 {
            return Some(Duration::ZERO);
        }
        let behind_since = self.caught_up.unwrap_or(self.since);
        Some(now.duration_since(behind_since).unwrap_or_default())
    }

    fn is_dirty(&self) -> bool {
        self.checkpoint.is_some() && self.stored != Stored::Newest
    }

    /// What is wrong with it.
    pub(super) fn problem(&self, now: SystemTime) -> Option<String> {
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
    fn stop(&mut self) -> Option<(String, Checkpoint)> {
        self.task.take()?.abort();
        let checkpoint = self.checkpoint.clone()?;
        Some((self.name.clone(), checkpoint))
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

    fn note_lost(&mut self, lost: u64, now: SystemTime) {
        if lost > 0 {
            self.counts.lost += lost;
            self.lost_at = Some(now);
        }
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
            if !wanted.contains(&source.config) && source.is_followed() {
                info!(source = source.name, "no longer followed");
                let left = source.stop();
                self.intake.checkpoints.extend(left);
            }
        }
        self.carry_out();
        for config in wanted {
            let known = |source: &Followed| source.config == config && source.is_followed();
            let Log::One(origin) = &config.log else {
                continue;
            };
            if !self.intake.sources.iter().any(known) {
                let origin = origin.clone();
                self.follow(config, origin, Start::End);
            }
        }
        self.look_for_files();
    }

    /// Reads on by the patterns of the configuration.
    pub(super) fn read_by_patterns(&mut self) {
        for source in &mut self.intake.sources {
            source.reader.set_patterns(self.config.patterns.set.clone());
        }
    }

    /// Follows a log, from where it was left if it ever was.
    fn follow(&mut self, config: SourceConfig, origin: Origin, start: Start) {
        // The ids of sources that are gone are not used again: a late notice of theirs must not be taken for another's.
        let id = SourceId(self.intake.next_id);
        self.intake.next_id += 1;
        self.intake
            .sources
            .retain(|source| source.is_followed() || source.is_dirty());
        let name = origin.to_string();
        let checkpoint = self.intake.checkpoints.remove(&name);
        let start = checkpoint.map_or(start, Start::Checkpoint);
        let task = tokio::spawn(source::follow(
            id,
            origin.clone(),
            start,
            self.notices.clone(),
        ));
        self.intake.sources.push(Followed {
            id,
            reader: Reader::new(config.zone.clone())
                .believing(config.units())
                .with_patterns(self.config.patterns.set.clone()),
            config,
            origin,
            since: self.clock.now(),
            name,
            state: SourceState::Waiting,
            counts: Counts::default(),
            position: 0,
            lag_bytes: Some(0),
            lost_at: None,
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
        let place = self.intake.sources.iter().position(|followed| {
            // What a stopped source had sent before is read again when it is followed again.
            followed.id == source && followed.is_followed()
        });
        let Some(place) = place else {
            return;
        };
        match notice {
            Notice::Batch {
                source: _,
                lines,
                cut,
                lost,
                checkpoint,
                position,
                lag_bytes,
            } => {
                let now = self.clock.now();
                let wall = self.clock.wall(now);
                for line in &lines {
                    self.handle_line(place, line, wall);
                }
                let followed = &mut self.intake.sources[place];
                followed.note_lost(lost, now);
                if !lines.is_empty() {
                    followed.last_line = Some(now);
                }
                followed.counts.cut += cut;
                followed.position = position;
                followed.lag_bytes = lag_bytes;
                let has_checkpoint = checkpoint.is_some();
                if has_checkpoint {
                    followed.checkpoint = checkpoint;
                }
                if lag_bytes == Some(0) {
                    followed.caught_up = Some(self.clock.now());
                }
                // The first is stored at once: without one, an agent that is killed begins again at the log's end.
                if has_checkpoint && followed.stored == Stored::Never {
                    self.carry_out();
                } else {
                    if has_checkpoint {
                        followed.stored = Stored::Older;
                    }
                    self.carry_out_decisions();
                }
            }
            Notice::State { source: _, state } => {
                let followed = &mut self.intake.sources[place];
                match &state {
                    SourceState::Failed(text) => warn!(source = followed.name, "{text}"),
                    SourceState::Waiting => info!(source = followed.name, "waiting for it"),
                    SourceState::Following => info!(source = followed.name, "following"),
                    SourceState::Ended => warn!(source = followed.name, "has ended"),
                }
                followed.state = state;
            }
        }
    }

    fn handle_line(&mut self, place: usize, line: &[u8], wall: SystemTime) {
        let are_several = self.intake.sources.len() > 1;
        let followed = &mut self.intake.sources[place];
        let reading = followed.reader.read(line, wall);
        followed.count(&reading);
        let lost = followed.reader.recognition().lost;
        if lost > 0 {
            followed.note_lost(lost, self.clock.now());
        }
        let Reading::Event(mut event) = reading else {
            return;
        };
        let is_echo = are_several && {
            let text = followed.reader.text(line);
            self.echoes
                .is_echo(followed.id.0, event.at, text, self.clock.now())
        };
        followed.date(&mut event, &self.clock);
        if is_echo {
            self.log.note_event(&event, &followed.name, Telling::Again);
            return;
        }
        event.session = event.session.map(|id| session_of(followed.id, id));
        // What two programs tell of is told twice, and counted once.
        let telling = self.retold.tell(&event);
        self.log.note_event(&event, &followed.name, telling);
        match telling {
            Telling::First => self.tally.note_event(&event),
            Telling::Account => self.tally.note_account(&event),
            Telling::Again => {}
        }
        self.judge.handle_event(&event, followed.reader.text(line));
        self.tell_policy(&event);
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
