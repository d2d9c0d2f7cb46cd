//! Keeps what spares real mail: the regulars in the store, the list of providers, the pause of bans in `status`.

use std::{fs, time::SystemTime};

use tracing::{info, warn};

use super::Daemon;
use crate::{config, duration};

/// What the daemon knows of it.
#[derive(Debug, Default)]
pub(super) struct Clemency {
    /// When the list of providers in force was written.
    written: Option<SystemTime>,
    /// Why the newest list is not in force.
    problem: Option<String>,
}

impl Daemon {
    /// Takes over who did well before. What cannot be read is learnt anew.
    pub(super) fn restore_regulars(&mut self) {
        match self.store.regulars(&self.clock) {
            Ok(regulars) => self.judge.restore_regulars(regulars),
            Err(error) => warn!("who did well before cannot be read: {error}"),
        }
    }

    /// Puts what the config says in force.
    pub(super) fn renew_clemency(&mut self) {
        let config = &self.config.clemency;
        config.put_in_force(&mut self.judge);
        self.clemency = Clemency::default();
        self.look_at_providers();
    }

    /// Reads the list of providers again when it was changed. One that is wrong leaves the old one in force.
    pub(super) fn look_at_providers(&mut self) {
        let config = &self.config.clemency;
        let Some(path) = config.provider_file.as_deref().filter(|_| config.providers) else {
            return;
        };
        let written = fs::metadata(path).and_then(|file| file.modified()).ok();
        if written.is_some() && written == self.clemency.written {
            return;
        }
        match config::read_providers(path) {
            Ok(providers) => {
                info!(path = %path.display(), networks = providers.len(), "list of providers in force");
                self.judge.set_providers(providers);
                self.clemency.problem = None;
            }
            Err(what) => {
                let text = format!(
                    "{}: {what}; the old list of providers stays in force",
                    path.display()
                );
                if self.clemency.problem.as_ref() != Some(&text) {
                    warn!("{text}");
                }
                self.clemency.problem = Some(text);
            }
        }
        self.clemency.written = written;
    }

    /// What is wrong with it, or what it keeps from being done.
    pub(super) fn clemency_problems(&self) -> Vec<String> {
        let now = self.clock.now();
        let pause = self.judge.pause().map(|pause| {
            let since = now.duration_since(pause.since).unwrap_or_default();
            let since = std::time::Duration::from_secs(since.as_secs());
            format!(
                "bans pause since {}: {}; {} would have been; they go on when it is over, or with mailwall breaker resume",
                duration::format(since), pause.reason, pause.spared
            )
        });
        pause
            .into_iter()
            .chain(self.clemency.problem.clone())
            .collect()
    }
}
