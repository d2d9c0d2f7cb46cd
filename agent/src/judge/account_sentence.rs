//! From a breach by an account to what follows: it is held, its connections end, people are told. Never a ban: one of the
//! addresses that a stolen password is used from is that of its owner.

use std::time::SystemTime;

use jiff::Timestamp;

use super::{
    Judge,
    accounts::{Finding, Standing},
    near::NearMiss,
};
use crate::{
    account::{self, Account, LiveSession},
    allowlist::AllowOrigin,
    ban::{EVIDENCE_TEXT_MAX, End, Evidence, Origin, REASON_MAX},
    decision::{Decision, Hold, Kick, Notice, Pardon, Topic, Whom},
    event::Event,
    line::escaped,
    rule::{Mode, Reach, RuleSettings},
};

impl Judge {
    /// Shows the rules on accounts an event.
    pub(super) fn judge_account(&mut self, event: &Event, text: &[u8]) {
        if !self.accounts.concerns(event) {
            return;
        }
        let standing = match event
            .address
            .and_then(|address| self.allowlist.covering(address))
        {
            None => Standing::Stranger,
            Some(entry) => match entry.origin {
                AllowOrigin::BuiltIn | AllowOrigin::Own => Standing::Inside,
                AllowOrigin::Config | AllowOrigin::Manual => Standing::Exempt,
            },
        };
        let findings = self.accounts.observe(event, standing, self.subjects);
        for finding in findings {
            self.sentence_account(finding, event.at, text);
        }
        if event.account.is_some() && self.next_forget.is_none() {
            self.next_forget = event.at.checked_add(super::FORGET_EVERY);
        }
    }

    fn sentence_account(&mut self, finding: Finding, at: SystemTime, text: &[u8]) {
        let Finding {
            rule,
            account,
            count,
            limit,
            reach,
            reason,
        } = finding;
        let name: Box<str> = (*account).into();
        let whom = Whom::Account(name.clone());
        if reach != Reach::Full {
            self.near.note(NearMiss {
                whom,
                rule: self.counters[rule].settings().name.clone(),
                count,
                limit,
                last: at,
            });
            return;
        }
        let settings: RuleSettings = self.counters[rule].settings().clone();
        self.near.reach(&whom, &settings.name, at);
        let held = self.accounts.holds.get(&name);
        if settings.then.hold.is_some() && held.is_some_and(|hold| !hold.end.is_over_at(at)) {
            // It was told when it was held.
            return;
        }
        self.counters[rule].breached();
        let evidence = vec![Evidence {
            at,
            text: escaped(text, EVIDENCE_TEXT_MAX - '…'.len_utf8()),
        }];
        if settings.mode == Mode::Observe {
            return self.would_act(rule, whom, (count, reason), at, evidence);
        }
        let origin = Origin::Rule(settings.name.clone());
        if let Some(length) = settings.then.hold
            && self.accounts.holds.has_room_for(&name)
        {
            let hold = Hold {
                account: name,
                origin: origin.clone(),
                since: at,
                end: length.end(at),
                count,
                reason: reason.clone(),
                evidence: evidence.clone(),
            };
            self.put_hold(hold);
        }
        if settings.then.kick {
            let kick = Kick {
                whom: whom.clone(),
                origin: origin.clone(),
            };
            self.decisions.push_back(Decision::Kick(kick));
        }
        if settings.then.notify {
            let notice = Notice {
                at,
                whom: Some(whom),
                origin,
                topic: Topic::Account,
                text: self.account_notice(&account, &reason),
                evidence,
            };
            self.decisions.push_back(Decision::Notify(notice));
        }
    }

    /// A sentence, and below it where the account is used from, a line each.
    fn account_notice(&self, name: &str, reason: &str) -> String {
        let sentence = format!("account {name}: {reason}");
        let Some(account) = self
            .accounts
            .get(name)
            .filter(|account| account.last_login.is_some())
        else {
            return sentence;
        };
        let mut lines = vec![sentence];
        lines.extend(report(account));
        lines.join("\n")
    }

    /// Keeps back what an account sends, by the operator's word, in place of any hold that there is.
    pub fn add_hold(&mut self, account: &str, end: End, reason: &str, now: SystemTime) -> bool {
        let account: Box<str> = account.to_lowercase().into();
        if !self.accounts.holds.has_room_for(&account) {
            return false;
        }
        self.put_hold(Hold {
            reason: escaped(reason.as_bytes(), REASON_MAX - '…'.len_utf8()),
            ..Hold::new(account, Origin::Manual, now, end)
        });
        true
    }

    /// Lets an account send again, by the operator's word: what was counted of it is forgotten. Whether it was held.
    pub fn release(&mut self, account: &str) -> bool {
        let account: Box<str> = account.to_lowercase().into();
        let is_held = self.accounts.holds.remove(&account).is_some();
        if is_held {
            self.accounts.pardon(&account);
            self.decisions.push_back(Decision::Release {
                account,
                pardon: Pardon::Removed,
            });
        }
        is_held
    }

    /// The accounts that are held, by name.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.accounts.holds.iter()
    }

    /// The hold of an account.
    pub fn hold(&self, account: &str) -> Option<&Hold> {
        self.accounts.holds.get(account.to_lowercase().as_str())
    }

    /// What is remembered of an account.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.get(name)
    }

    /// All accounts that are remembered, and names that only failed to log in.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter()
    }

    /// Connections that accounts are logged in on.
    pub fn live_sessions(&self) -> impl Iterator<Item = &LiveSession> {
        self.accounts.live()
    }

    /// Takes over what was known of accounts before, and the holds in force. No decision follows.
    pub fn restore_accounts(&mut self, accounts: Vec<Account>, holds: Vec<Hold>) {
        self.accounts.restore(accounts, holds, self.subjects);
    }

    /// The accounts that have changed since this was last asked, to be stored.
    pub fn take_changed_accounts(&mut self) -> Vec<Account> {
        self.accounts.take_changed()
    }

    /// They could not be stored: they count as changed again.
    pub fn give_back_accounts(&mut self, accounts: &[Account]) {
        self.accounts.give_back(accounts);
    }

    fn put_hold(&mut self, hold: Hold) {
        self.accounts.holds.insert(hold.clone());
        self.decisions.push_back(Decision::Hold(hold));
    }

    /// Ends the holds that are over.
    pub(super) fn release_over(&mut self, now: SystemTime) {
        while let Some(hold) = self.accounts.holds.pop_over(now) {
            self.decisions.push_back(Decision::Release {
                account: hold.account,
                pardon: Pardon::Expired,
            });
        }
    }

    /// When the next hold is over.
    pub(super) fn next_release(&self) -> Option<SystemTime> {
        self.accounts.holds.next_end()
    }
}

/// Where an account is used from, in UTC.
fn report(account: &Account) -> Vec<String> {
    let stamp = |at: SystemTime| Timestamp::try_from(at).unwrap_or(Timestamp::MAX);
    let last = account.last_login;
    let date = stamp(last.map_or(account.last, |(_, at)| at)).strftime("%Y-%m-%d");
    let time = last.map(|(address, at)| (address, stamp(at).strftime("%H:%M:%S").to_string()));
    let addresses = account
        .addresses
        .iter()
        .map(|seen| (seen.address, seen.count));
    account::report(
        &date.to_string(),
        &account.name,
        addresses,
        time.as_ref()
            .map(|(address, time)| (*address, time.as_str())),
    )
}
