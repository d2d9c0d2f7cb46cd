//! What a rule finds in an account.

use std::{sync::Arc, time::SystemTime};

use super::rule::Rule;
use crate::{
    account::{self, Account},
    event::EventKind,
    rule::{Distinct, Measure, Per, Reach, is_near, span},
};

/// A rule's limit, reached by an account, or near.
#[derive(Debug)]
pub(in crate::judge) struct Finding {
    /// Number of the rule among all.
    pub(in crate::judge) rule: usize,
    pub(in crate::judge) account: Arc<str>,
    /// What it has come to, in what the limit is told in.
    pub(in crate::judge) count: u32,
    pub(in crate::judge) limit: u32,
    pub(in crate::judge) reach: Reach,
    /// Empty where the limit is only near.
    pub(in crate::judge) reason: String,
}

/// A sum that is near a rule's limit, or beyond, and the limit, both in what is added up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sum {
    sum: u64,
    limit: u64,
    reach: Reach,
}

impl Sum {
    /// How far `sum` is; `None` where that is far, or where it was told already.
    pub(super) fn of(sum: u64, limit: u64, may_tell: impl FnOnce() -> bool) -> Option<Self> {
        let reach = match sum >= limit {
            true if may_tell() => Reach::Full,
            false if is_near(sum, limit) => Reach::Near,
            _ => return None,
        };
        Some(Self { sum, limit, reach })
    }
}

impl Finding {
    pub(super) fn new(rule: &Rule, found: Sum, account: &Account, at: SystemTime) -> Self {
        let Sum { sum, limit, reach } = found;
        let (count, reason) = match reach {
            Reach::Full => {
                let count = u32::try_from(sum).unwrap_or(u32::MAX);
                (count, reason(rule, sum, account, at))
            }
            Reach::Near | Reach::Far => (rule.told(sum), String::new()),
        };
        Self {
            rule: rule.index,
            account: Arc::clone(&account.name),
            count,
            limit: rule.told(limit),
            reach,
            reason,
        }
    }
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
        (_, Some(Distinct::Moment)) => "moments".to_owned(),
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
