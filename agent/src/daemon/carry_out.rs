//! Carries decisions out, in a fixed order: the store (a crash repeats it), the kernel, the notifiers (which never make it wait), the
//! log.

use ipnet::IpNet;
use mailwall_common::KernelInstant;
use tracing::info;

use super::Daemon;
use crate::{
    ban::{Ban, Sort},
    decision::{Decision, Tarpit, Whom},
    line::escaped,
};

/// More decisions at once than this are logged as one line.
const LOGGED_ONE_BY_ONE: usize = 100;
/// Decisions that are kept for when the store can be written again; the newest beyond it are in force but not saved.
const UNSAVED_MAX: usize = 100_000;
/// Most characters of an account in a log line.
const ACCOUNT_MAX: usize = 256;

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
        self.kick_decided(decisions);
        self.policy.take_over(decisions, self.clock.now());
        self.tell(decisions);
        self.tally(decisions);
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
        // What the kernel has nothing to do with is left out.
        let steps: Vec<(IpNet, Option<KernelInstant>)> = decisions
            .iter()
            .filter_map(|decision| match decision {
                Decision::Ban(ban) => Some((ban.net, Some(self.clock.kernel_end(ban.end)))),
                Decision::Unban { net, .. } => Some((*net, None)),
                _ => None,
            })
            .collect();
        // Runs of one kind go to the kernel at once, in the order in which they were decided.
        for run in steps.chunk_by(|(_, a), (_, b)| a.is_some() == b.is_some()) {
            let bans: Vec<(IpNet, KernelInstant)> = run
                .iter()
                .filter_map(|(net, end)| end.map(|end| (*net, end)))
                .collect();
            let done = if bans.is_empty() {
                let nets: Vec<IpNet> = run.iter().map(|(net, _)| *net).collect();
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
            let count = |is_it: fn(&Decision) -> bool| {
                decisions.iter().filter(|decision| is_it(decision)).count()
            };
            let bans = count(|decision| matches!(decision, Decision::Ban(_)));
            let unbans = count(|decision| matches!(decision, Decision::Unban { .. }));
            let others = decisions.len() - bans - unbans;
            info!(bans, unbans, others, "bans changed");
        }
        for decision in decisions {
            if decisions.len() <= LOGGED_ONE_BY_ONE && !self.journal_takes(decision) {
                log_decision(decision);
            }
            self.log.note_decision(decision, now);
        }
    }
}

fn log_decision(decision: &Decision) {
    match decision {
        Decision::Ban(ban) => log_ban(ban, past_tense(ban.sort)),
        Decision::Unban { net, pardon } => info!(%net, why = pardon.as_str(), "unbanned"),
        Decision::WouldBan(ban) => log_ban(ban, "would be banned"),
        Decision::WouldAct(trial) => {
            let (whom, doing) = (whom(&trial.whom), &trial.doing);
            info!(whom, rule = %trial.origin, doing, reason = trial.reason, "would act");
        }
        Decision::Tarpit(tarpit) => {
            let Tarpit { net, origin, .. } = tarpit;
            info!(%net, rule = %origin, delay_s = tarpit.delay.as_secs(), reason = tarpit.reason, "slowed down");
        }
        Decision::Hold(hold) => {
            let for_s = hold
                .end
                .remaining(hold.since)
                .map(|length| length.as_secs());
            let account = shown(&hold.account);
            info!(account, rule = %hold.origin, for_s, reason = hold.reason, "held");
        }
        Decision::Release { account, pardon } => {
            info!(account = shown(account), why = pardon.as_str(), "released");
        }
        Decision::Kick(kick) => {
            info!(whom = whom(&kick.whom), rule = %kick.origin, "connections end");
        }
        Decision::Notify(notice) => {
            let (whom, topic) = (notice.whom.as_ref().map(whom), notice.topic.as_str());
            // What is said of an account has lines, a record of the log has one.
            let text = notice.text.replace('\n', "; ");
            info!(whom, topic, rule = %notice.origin, "{text}");
        }
    }
}

fn log_ban(ban: &Ban, what: &str) {
    let for_s = ban.end.remaining(ban.since).map(|length| length.as_secs());
    info!(net = %ban.net, rule = %ban.origin, for_s, offences = ban.offences, reason = ban.reason, "{what}");
}

const fn past_tense(sort: Sort) -> &'static str {
    match sort {
        Sort::Ban => "banned",
        Sort::Delay => "delayed",
    }
}

fn whom(whom: &Whom) -> String {
    match whom {
        Whom::Net(net) => net.to_string(),
        Whom::Account(account) => shown(account),
    }
}

/// An account as it is shown: clients choose what they try.
fn shown(account: &str) -> String {
    escaped(account.as_bytes(), ACCOUNT_MAX)
}
