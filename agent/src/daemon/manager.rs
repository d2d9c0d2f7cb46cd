//! What the service manager is told of the agent, and when.

use tokio::time::Instant;

use super::Daemon;
use crate::{clock::kernel_now, service_manager::ServiceManager};

/// The service manager and when it wants to hear of us again.
pub(super) struct Manager {
    told: ServiceManager,
    next_beat: Option<Instant>,
}

impl Manager {
    pub(super) fn new() -> Self {
        Self {
            told: ServiceManager::from_environment(),
            next_beat: None,
        }
    }

    /// When the loop has to turn for the watchdog.
    pub(super) fn next_beat(&self) -> Option<Instant> {
        self.next_beat
    }

    /// Called at the end of each turn of the loop, and nowhere else: an agent that hangs is to be found out.
    pub(super) fn turned(&mut self) {
        let Some(every) = self.told.beat_every() else {
            return;
        };
        let now = Instant::now();
        if self.next_beat.is_none_or(|at| at <= now) {
            self.told.beat();
            self.next_beat = Some(now + every);
        }
    }

    pub(super) fn reloading(&self) {
        self.told.reloading(kernel_now());
    }

    pub(super) fn stopping(&self) {
        self.told.stopping();
    }
}

impl Daemon {
    /// The control socket is answered from here on, and the filter attached or known not to be.
    pub(super) fn tell_ready(&mut self) {
        if self.manager.told.listens() {
            let line = self.status_line();
            self.manager.told.ready(&line);
        }
    }

    /// How it goes, where that has changed.
    pub(super) fn tell_status(&mut self) {
        if self.manager.told.listens() {
            let line = self.status_line();
            self.manager.told.status(&line);
        }
    }

    /// What `systemctl status` shows.
    fn status_line(&self) -> String {
        let mode = if self.config.filter.mode.is_observe() {
            "observing"
        } else {
            "enforcing"
        };
        let bans = counted(self.judge.bans().len(), "ban");
        let sources = counted(self.sources().sources.len(), "source");
        let problems = self.problems();
        match problems.first() {
            None => format!("{mode}: {bans}, {sources}, no problems"),
            Some(first) => format!(
                "{mode}: {bans}, {sources}, {}: {first}",
                counted(problems.len(), "problem")
            ),
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
