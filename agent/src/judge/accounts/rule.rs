//! A rule on accounts: what it counts of an event.

use super::super::name::{host_key, key};
use crate::{
    account::Day,
    event::{Event, EventKind},
    rule::{Counter, Distinct, Measure, Moment, RuleSettings, Subjects},
};

/// A rule on accounts.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its number among all rules.
    pub(super) index: usize,
    pub(super) settings: RuleSettings,
    kinds: u32,
    services: u8,
}

impl Rule {
    pub(super) fn new(index: usize, counter: &Counter) -> Self {
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

    pub(super) fn counts_kind(&self, kind: EventKind) -> bool {
        self.kinds & 1 << kind as u32 != 0
    }

    /// A login that brought a message with it (Exim tells both in one line) is also a message.
    pub(super) fn counts(&self, event: &Event) -> bool {
        let is_counted = self.counts_kind(event.kind)
            || event.is_message() && self.counts_kind(EventKind::MailAccepted);
        let weighs = event.is_offence() || event.kind.score().as_tenths() <= 0;
        is_counted && weighs && self.services & 1 << event.service as u8 != 0
    }

    /// The limit in what is added up.
    pub(super) fn limit(&self) -> u64 {
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

    pub(super) fn amount(&self, event: &Event) -> u64 {
        match self.settings.measure {
            Measure::Count => attempts(event),
            Measure::Score => u64::try_from(event.score.as_tenths()).unwrap_or(0),
            Measure::Recipients if event.is_message() => recipients(event),
            Measure::Megabytes if event.is_message() => event.bytes.unwrap_or(0),
            Measure::Recipients | Measure::Megabytes => 0,
        }
    }

    /// What of a day the rule counts.
    pub(super) fn of_day(&self, day: &Day) -> u64 {
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
    pub(super) fn distinct(&self, event: &Event, subjects: Subjects) -> Option<u64> {
        match self.settings.distinct? {
            Distinct::Recipient => event.recipient.as_deref().map(|text| key(text.as_bytes())),
            Distinct::Account => event.account.as_deref().map(|text| key(text.as_bytes())),
            Distinct::Address => Some(host_key(subjects.host(event.address?))),
            Distinct::Moment => Some(Moment::from(event.at).number()),
        }
    }

    /// So much of what is added up, in what the limit is told in.
    pub(super) fn told(&self, sum: u64) -> u32 {
        u32::try_from(sum / self.unit()).unwrap_or(u32::MAX)
    }
}

/// How many failures an event tells of.
pub(super) fn attempts(event: &Event) -> u64 {
    match event.kind {
        EventKind::AuthFailure => {
            let times = event.score.as_tenths() / event.kind.score().as_tenths().max(1);
            u64::try_from(times).unwrap_or(1).max(1)
        }
        _ => 1,
    }
}

/// How many recipients a message has.
pub(super) fn recipients(event: &Event) -> u64 {
    event.recipients.map_or(1, u64::from)
}
