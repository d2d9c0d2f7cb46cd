//! What is wrong, for `status`; and what is looked at every few seconds because it changes by itself.

use std::{
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

use mailwall_common::Verdict;
use tracing::{error, info, warn};

use super::{Daemon, start};
use crate::{
    allowlist::AllowEntry,
    filter::{Filter, FilterError},
    store::StoreError,
};

/// How often the filter is tried again when it, or an interface, failed; and how long a change of the host's interfaces that
/// it did not tell can go unnoticed.
const RETRY: Duration = Duration::from_secs(30);

/// What is wrong, and what it is judged by.
pub(super) struct Health {
    pub(super) started: SystemTime,
    pub(super) own_addresses: Vec<IpAddr>,
    pub(super) manual_allowed: Vec<AllowEntry>,
    pub(super) drops_per_s: f64,
    last_drops: Option<(SystemTime, u64)>,
    next_retry: SystemTime,
    store_aside: Option<String>,
    store: Option<String>,
    filter: Option<String>,
    filled: Option<String>,
    attach: Option<String>,
    pins: Option<String>,
}

impl Health {
    pub(super) fn new(now: SystemTime) -> Self {
        Self {
            started: now,
            own_addresses: Vec::new(),
            manual_allowed: Vec::new(),
            drops_per_s: 0.0,
            last_drops: None,
            next_retry: now + RETRY,
            store_aside: None,
            store: None,
            filter: None,
            filled: None,
            attach: None,
            pins: None,
        }
    }

    /// Keeps the filter if there is one, or why there is none.
    pub(super) fn note_filter(&mut self, opened: Result<Filter, FilterError>) -> Option<Filter> {
        match opened {
            Ok(filter) => {
                self.filter = None;
                Some(filter)
            }
            Err(err) => {
                let text = format!("{:#}", anyhow::Error::from(err));
                if self.filter.as_ref() != Some(&text) {
                    error!("nothing is filtered: {text}");
                }
                self.filter = Some(text);
                None
            }
        }
    }

    pub(super) fn note_filled(&mut self, filled: Result<(), FilterError>) {
        self.filled = filled
            .err()
            .map(|err| format!("{:#}", anyhow::Error::from(err)));
        if let Some(text) = &self.filled {
            error!("the kernel does not have all bans: {text}");
        }
    }

    pub(super) fn note_stored(&mut self, stored: Result<(), StoreError>) {
        let was = self.store.take();
        match stored {
            Ok(()) if was.is_some() => info!("the database can be written again"),
            Ok(()) => {}
            Err(err) => {
                let text = format!("{:#}", anyhow::Error::from(err));
                if was.as_ref() != Some(&text) {
                    error!("bans are in force but not saved: {text}");
                }
                self.store = Some(text);
            }
        }
    }

    pub(super) fn set_store_aside(&mut self, aside: &Path) {
        let text = format!(
            "the database could not be read and was set aside as {}; escalation history and manual allow entries in it are not in force, and what was logged while mailwall was down was not read",
            aside.display()
        );
        error!("{text}");
        self.store_aside = Some(text);
    }

    /// Why it is not known which interfaces to attach to, if so.
    pub(super) fn note_attach(&mut self, problem: Option<String>) {
        if let Some(text) = &problem
            && self.attach != problem
        {
            error!("{text}");
        }
        self.attach = problem;
    }

    /// Why the database cannot be written, while it cannot.
    pub(super) fn unsaved(&self) -> Option<&str> {
        self.store.as_deref()
    }

    fn needs_filling(&self) -> bool {
        self.filled.is_some()
    }
}

impl Daemon {
    /// What is wrong, worst first.
    pub(super) fn problems(&self) -> Vec<String> {
        let health = &self.health;
        let mut problems = Vec::new();
        if let Some(text) = &health.filter {
            problems.push(format!("nothing is filtered: {text}"));
        }
        problems.extend(health.pins.iter().cloned());
        problems.extend(health.attach.iter().cloned());
        if let Some(filter) = &self.filter {
            problems.extend(filter.attachments().iter().filter_map(|attachment| {
                let problem = attachment.problem.as_ref()?;
                Some(format!("{}: {problem}", attachment.name))
            }));
        }
        problems.extend(
            health
                .filled
                .iter()
                .map(|e| format!("the kernel lacks bans: {e}")),
        );
        problems.extend(self.clemency_problems());
        problems.extend(self.limits.problems());
        problems.extend(
            health
                .store
                .iter()
                .map(|e| format!("bans are not saved: {e}")),
        );
        problems.extend(health.store_aside.iter().cloned());
        problems.extend(self.store_problem());
        problems.extend(self.policy.problem());
        problems.extend(self.kick_problem());
        problems.extend(self.metrics.problem());
        problems.extend(self.intake.problems(self.clock.now()));
        problems.extend(self.notifier_problems());
        problems
    }

    /// Says how much the database may take.
    pub(super) fn bound_store(&mut self) {
        if let Err(err) = self.store.bound(self.config.store.max_bytes) {
            self.health.note_stored(Err(err));
        }
    }

    /// That what must be kept is more than the database may take.
    fn store_problem(&self) -> Option<String> {
        let max = self.config.store;
        let size = self.store.size().ok()?;
        (size > max.max_bytes).then(|| {
            format!(
                "the database takes {} MiB, and [store] max_mb is {}: bans and their history are more than that; raise it",
                size >> 20,
                max.max_mb()
            )
        })
    }

    /// Looks at what changes by itself.
    pub(super) fn keep_house(&mut self) {
        let now = self.clock.now();
        self.sample_drops(now);
        self.keep_limits(now);
        self.stages.forget(now);
        self.keep_pins();
        self.look_for_files();
        self.forget_files();
        self.look_at_providers();
        self.serve_metrics();
        let own = start::own_addresses();
        if own != self.health.own_addresses {
            info!(addresses = own.len(), "the host's own addresses changed");
            self.health.own_addresses = own;
            self.renew_allowlist();
        }
        if self.health.next_retry <= now {
            self.health.next_retry = now + RETRY;
            self.keep_policy();
            self.put_off_accounts_and_regulars();
            self.retry();
        }
        self.carry_out();
        self.tell_status();
        self.put_off_tally();
        self.send_report();
    }

    /// Puts the allowlist of the present config, host and operator in force, here and in the kernel.
    pub(super) fn renew_allowlist(&mut self) {
        let allowlist = start::allowlist(
            &self.config,
            &self.health.own_addresses,
            &self.health.manual_allowed,
        );
        self.judge.set_allowlist(allowlist);
        if let Some(filter) = &mut self.filter {
            let nets: Vec<_> = self
                .judge
                .allowlist()
                .iter()
                .map(|entry| entry.net)
                .collect();
            let allowed = filter.set_allowed(&nets);
            // Only a filling makes good for what an earlier update left undone.
            if allowed.is_err() {
                self.health.note_filled(allowed);
            }
        }
        self.carry_out();
    }

    /// Sees to it that what is in the kernel stays there without the agent.
    fn keep_pins(&mut self) {
        let Some(filter) = &mut self.filter else {
            return;
        };
        match filter.pin_again() {
            Ok(false) => self.health.pins = None,
            Ok(true) => {
                let dir = self.paths.bpffs_dir.display();
                warn!("what was pinned under {dir} was gone; it is pinned again");
                self.health.pins = None;
                self.limit_connections();
                self.attach();
            }
            Err(err) => {
                let text = format!(
                    "bans hold only while mailwall runs, because what was pinned is gone: {:#}",
                    anyhow::Error::from(err)
                );
                if self.health.pins.as_ref() != Some(&text) {
                    error!("{text}");
                }
                self.health.pins = Some(text);
            }
        }
    }

    fn retry(&mut self) {
        if self.filter.is_none() {
            self.filter = self
                .health
                .note_filter(Filter::open_with(&self.paths.bpffs_dir, self.tracing));
            if self.filter.is_some() {
                info!("the filter could be loaded");
                self.fill_filter();
                self.limit_connections();
                self.attach();
            }
            return;
        }
        if self.health.needs_filling() {
            self.fill_filter();
        }
        if self.limits.needs_retry() {
            self.limit_connections();
        }
        self.attach();
    }

    fn sample_drops(&mut self, now: SystemTime) {
        let drops = self.dropped();
        if let Some((then, before)) = self.health.last_drops {
            let seconds = now.duration_since(then).unwrap_or_default().as_secs_f64();
            if seconds > 0.0 {
                self.health.drops_per_s = drops.saturating_sub(before) as f64 / seconds;
            }
        }
        self.health.last_drops = Some((now, drops));
    }

    /// Packets dropped (in observe mode: that would have been) since the maps were made.
    pub(super) fn dropped(&self) -> u64 {
        let is_hit = |verdict: Verdict| {
            Verdict::ALL
                .iter()
                .any(|v| v.is_drop() && (verdict == *v || verdict == v.observed()))
        };
        let totals = self.filter.as_ref().and_then(|filter| filter.totals().ok());
        totals
            .into_iter()
            .flatten()
            .filter(|(verdict, _, _)| is_hit(*verdict))
            .map(|(_, _, packets)| packets)
            .sum()
    }
}
