//! Carries decisions out, in a fixed order: the store (a crash repeats it), the kernel, the log.

use ipnet::IpNet;
use mailwall_common::KernelInstant;
use tracing::info;

use super::Daemon;
use crate::{ban::Ban, decision::Decision};

/// More decisions at once than this are logged as one line.
const LOGGED_ONE_BY_ONE: usize = 100;
/// Decisions that are kept for when the store can be written again; the newest beyond it are in force but not saved.
const UNSAVED_MAX: usize = 100_000;

impl Daemon {
    /// Carries out what the judge decided, and stores how far the logs were read.
    pub(super) fn carry_out(&mut self) {
        let decisions = self.drain();
        let is_due = self.intake.has_dirty_checkpoints() || !self.unsaved.is_empty();
        if !decisions.is_empty() || is_due {
            self.carry(&decisions);
        }
    }

    /// As [`Daemon::carry_out`], but leaves checkpoints alone for a while when nothing was decided.
    pub(super) fn carry_out_decisions(&mut self) {
        let decisions = self.drain();
        if !decisions.is_empty() {
            self.carry(&decisions);
        }
    }

    fn carry(&mut self, decisions: &[Decision]) {
        self.save(decisions);
        self.enforce(decisions);
        self.report(decisions);
    }

    /// Stores bans that are in the kernel already.
    pub(super) fn save_bans(&mut self, bans: Vec<Ban>) {
        let decisions: Vec<Decision> = bans.into_iter().map(Decision::Ban).collect();
        self.save(&decisions);
    }

    fn drain(&mut self) -> Vec<Decision> {
        std::iter::from_fn(|| self.judge.next_decision()).collect()
    }

    fn save(&mut self, decisions: &[Decision]) {
        let checkpoints = self.intake.dirty_checkpoints();
        let stored = if self.unsaved.is_empty() {
            self.store.commit(decisions, &checkpoints, &self.clock)
        } else {
            let all: Vec<Decision> = self.unsaved.iter().chain(decisions).cloned().collect();
            self.store.commit(&all, &checkpoints, &self.clock)
        };
        match &stored {
            Ok(()) => {
                self.intake.set_clean();
                self.unsaved.clear();
            }
            Err(_) => {
                let room = UNSAVED_MAX.saturating_sub(self.unsaved.len());
                self.unsaved.extend(decisions.iter().take(room).cloned());
            }
        }
        self.health.note_stored(stored);
    }

    fn enforce(&mut self, decisions: &[Decision]) {
        let Some(filter) = &mut self.filter else {
            return;
        };
        // Runs of one kind go to the kernel at once, in the order in which they were decided.
        for run in decisions.chunk_by(|a, b| is_ban(a) == is_ban(b)) {
            let bans: Vec<(IpNet, KernelInstant)> = run
                .iter()
                .filter_map(|decision| match decision {
                    Decision::Ban(ban) => Some((ban.net, self.clock.kernel_end(ban.end))),
                    Decision::Unban { .. } => None,
                })
                .collect();
            let done = if bans.is_empty() {
                let nets: Vec<IpNet> = run.iter().map(net).collect();
                filter.unban(&nets)
            } else {
                filter.ban(&bans)
            };
            if done.is_err() {
                self.health.note_filled(done);
            }
        }
    }

    fn report(&mut self, decisions: &[Decision]) {
        let now = self.clock.now();
        if decisions.len() > LOGGED_ONE_BY_ONE {
            let bans = decisions.iter().filter(|decision| is_ban(decision)).count();
            info!(bans, unbans = decisions.len() - bans, "bans changed");
        }
        for decision in decisions {
            if decisions.len() <= LOGGED_ONE_BY_ONE {
                log_decision(decision);
            }
            self.log.note_decision(decision, now);
        }
    }
}

fn log_decision(decision: &Decision) {
    match decision {
        Decision::Ban(ban) => {
            let for_s = ban.end.remaining(ban.since).map(|length| length.as_secs());
            info!(net = %ban.net, rule = %ban.origin, for_s, offences = ban.offences, reason = ban.reason, "banned");
        }
        Decision::Unban { net, pardon } => info!(%net, why = pardon.as_str(), "unbanned"),
    }
}

fn is_ban(decision: &Decision) -> bool {
    matches!(decision, Decision::Ban(_))
}

fn net(decision: &Decision) -> IpNet {
    match decision {
        Decision::Ban(ban) => ban.net,
        Decision::Unban { net, .. } => *net,
    }
}
