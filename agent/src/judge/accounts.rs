//! Accounts: what each does in all, from wherever. An account whose password is stolen is used from hosts that do nothing wrong
//! by themselves: a botnet sends one message from each of its members. What its rules lead to is about the account, and never
//! a ban: one of these hosts is its user's own.
//!
//! Who attacks may invent names, so that nothing but failed logins is remembered shortly ([`registry::STRANGERS_MAX`]); of accounts that
//! someone logged in to there are at most [`registry::ACCOUNTS_MAX`].

mod count;
mod entry;
mod finding;
mod live;
mod registry;
mod rule;

use std::{sync::Arc, time::SystemTime};

use self::{count::Count, entry::Entry, live::Live, registry::Registry, rule::Rule};
pub(super) use self::{
    finding::Finding,
    live::LIVE_MAX,
    registry::{ACCOUNTS_MAX, STRANGERS_MAX},
};
use super::holds::{HOLDS_MAX, Holds};
use crate::{
    account::{Account, LiveSession},
    decision::Hold,
    event::{Event, EventKind},
    rule::{Counter, Distinct, Moment, Per, Subjects},
};

/// What the client of an event is to the allowlist.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Nobody's, or nobody knows.
    Stranger,
    /// Allowed by nature: this host's webmail, the office's private network. Its address is no sign of a botnet, but what is sent
    /// from there is counted.
    Inside,
    /// Allowed by an operator: nothing that it does counts.
    Exempt,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Accounts {
    rules: Vec<Rule>,
    registry: Registry,
    /// Whether there may be strangers that a rule has counted something of.
    has_counted_strangers: bool,
    live: Live,
    pub(super) holds: Holds,
}

impl Accounts {
    pub(super) fn new() -> Self {
        Self {
            rules: Vec::new(),
            registry: Registry::new(),
            has_counted_strangers: false,
            live: Live::new(),
            holds: Holds::default(),
        }
    }

    /// Other rules: what those that stay have counted is kept.
    pub(super) fn reconfigure(&mut self, counters: &[Counter]) {
        let is_ours = |(_, counter): &(usize, &Counter)| counter.settings().per.is_of_accounts();
        let rules: Vec<Rule> = counters
            .iter()
            .enumerate()
            .filter(is_ours)
            .map(|(index, counter)| Rule::new(index, counter))
            .collect();
        let old = std::mem::replace(&mut self.rules, rules);
        let from: Vec<Option<usize>> = self
            .rules
            .iter()
            .map(|rule| old.iter().position(|old| old.settings == rule.settings))
            .collect();
        let stays = from.iter().enumerate().all(|(to, from)| *from == Some(to));
        if stays && from.len() == old.len() {
            return;
        }
        self.registry.for_each(|entry| {
            let mut counts: Vec<Option<Count>> = entry.counts.drain(..).map(Some).collect();
            let moved = from.iter().map(|from| {
                let count = from.and_then(|from| counts.get_mut(from)?.take());
                count.unwrap_or_default()
            });
            entry.counts = moved.collect();
        });
        self.live.reset();
    }

    /// Whether it may be about an account.
    pub(super) fn concerns(&self, event: &Event) -> bool {
        event.account.is_some() || event.session.is_some() && !self.live.is_empty()
    }

    /// Takes in an event. What rules find in it, in their order.
    pub(super) fn observe(
        &mut self,
        event: &Event,
        standing: Standing,
        subjects: Subjects,
    ) -> Vec<Finding> {
        if let (Some(session), true) = (event.session, ends_session(event.kind)) {
            self.live.end(session);
        }
        if let Some(account) = &event.account {
            return self.observe_account(account, event, standing, subjects);
        }
        // What is refused on a connection that an account is logged in on is refused to it.
        let account = event.session.and_then(|session| self.live.account(session));
        match account.map(Arc::clone) {
            Some(account) => self.observe_account(&account, event, standing, subjects),
            None => Vec::new(),
        }
    }

