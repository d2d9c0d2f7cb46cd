//! Accounts: kept over restarts, shown and held as operators ask.

use std::{cmp::Reverse, time::Duration};

use jiff::Timestamp;
use tracing::warn;

use super::{Daemon, view::time};
use crate::{
    account::{Account, day_number, day_start},
    ban::End,
    control::protocol::{
        AccountDone, AccountList, AccountShown, AccountSort, AccountView, DayView, EvidenceView,
        HoldView, Refused, SCHEMA, SeenView, SessionView,
    },
    decision::{Decision, Hold},
    duration::{self, DURATION_MAX},
};

/// Most connections of an account that are shown.
const SESSIONS_MAX: usize = 100;

impl Daemon {
    /// Takes over what was known of accounts. What cannot be read is learnt anew.
    pub(super) fn restore_accounts(&mut self) {
        match self.store.accounts(&self.clock) {
            Ok((accounts, holds)) => {
                let told: Vec<Decision> = holds.iter().cloned().map(Decision::Hold).collect();
                self.policy.take_over(&told, self.clock.now());
                self.judge.restore_accounts(accounts, holds);
            }
            Err(error) => warn!("what was known of accounts cannot be read: {error}"),
        }
    }

    pub(super) fn account_list(&self, sort: AccountSort, limit: usize) -> AccountList {
        let mut accounts: Vec<&Account> = self.judge.accounts().collect();
        let today = day_number(self.clock.now());
        let of_day = |account: &Account| account.day(today).copied().unwrap_or_default();
        accounts.sort_by_cached_key(|account| {
            let first = match sort {
                AccountSort::Addresses => account.addresses.len() as u64,
                AccountSort::Messages => of_day(account).messages,
                AccountSort::Recipients => of_day(account).recipients,
                AccountSort::Failures => of_day(account).failures,
                AccountSort::Last => 0,
            };
            (Reverse((first, account.last)), account.name.clone())
        });
        let total = accounts.len();
        if limit > 0 {
            accounts.truncate(limit);
        }
        AccountList {
            schema: SCHEMA,
            total,
            accounts: accounts
                .into_iter()
                .map(|account| self.account_view(account))
                .collect(),
        }
    }

    pub(super) fn account_show(&self, name: &str) -> Result<AccountShown, Refused> {
        let hold = self.judge.hold(name);
        let known = self.judge.account(name);
        let unknown;
        let account = match (known, hold) {
            (Some(account), _) => account,
            (None, Some(hold)) => {
                unknown = Account::new((*hold.account).into(), hold.since);
                &unknown
            }
            (None, None) => {
                return Err(Refused {
                    hint: Some("mailwall account list shows those that are".to_owned()),
                    ..Refused::failed(format!(
                        "nothing is known of an account {}",
                        crate::line::escaped(name.as_bytes(), 64)
                    ))
                });
            }
        };
        let shown = |at| time(at, &self.clock);
        let sessions = self
            .judge
            .live_sessions()
            .filter(|live| live.account == account.name)
            .take(SESSIONS_MAX)
            .map(|live| SessionView {
                address: live.address,
                port: live.port,
                service: live.service.to_string(),
                since: shown(live.since),
                messages: live.messages,
            });
        let days = account.days.iter().rev().map(|day| DayView {
            date: Timestamp::try_from(day_start(day.number))
                .unwrap_or(Timestamp::MAX)
                .strftime("%Y-%m-%d")
                .to_string(),
            messages: day.messages,
            recipients: day.recipients,
            bytes: day.bytes,
            logins: day.logins,
            failures: day.failures,
            bounces: day.bounces,
        });
        Ok(AccountShown {
            schema: SCHEMA,
            account: self.account_view(account),
            first: shown(account.first),
            last_address: account.last_login.map(|(address, _)| address),
            last_login: account.last_login.map(|(_, at)| shown(at)),
            seen: account
                .addresses
                .iter()
                .map(|seen| SeenView {
                    address: seen.address,
                    count: seen.count,
                    last: shown(seen.last),
                })
                .collect(),
            sessions: sessions.collect(),
            days: days.collect(),
            hold: hold.map(|hold| self.hold_view(hold)),
        })
    }

    pub(super) fn hold_account(
        &mut self,
        name: &str,
        for_s: Option<u64>,
        reason: &str,
    ) -> Result<AccountDone, Refused> {
        let now = self.clock.now();
        let end = match for_s.map(Duration::from_secs) {
            None => End::Never,
            Some(length) if length <= DURATION_MAX => End::At(now + length),
            Some(_) => {
                return Err(Refused::failed(format!(
                    "a hold is at most {} long, or without an end",
                    duration::format(DURATION_MAX)
                )));
            }
        };
        if !self.judge.add_hold(name, end, reason, now) {
            return Err(Refused {
                hint: Some("mailwall account release ACCOUNT".to_owned()),
                ..Refused::failed("no more accounts can be held".to_owned())
            });
        }
        self.carry_out_decisions();
        Ok(AccountDone {
            schema: SCHEMA,
            account: name.to_lowercase(),
            done: true,
            ends: self.end_view(end),
        })
    }

    pub(super) fn release_account(&mut self, name: &str) -> AccountDone {
        let done = self.judge.release(name);
        self.carry_out_decisions();
        AccountDone {
            schema: SCHEMA,
            account: name.to_lowercase(),
            done,
            ends: None,
        }
    }

    fn account_view(&self, account: &Account) -> AccountView {
        let now = self.clock.now();
        let today = day_number(now);
        let day = account.day(today).copied().unwrap_or_default();
        let known = account.days_known(today);
        let before: u64 = account.days_before(today).map(|day| day.messages).sum();
        AccountView {
            account: account.name.to_string(),
            addresses: account.addresses.len(),
            messages: day.messages,
            recipients: day.recipients,
            bytes: day.bytes,
            messages_mean: (known > 0).then(|| before as f64 / known as f64),
            logins: day.logins,
            failures: day.failures,
            bounces: day.bounces,
            last: time(account.last, &self.clock),
            last_s: now
                .duration_since(account.last)
                .unwrap_or_default()
                .as_secs(),
            held: self.judge.hold(&account.name).is_some(),
        }
    }

    fn hold_view(&self, hold: &Hold) -> HoldView {
        HoldView {
            rule: hold.origin.to_string(),
            since: time(hold.since, &self.clock),
            ends: self.end_view(hold.end),
            reason: hold.reason.clone(),
            evidence: hold
                .evidence
                .iter()
                .map(|evidence| EvidenceView {
                    at: time(evidence.at, &self.clock),
                    text: evidence.text.clone(),
                })
                .collect(),
        }
    }
}
