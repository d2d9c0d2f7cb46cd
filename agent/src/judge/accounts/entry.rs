//! An account and what the rules have counted of it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    super::name::host_key,
    count::Count,
    finding::Sum,
    rule::{Rule, attempts, recipients},
};
use crate::{
    account::{self, Account, BASELINE_DAYS_MIN},
    event::{Event, EventKind},
    rule::{Distinct, Moment, Per, Subjects, is_near},
};

/// How far apart two programs may tell of one failed login.
const RETOLD_WITHIN: Duration = Duration::from_secs(3);

/// An account and what the rules have counted of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) account: Account,
    /// For each rule on accounts, in their order; shorter where the last ones have counted nothing.
    pub(super) counts: Vec<Count>,
    /// Its last login or message came from a host that an operator allowlisted.
    pub(super) is_exempt: bool,
    /// The last failed login: who told of it, and when.
    pub(super) last_failure: Option<(&'static str, Moment)>,
    /// It has changed since it was last stored.
    pub(super) is_dirty: bool,
}

impl Entry {
    pub(super) fn new(name: Arc<str>, at: SystemTime) -> Self {
        Self {
            account: Account::new(name, at),
            counts: Vec::new(),
            is_exempt: false,
            last_failure: None,
            is_dirty: false,
        }
    }

    /// One of another name that nothing is known of, in the memory of this one.
    pub(super) fn renewed(self, name: Arc<str>, at: SystemTime) -> Self {
        let Self {
            account,
            mut counts,
            ..
        } = self;
        counts.clear();
        Self {
            account: account.renewed(name, at),
            counts,
            is_exempt: false,
            last_failure: None,
            is_dirty: false,
        }
    }

    /// What the rule of that number has counted.
    pub(super) fn count(&mut self, rule: usize) -> &mut Count {
        if self.counts.len() <= rule {
            self.counts.resize_with(rule + 1, Count::default);
        }
        &mut self.counts[rule]
    }

    /// Whether another program has told of this failed login just before.
    pub(super) fn is_retold(&mut self, event: &Event, at: Moment) -> bool {
        let again = self.last_failure.is_some_and(|(teller, last)| {
            teller != event.told_by && last.apart(at) <= RETOLD_WITHIN
        });
        // One more by either program is one more.
        self.last_failure = (!again).then_some((event.told_by, at));
        again
    }

    /// Writes an event into the account's history.
    pub(super) fn note(&mut self, event: &Event, succeeded: bool) {
        self.is_dirty = true;
        if succeeded
            && let Some(address) = event.address
            && event.kind == EventKind::AuthSuccess
        {
            self.account.note_login(address, event.at);
        }
        let Some(day) = self.account.day_mut(account::day_number(event.at)) else {
            return;
        };
        match event.kind {
            EventKind::AuthSuccess => day.logins += 1,
            EventKind::AuthFailure => day.failures += attempts(event),
            EventKind::BounceOut => day.bounces += 1,
            EventKind::UnknownRecipient if event.is_offence() => day.bounces += 1,
            _ => {}
        }
        if event.is_message() {
            day.messages += 1;
            day.recipients += recipients(event);
            day.bytes = day.bytes.saturating_add(event.bytes.unwrap_or(0));
        }
    }

    /// The sum that a rule has reached its limit with, or has come near it.
    pub(super) fn over_limit(
        &mut self,
        rule: &Rule,
        number: usize,
        event: &Event,
        at: Moment,
        subjects: Subjects,
    ) -> Option<Sum> {
        let window = rule.settings.window;
        let count = self.count(number);
        let sum = match (rule.settings.distinct, rule.distinct(event, subjects)) {
            (None, _) => count.add(at, rule.amount(event), window),
            (Some(_), Some(key)) => count.add_distinct(at, key, window, rule.settings.limit),
            (Some(_), None) => return None,
        };
        let until = Moment::from(event.at + window);
        Sum::of(sum, rule.limit(), || count.may_tell(at, until))
    }

    /// Today's sum, if it is `percent` of the mean of the days before, and at least the rule's limit.
    pub(super) fn over_baseline(
        &mut self,
        rule: &Rule,
        number: usize,
        percent: u32,
        at: SystemTime,
    ) -> Option<Sum> {
        let today = account::day_number(at);
        let days = self.account.days_known(today);
        let sum = self.account.day(today).map_or(0, |day| rule.of_day(day));
        if days < BASELINE_DAYS_MIN || !is_near(sum, rule.limit()) {
            return None;
        }
        let before: u64 = self
            .account
            .days_before(today)
            .map(|day| rule.of_day(day))
            .sum();
        let days = u128::from(days.unsigned_abs()) * 100;
        let unusual = (u128::from(before) * u128::from(percent)).div_ceil(days);
        let limit = rule.limit().max(u64::try_from(unusual).unwrap_or(u64::MAX));
        let tomorrow = Moment::from(account::day_start(today + 1));
        Sum::of(sum, limit, || {
            self.count(number).may_tell(Moment::from(at), tomorrow)
        })
    }

    /// Counts again what the history tells of, after a restart.
    pub(super) fn recount(&mut self, rule: &Rule, number: usize, subjects: Subjects) {
        let (settings, limit) = (&rule.settings, rule.settings.limit);
        let (seen, days) = (self.account.addresses.clone(), self.account.days.clone());
        let count = self.count(number);
        match settings.distinct {
            _ if settings.per != Per::Account || settings.baseline.is_some() => {}
            Some(Distinct::Address) if rule.counts_kind(EventKind::AuthSuccess) => {
                for seen in seen {
                    let host = host_key(subjects.host(seen.address));
                    count.add_distinct(Moment::from(seen.last), host, settings.window, limit);
                }
            }
            Some(_) => {}
            // A day is counted at its beginning, so that it leaves the window too early, if anything.
            None if settings.window >= account::ADDRESS_KEPT => {
                for day in days {
                    let at = Moment::from(account::day_start(day.number));
                    count.add(at, rule.of_day(&day), settings.window);
                }
            }
            None => {}
        }
    }
}
