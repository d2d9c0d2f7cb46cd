//! Accounts: what each does in all, from wherever. An account whose password is stolen is used from hosts that do nothing wrong
//! by themselves: a botnet sends one message from each of its members. What its rules lead to is about the account, and never
//! a ban: one of these hosts is its user's own.
//!
//! Who attacks may invent names, so that nothing but failed logins is remembered shortly ([`registry::STRANGERS_MAX`]); of accounts that
//! someone logged in to there are at most [`registry::ACCOUNTS_MAX`].

mod count;
mod live;
mod registry;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use self::{
    count::Count,
    live::Live,
    registry::{Entry, Registry},
};
pub(super) use self::{
    live::LIVE_MAX,
    registry::{ACCOUNTS_MAX, STRANGERS_MAX},
};
use super::{
    holds::{HOLDS_MAX, Holds},
    name::{host_key, key},
};
use crate::{
    account::{self, Account, BASELINE_DAYS_MIN, Day, LiveSession},
    decision::Hold,
    event::{Event, EventKind},
    rule::{Counter, Distinct, Measure, Moment, Per, Reach, RuleSettings, Subjects, is_near, span},
};

/// How far apart two programs may tell of one failed login.
const RETOLD_WITHIN: Duration = Duration::from_secs(3);

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

/// A rule on accounts.
#[derive(Debug)]
struct Rule {
    /// Its number among all rules.
    index: usize,
    settings: RuleSettings,
    kinds: u32,
    services: u8,
}

/// A rule's limit, reached by an account, or near.
#[derive(Debug)]
pub(super) struct Finding {
    /// Number of the rule among all.
    pub(super) rule: usize,
    pub(super) account: Arc<str>,
    /// What it has come to, in what the limit is told in.
    pub(super) count: u32,
    pub(super) limit: u32,
    pub(super) reach: Reach,
    /// Empty where the limit is only near.
    pub(super) reason: String,
}

/// A sum that is near a rule's limit, or beyond, and the limit, both in what is added up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Sum {
    sum: u64,
    limit: u64,
    reach: Reach,
}

impl Sum {
    /// How far `sum` is; `None` where that is far, or where it was told already.
    fn of(sum: u64, limit: u64, may_tell: impl FnOnce() -> bool) -> Option<Self> {
        let reach = match sum >= limit {
            true if may_tell() => Reach::Full,
            false if is_near(sum, limit) => Reach::Near,
            _ => return None,
        };
        Some(Self { sum, limit, reach })
    }
}

impl Rule {
    fn new(index: usize, counter: &Counter) -> Self {
        let settings = counter.settings().clone();
        let services = match settings.service.as_slice() {
            [] => u8::MAX,
            services => services.iter().fold(0, |bits, one| bits | 1 << *one as u8),
        };
        Self {
            index,
            kinds: settings
                .count
                .iter()
                .fold(0, |bits, kind| bits | 1 << *kind as u32),
            services,
            settings,
        }
    }

    fn counts_kind(&self, kind: EventKind) -> bool {
        self.kinds & 1 << kind as u32 != 0
    }

    /// A login that brought a message with it (Exim tells both in one line) is also a message.
    fn counts(&self, event: &Event) -> bool {
        let is_counted = self.counts_kind(event.kind)
            || event.is_message() && self.counts_kind(EventKind::MailAccepted);
        let weighs = event.is_offence() || event.kind.score().as_tenths() <= 0;
        is_counted && weighs && self.services & 1 << event.service as u8 != 0
    }

    /// The limit in what is added up.
    fn limit(&self) -> u64 {
        u64::from(self.settings.limit) * self.unit()
    }

    /// What is added up for each one of the limit.
    fn unit(&self) -> u64 {
        match self.settings.measure {
            Measure::Count | Measure::Recipients => 1,
            Measure::Score => 10,
            Measure::Megabytes => 1_000_000,
        }
    }

    fn amount(&self, event: &Event) -> u64 {
        match self.settings.measure {
            Measure::Count => attempts(event),
            Measure::Score => u64::try_from(event.score.as_tenths()).unwrap_or(0),
            Measure::Recipients if event.is_message() => recipients(event),
            Measure::Megabytes if event.is_message() => event.bytes.unwrap_or(0),
            Measure::Recipients | Measure::Megabytes => 0,
        }
    }

    /// What of a day the rule counts.
    fn of_day(&self, day: &Day) -> u64 {
        match self.settings.measure {
            Measure::Count | Measure::Score => {
                let kinds = self.settings.count.iter();
                kinds.map(|kind| day.count(*kind)).sum()
            }
            Measure::Recipients => day.recipients,
            Measure::Megabytes => day.bytes,
        }
    }

