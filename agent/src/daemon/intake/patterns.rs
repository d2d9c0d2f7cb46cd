//! Logs named by a pattern: the files that fit are looked for now and then.

use std::{
    collections::VecDeque,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tracing::{info, warn};

use super::Daemon;
use crate::{
    config::{Log, SourceConfig},
    source::{self, Checkpoint, FILES_MAX, Origin, Pattern, SourceState, Start},
};

/// A file that is gone for so long is not waited for any more.
const GONE_FOR: Duration = Duration::from_secs(3600);
/// Files that are remembered, so that one is known again under another name.
const SEEN_MAX: usize = 1024;

/// A pattern of the config.
pub(super) struct Watched {
    config: SourceConfig,
    pattern: Pattern,
    /// The files that were followed, the newest last.
    seen: VecDeque<Seen>,
    /// Whether more files fit than are followed.
    more: bool,
    files: usize,
}

/// Tells a file from all others, also from a later one with the same inode.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Seen {
    device: u64,
    inode: u64,
    made: SystemTime,
}

impl Watched {
    fn new(config: &SourceConfig, pattern: &Pattern) -> Self {
        Self {
            config: config.clone(),
            pattern: pattern.clone(),
            seen: VecDeque::new(),
            more: false,
            files: 0,
        }
    }

    /// Its files.
    pub(super) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<String> {
        let pattern = self.pattern.path().display();
        if self.files == 0 {
            return Some(format!("{pattern}: no file fits yet"));
        }
        self.more.then(|| {
            format!(
                "{pattern}: more than {FILES_MAX} files fit, and only those written last are followed; write narrower patterns, each in a [[source]] of its own"
            )
        })
    }

    /// The pattern, if no file fits it.
    pub(super) fn without_files(&self) -> Option<String> {
        (self.files == 0).then(|| self.pattern.path().display().to_string())
    }

    fn has_seen(&self, seen: Seen) -> bool {
        self.seen.contains(&seen)
    }

    fn note(&mut self, seen: Seen) {
        if !self.has_seen(seen) {
            if self.seen.len() >= SEEN_MAX {
                self.seen.pop_front();
            }
            self.seen.push_back(seen);
        }
    }
}

/// What the file at `path` is; `None` where that cannot be known for sure.
fn seen(path: &Path) -> Option<Seen> {
    let metadata = fs::metadata(path).ok()?;
    Some(Seen {
        device: metadata.dev(),
        inode: metadata.ino(),
        made: metadata.created().ok()?,
    })
}

impl Daemon {
    /// Follows the files that fit a pattern of the config and are not followed yet.
    pub(in crate::daemon) fn look_for_files(&mut self) {
        let wanted = &self.config.sources;
        let mut patterns = std::mem::take(&mut self.intake.patterns);
        patterns.retain(|watched| wanted.contains(&watched.config));
        let known = patterns.len();
        for config in wanted {
            if let Log::Files(pattern) = &config.log
                && !patterns.iter().any(|watched| watched.config == *config)
            {
                patterns.push(Watched::new(config, pattern));
            }
        }
        for (number, watched) in patterns.iter_mut().enumerate() {
            self.look_for(watched, number >= known);
        }
        self.intake.patterns = patterns;
    }

    fn look_for(&mut self, watched: &mut Watched, is_first: bool) {
        let (files, more) = watched.pattern.files(FILES_MAX);
        if more && !watched.more {
            warn!(pattern = %watched.pattern.path().display(), most = FILES_MAX, "too many files fit");
        }
        watched.more = more;
        watched.files = files.len();
        self.leave_files(watched, &files);
        // What was not there when the agent ran last was written since.
        let has_run = self.intake.checkpoints.keys().any(|name| {
            let path = Path::new(name);
            watched.pattern.fits(path)
        });
        let start = match is_first && !has_run {
            true => Start::End,
            false => Start::Beginning,
        };
        for path in files {
            let name = path.display().to_string();
            let seen = seen(&path);
            let is_known = seen.is_some_and(|seen| watched.has_seen(seen));
            if let Some(seen) = seen {
                watched.note(seen);
            }
            let is_followed = self
                .intake
                .sources
                .iter()
                .any(|source| source.is_followed() && source.name == name);
            // Lines of a file that was renamed came, or come, under its old name.
            let is_renamed = is_known || (is_first && self.is_left_elsewhere(&path, &name));
            if is_followed || (is_renamed && !self.intake.checkpoints.contains_key(&name)) {
                continue;
            }
            if !is_first {
                info!(source = name, "a new file fits the pattern");
            }
            let origin = Origin::File(path);
            self.follow(watched.config.clone(), origin, start.clone());
        }
    }

    /// Whether another log's checkpoint speaks of this file: it was renamed while the agent did not run.
    fn is_left_elsewhere(&self, path: &Path, name: &str) -> bool {
        self.intake.checkpoints.iter().any(|(other, checkpoint)| {
            matches!(checkpoint, Checkpoint::File(position) if other != name && source::stands_in(path, position))
        })
    }

    /// Stops following files that are gone, or that newer ones take the place of.
    fn leave_files(&mut self, watched: &Watched, files: &[PathBuf]) {
        let now = self.clock.now();
        for source in &mut self.intake.sources {
            let Some(path) = source.origin.path() else {
                continue;
            };
            if source.config != watched.config || files.iter().any(|file| file == path) {
                continue;
            }
            let last = source.last_line.unwrap_or(source.since).max(source.since);
            let is_gone = source.state == SourceState::Waiting
                && now.duration_since(last).unwrap_or_default() > GONE_FOR;
            if (is_gone || watched.more) && source.is_followed() {
                info!(source = source.name, "no longer followed");
                let left = source.stop();
                self.intake.checkpoints.extend(left);
            }
        }
    }
}