    fn observe_account(
        &mut self,
        name: &str,
        event: &Event,
        standing: Standing,
        subjects: Subjects,
    ) -> Vec<Finding> {
        let at = Moment::from(event.at);
        let succeeded = matches!(event.kind, EventKind::AuthSuccess | EventKind::MailAccepted);
        let failed = event.kind == EventKind::AuthFailure;
        if failed && (!event.is_offence() || standing != Standing::Stranger) {
            return Vec::new();
        }
        let is_of_interest = succeeded
            || failed
            || event.kind == EventKind::BounceOut
            || self.rules.iter().any(|rule| rule.counts(event));
        if !is_of_interest {
            return Vec::new();
        }
        let entry = self.registry.touch(name, event.at, succeeded);
        if failed && entry.is_retold(event, at) {
            return Vec::new();
        }
        entry.note(event, succeeded);
        if succeeded {
            entry.is_exempt = standing == Standing::Exempt;
        }
        if let (true, Some(session)) = (succeeded, event.session) {
            self.live.touch(session, &entry.account.name, event);
        }
        if entry.is_exempt && !failed {
            return Vec::new();
        }
        let mut findings = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            if !rule.counts(event) {
                continue;
            }
            self.has_counted_strangers = true;
            let settings = &rule.settings;
            if settings.distinct == Some(Distinct::Address) && standing != Standing::Stranger {
                continue;
            }
            let limit = rule.limit();
            let found = if settings.per == Per::AccountSession {
                let amount = rule.amount(event);
                event
                    .session
                    .and_then(|session| self.live.add(session, number, amount, limit))
            } else if let Some(percent) = settings.baseline {
                entry.over_baseline(rule, number, percent, event.at)
            } else {
                entry.over_limit(rule, number, event, at, subjects)
            };
            findings.extend(found.map(|sum| Finding::new(rule, sum, &entry.account, event.at)));
        }
        findings
    }

    /// Takes over what was known before.
    pub(super) fn restore(&mut self, accounts: Vec<Account>, holds: Vec<Hold>, subjects: Subjects) {
        for account in accounts {
            let entry = self.registry.touch(&account.name, account.last, true);
            entry.account = Account {
                name: Arc::clone(&entry.account.name),
                ..account
            };
            for (number, rule) in self.rules.iter().enumerate() {
                entry.recount(rule, number, subjects);
            }
        }
        for hold in holds.into_iter().take(HOLDS_MAX) {
            self.holds.insert(hold);
        }
    }

    /// Known accounts that have changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> Vec<Account> {
        let mut changed = Vec::new();
        self.registry.for_each_known(|entry| {
            if std::mem::take(&mut entry.is_dirty) {
                changed.push(entry.account.clone());
            }
        });
        changed
    }

    /// These count as changed again.
    pub(super) fn give_back(&mut self, accounts: &[Account]) {
        for account in accounts {
            if let Some(entry) = self.registry.known_mut(&account.name) {
                entry.is_dirty = true;
            }
        }
    }

    /// Forgets what a rule counted of an account: an operator says that all is well.
    pub(super) fn pardon(&mut self, name: &str) {
        let lower = name.to_lowercase();
        self.registry.for_each(|entry| {
            if *entry.account.name == *lower {
                entry.counts.iter_mut().for_each(Count::reset);
            }
        });
    }

    /// Forgets what no longer counts. Whether anything is left that will not count some day; the history of known accounts stays.
    pub(super) fn forget(&mut self, now: SystemTime) -> bool {
        let moment = Moment::from(now);
        let windows = self.rules.iter().map(|rule| rule.settings.window);
        let longest = windows.max().unwrap_or_default();
        self.registry.forget_strangers(moment, longest);
        self.live.forget(moment);
        let mut some_left = self.registry.len().1 > 0 || !self.live.is_empty();
        let rules = &self.rules;
        let forget = |entry: &mut Entry| {
            entry.account.forget_addresses(now);
            let mut is_counted = false;
            for (count, rule) in entry.counts.iter_mut().zip(rules) {
                if count.is_over(moment, rule.settings.window) {
                    count.reset();
                }
                is_counted |= !count.is_empty();
            }
            is_counted || !entry.account.addresses.is_empty()
        };
        self.registry
            .for_each_known(|entry| some_left |= forget(entry));
        // They are many while somebody guesses names, and mostly no rule counts that.
        if self.has_counted_strangers {
            self.has_counted_strangers = false;
            let has_counted = &mut self.has_counted_strangers;
            self.registry
                .for_each_stranger(|entry| *has_counted |= forget(entry));
            some_left |= self.has_counted_strangers;
        }
        some_left
    }

    /// Accounts of which something is counted by the rule with that number among all.
    pub(super) fn tracked_by(&self, index: usize) -> usize {
        let Some(number) = self.rules.iter().position(|rule| rule.index == index) else {
            return 0;
        };
        let counts = |entry: &&Entry| {
            entry
                .counts
                .get(number)
                .is_some_and(|count| !count.is_empty())
        };
        self.registry.iter().filter(counts).count()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Account> {
        self.registry.get(name).map(|entry| &entry.account)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.registry.iter().map(|entry| &entry.account)
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &LiveSession> {
        self.live.iter()
    }

    pub(super) fn live_len(&self) -> usize {
        self.live.len()
    }

    /// Known accounts, and names that nobody has logged in to.
    pub(super) fn len(&self) -> (usize, usize) {
        self.registry.len()
    }
}

fn ends_session(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Disconnect | EventKind::BadSession | EventKind::LostConnection
    )
}

#[cfg(test)]
mod tests;
