//! What comes in from the logs: lines are read, events judged, checkpoints kept until they are stored.

mod followed;
mod left;
mod patterns;

use std::{collections::HashMap, time::SystemTime};

use tracing::{info, warn};

pub(super) use self::followed::{Counts, Followed};
use self::{followed::Stored, patterns::Watched};
use super::Daemon;
use crate::{
    clock::Now,
    config::{Log, SourceConfig},
    dialect::{Reader, Reading},
    event::SessionId,
    judge::Telling,
    source::{self, Checkpoint, Notice, Origin, SourceId, SourceState, Start},
};

/// The sources and how far they were read.
pub(super) struct Intake {
    /// Where sources that are not followed stood, by name: when the agent started, or when they were stopped.
    checkpoints: HashMap<String, Checkpoint>,
    pub(super) sources: Vec<Followed>,
    patterns: Vec<Watched>,
    next_id: usize,
    /// When files that are gone are looked for next.
    next_sorting: SystemTime,
}

impl Intake {
    pub(super) fn new(checkpoints: HashMap<String, Checkpoint>) -> Self {
        Self {
            checkpoints,
            sources: Vec::new(),
            patterns: Vec::new(),
            next_id: 0,
            next_sorting: SystemTime::UNIX_EPOCH,
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
                let now = self.clock.read();
                for line in lines.iter() {
                    self.handle_line(place, line, &now);
                }
                let followed = &mut self.intake.sources[place];
                followed.note_lost(lost, now.steady);
                if !lines.is_empty() {
                    followed.last_line = Some(now.steady);
                }
                followed.counts.cut += cut;
                followed.position = position;
                followed.lag_bytes = lag_bytes;
                if lag_bytes == Some(0) {
                    followed.caught_up = Some(self.clock.now());
                }
                self.decided(place, checkpoint);
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

    /// All before `checkpoint` is decided.
    fn decided(&mut self, place: usize, checkpoint: Option<Checkpoint>) {
        let followed = &mut self.intake.sources[place];
        if let Some(checkpoint) = checkpoint {
            followed.checkpoint = Some(checkpoint);
            // The first is stored at once: without one, an agent that is killed begins again at the log's end.
            if followed.stored == Stored::Never {
                return self.carry_out();
            }
            followed.stored = Stored::Older;
        }
        self.carry_out_decisions();
    }

    fn handle_line(&mut self, place: usize, line: &[u8], now: &Now) {
        let are_several = self.intake.sources.len() > 1;
        let followed = &mut self.intake.sources[place];
        let reading = followed.reader.read(line, now.wall);
        followed.count(&reading);
        let lost = followed.reader.recognition().lost;
        followed.note_lost(lost, now.steady);
        let Reading::Event(mut event) = reading else {
            return;
        };
        let is_echo = are_several && {
            let text = followed.reader.text(line);
            self.echoes
                .is_echo(followed.id.0, event.at, text, now.steady)
        };
        followed.date(&mut event, now);
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
    use super::{SessionId, SourceId, session_of};

    #[test]
    fn sessions_of_different_sources_differ() {
        let ids = [(0, 1), (1, 0), (1, 1), (0, 0)]
            .map(|(source, id)| session_of(SourceId(source), SessionId(id)));
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[index + 1..].contains(id), "{ids:?}");
        }
    }
}