    /// What tells the event from others; `None` when the rule does not want to know, or nothing does.
    fn distinct(&self, event: &Event, subjects: Subjects) -> Option<u64> {
        match self.settings.distinct? {
            Distinct::Recipient => event.recipient.as_deref().map(|text| key(text.as_bytes())),
            Distinct::Account => event.account.as_deref().map(|text| key(text.as_bytes())),
            Distinct::Address => Some(host_key(subjects.host(event.address?))),
        }
    }
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
            if let Some(Sum { sum, limit, reach }) = found {
                let told = |sum: u64| u32::try_from(sum / rule.unit()).unwrap_or(u32::MAX);
                findings.push(Finding {
                    rule: rule.index,
                    account: Arc::clone(&entry.account.name),
                    count: match reach {
                        Reach::Full => u32::try_from(sum).unwrap_or(u32::MAX),
                        Reach::Near | Reach::Far => told(sum),
                    },
                    limit: told(limit),
                    reach,
                    reason: match reach {
                        Reach::Full => reason(rule, sum, &entry.account, event.at),
                        Reach::Near | Reach::Far => String::new(),
                    },
                });
            }
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

impl Entry {
    /// Whether another program has told of this failed login just before.
    fn is_retold(&mut self, event: &Event, at: Moment) -> bool {
        let again = self.last_failure.is_some_and(|(teller, last)| {
            teller != event.told_by && last.apart(at) <= RETOLD_WITHIN
        });
        // One more by either program is one more.
        self.last_failure = (!again).then_some((event.told_by, at));
        again
    }

    /// Writes an event into the account's history.
    fn note(&mut self, event: &Event, succeeded: bool) {
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
    fn over_limit(
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
    fn over_baseline(
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
    fn recount(&mut self, rule: &Rule, number: usize, subjects: Subjects) {
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

/// How many failures an event tells of.
fn attempts(event: &Event) -> u64 {
    match event.kind {
        EventKind::AuthFailure => {
            let times = event.score.as_tenths() / event.kind.score().as_tenths().max(1);
            u64::try_from(times).unwrap_or(1).max(1)
        }
        _ => 1,
    }
}

fn recipients(event: &Event) -> u64 {
    event.recipients.map_or(1, u64::from)
}

fn ends_session(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Disconnect | EventKind::BadSession | EventKind::LostConnection
    )
}

/// In words, why a rule was broken.
fn reason(rule: &Rule, sum: u64, account: &Account, at: SystemTime) -> String {
    let settings = &rule.settings;
    let what = match (settings.measure, settings.distinct) {
        (_, Some(Distinct::Address)) => {
            let logins = settings
                .count
                .iter()
                .all(|kind| kind.score().as_tenths() <= 0);
            match logins {
                true => "different addresses that logged in".to_owned(),
                false => "different addresses that failed to log in".to_owned(),
            }
        }
        (_, Some(Distinct::Recipient)) => "different recipients that do not exist".to_owned(),
        (_, Some(Distinct::Account)) => "different logins".to_owned(),
        (Measure::Recipients, None) => "recipients".to_owned(),
        (Measure::Megabytes, None) => "megabytes".to_owned(),
        (Measure::Score, None) => "points".to_owned(),
        (Measure::Count, None) => match settings.count.as_slice() {
            [EventKind::MailAccepted] => "messages".to_owned(),
            [EventKind::AuthFailure] => "failed logins".to_owned(),
            kinds => {
                let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
                names.join(", ")
            }
        },
    };
    let sum = match settings.measure {
        Measure::Megabytes => sum / 1_000_000,
        Measure::Score => sum / 10,
        Measure::Count | Measure::Recipients => sum,
    };
    match (settings.per, settings.baseline) {
        (Per::AccountSession, _) => format!("{sum} {what} on one connection"),
        (_, Some(percent)) => {
            let today = account::day_number(at);
            let days = account.days_known(today).max(1).unsigned_abs();
            let before: u64 = account.days_before(today).map(|day| rule.of_day(day)).sum();
            let before = match settings.measure {
                Measure::Megabytes => before / 1_000_000,
                _ => before,
            };
            let mean = before as f64 / days as f64;
            let share = match before {
                0 => String::new(),
                before => format!(", {} %", sum.saturating_mul(100 * days) / before),
            };
            format!("{sum} {what} in a day{share} of the mean of {mean:.1} (limit {percent} %)")
        }
        _ => format!("{sum} {what} in {}", span(settings.window)),
    }
}

#[cfg(test)]
mod tests;
