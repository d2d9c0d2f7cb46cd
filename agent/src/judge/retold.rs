//! One failure that several programs tell of: Postfix says that a login failed, Dovecot that it refused it, PAM that it was
//! asked; a filter rejects a message, and the mail server says so too. Whoever tells it first is counted, whichever log it
//! stands in.
//!
//! Each failure that counts may be told again once by each other program, within [`WITHIN`] and about the same account. So of
//! what several programs tell, the most that one of them told counts, and not the sum.

mod failures;

use std::{
    hash::{Hash, Hasher},
    net::IpAddr,
    num::NonZeroU16,
    time::{Duration, SystemTime},
};

use self::failures::{Failure, Failures, Teller};
use super::name::account_key;
use crate::{
    event::{Event, EventKind, Score},
    rule::{Moment, Tracked},
};

/// How far apart the tellings of one failure may be: auth delays its answer by two seconds, and clocks and queues differ.
const WITHIN: Duration = Duration::from_secs(3);
/// Most hosts whose failures are remembered; the one longest without a failure is forgotten.
pub(super) const HOSTS_MAX: usize = 8192;
/// How long a host is remembered: one log is read behind another.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Failures that may be told again.
#[derive(Debug)]
pub struct Retold {
    failures: Tracked<Key, Failures>,
    /// The programs that have told of any, each with its place as its number.
    tellers: Vec<&'static str>,
}

/// What an event is beside those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Telling {
    /// The first of its failure, or of something that only one program tells of.
    First,
    /// Another program's of a failure whose account was not known before.
    Account,
    /// Another program's.
    Again,
}

/// Failures that nobody told of before, and those whose account nobody did.
#[derive(Clone, Copy, Debug, Default)]
struct Untold {
    fresh: i16,
    named: i16,
    /// All that the event tells of.
    of: i16,
}

/// Of whom, and what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Key(IpAddr, What);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self(address, what) = *self;
        match address {
            IpAddr::V4(address) => {
                state.write_u64(u64::from(address.to_bits()) << 8 | what as u64);
            }
            IpAddr::V6(address) => {
                state.write_u128(address.to_bits() ^ (what as u128) << 64);
            }
        }
    }
}

/// What several programs may tell of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Login,
    Content,
}

impl Default for Retold {
    fn default() -> Self {
        Self::new()
    }
}

impl Retold {
    /// Nothing was told.
    pub fn new() -> Self {
        Self {
            failures: Tracked::new(HOSTS_MAX),
            tellers: Vec::new(),
        }
    }

    /// What an event weighs as far as it was not told before; `None` if all of it was. One that tells of several failures may
    /// be cut down.
    pub(super) fn untold(&mut self, event: &Event) -> Option<Score> {
        let Some(Untold { fresh, named, of }) = self.take_in(event) else {
            return Some(event.score);
        };
        // It says more than the first telling did: the rules that tell accounts apart know what to do with it.
        match fresh + named {
            0 => None,
            untold if untold == of => Some(event.score),
            untold => Some(event.kind.score().times(untold)),
        }
    }

    /// Takes an event in, for counts of another sort than the judge's.
    pub fn tell(&mut self, event: &Event) -> Telling {
        match self.take_in(event) {
            None => Telling::First,
            Some(Untold { fresh: 1.., .. }) => Telling::First,
            Some(Untold { named: 1.., .. }) => Telling::Account,
            Some(_) => Telling::Again,
        }
    }

    /// `None` for what only one program tells of.
    fn take_in(&mut self, event: &Event) -> Option<Untold> {
        let what = match event.kind {
            EventKind::AuthFailure | EventKind::AuthAborted => What::Login,
            EventKind::ContentRejected => What::Content,
            _ => return None,
        };
        let (true, Some(address)) = (event.is_offence(), event.address) else {
            return None;
        };
        let at = Moment::from(event.at);
        let account = match what {
            What::Login => event.account.as_deref().map(account_key),
            What::Content => None,
        };
        let teller = self.teller(event.told_by);
        let count = (event.score.as_tenths() / event.kind.score().as_tenths().max(1)).max(1);
        let mut untold = Untold {
            of: count,
            ..Untold::default()
        };
        let failure = Failure::new(at, account, teller);
        let mut is_new = false;
        let (failures, _) = self.failures.touch(Key(address, what), at, || {
            is_new = true;
            Failures::new(failure)
        });
        if is_new {
            untold.fresh = 1;
        }
        // What is long over need not be looked at one by one; and no program tells again of what it just told.
        let may_be_again = !is_new && at.since(failures.latest) <= WITHIN;
        for _ in untold.fresh..count {
            let again = match may_be_again {
                true => failures.again(at, teller, account),
                false => None,
            };
            match again {
                Some(failure) if failure.account.is_none() && account.is_some() => {
                    failure.account = account;
                    failure.add(teller);
                    untold.named += 1;
                }
                Some(failure) => failure.add(teller),
                None => {
                    untold.fresh += 1;
                    failures.push(failure);
                }
            }
        }
        Some(untold)
    }

    /// The number of a program: there are few.
    fn teller(&mut self, name: &'static str) -> Teller {
        let known = self.tellers.iter().position(|known| *known == name);
        let place = known.unwrap_or_else(|| {
            self.tellers.push(name);
            self.tellers.len() - 1
        });
        let number = u16::try_from(place + 1).unwrap_or(u16::MAX);
        Teller(NonZeroU16::new(number).unwrap_or(NonZeroU16::MAX))
    }

    /// Hosts that are remembered.
    pub(super) fn len(&self) -> usize {
        self.failures.len()
    }

    /// Forgets what can no longer be told again at `now`.
    pub fn forget_before(&mut self, now: SystemTime) {
        self.forget(Moment::from(now));
    }

    /// Forgets what can no longer be told again.
    pub(super) fn forget(&mut self, now: Moment) {
        while self.failures.pop_idle(now, REMEMBERED).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{HOSTS_MAX, REMEMBERED, Retold, Telling, failures::FAILURES_MAX};
    use crate::{
        event::{Event, EventKind, Service},
        rule::Moment,
    };

    /// Tenths of a second, who tells, and whose login failed; how many of them count, in all.
    #[track_caller]
    fn check(tellings: &[(u64, &'static str, &str)], expected: i16) {
        let mut retold = Retold::new();
        let counted: i16 = tellings
            .iter()
            .filter_map(|&(at, teller, account)| {
                let event = event(at, teller, account, 1);
                let untold = retold.untold(&event)?;
                Some(untold.as_tenths() / 10)
            })
            .sum();
        assert_eq!(counted, expected, "{tellings:?}");
    }

    fn event(at: u64, teller: &'static str, account: &str, times: i16) -> Event {
        let kind = EventKind::AuthFailure;
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + at * 100);
        Event {
            address: Some("203.0.113.7".parse().unwrap()),
            account: (!account.is_empty()).then(|| account.into()),
            score: kind.score().times(times),
            ..Event::new(at, kind, Service::Smtp, teller)
        }
    }

    #[test]
    fn one_failure_counts_once_whoever_tells_it() {
        check(&[(0, "dovecot", "joe"), (20, "postfix", "joe")], 1);
        check(&[(0, "postfix", ""), (1, "pam", "")], 1);
        check(
            &[
                (0, "pam", "joe"),
                (1, "dovecot", "JOE@x"),
                (20, "postfix", ""),
            ],
            1,
        );
    }

    #[test]
    fn of_several_the_most_that_one_told_counts() {
        // Interleaved, and one after the other.
        check(
            &[
                (0, "dovecot", "a"),
                (1, "dovecot", "b"),
                (2, "postfix", "a"),
                (3, "dovecot", "c"),
                (4, "postfix", "b"),
                (5, "postfix", "c"),
            ],
            3,
        );
        check(
            &[
                (0, "postfix", ""),
                (0, "postfix", ""),
                (1, "dovecot", ""),
                (1, "dovecot", ""),
                (2, "dovecot", ""),
            ],
            3,
        );
        // At a steady pace, without an edge between windows.
        let steady: Vec<_> = (0..50)
            .flat_map(|n| [(n * 25, "dovecot", ""), (n * 25 + 20, "postfix", "")])
            .collect();
        check(&steady, 50);
    }

    #[test]
    fn what_is_apart_in_time_or_account_counts_twice() {
        check(&[(0, "dovecot", "joe"), (31, "postfix", "joe")], 2);
        check(&[(0, "dovecot", "joe"), (1, "postfix", "ann")], 2);
        check(&[(0, "dovecot", "joe"), (1, "dovecot", "joe")], 2);
    }

    #[test]
    fn an_account_that_comes_second_is_not_lost() {
        check(&[(0, "postfix", ""), (1, "dovecot", "joe")], 2);
        check(
            &[(0, "postfix", ""), (1, "dovecot", "joe"), (2, "pam", "joe")],
            2,
        );
    }

    #[test]
    fn a_count_of_failures_is_one_of_each_and_learns_its_account() {
        let mut retold = Retold::new();
        let tellings = [
            (0, "postfix", ""),
            (1, "dovecot", "joe"),
            (2, "pam", "joe"),
            (3, "postfix", "ann"),
            (4, "dovecot", "ann"),
        ];
        let told: Vec<Telling> = tellings
            .iter()
            .map(|&(at, teller, account)| retold.tell(&event(at, teller, account, 1)))
            .collect();
        let (first, again) = (Telling::First, Telling::Again);
        assert_eq!(told, [first, Telling::Account, again, first, again]);
    }

    #[test]
    fn a_line_that_tells_of_several_is_cut_down() {
        let mut retold = Retold::new();
        for at in 0..2 {
            assert!(retold.untold(&event(at, "pam", "joe", 1)).is_some());
        }
        let summary = event(5, "dovecot", "joe", 5);
        assert_eq!(retold.untold(&summary).unwrap().as_tenths(), 30);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let mut retold = Retold::new();
        for n in 0..20_000_u32 {
            let mut event = event(0, "pam", "joe", 100);
            event.address = Some(std::net::Ipv4Addr::from(n).into());
            retold.untold(&event);
        }
        assert_eq!(retold.failures.len(), HOSTS_MAX);
        let most = event(0, "pam", "joe", 100);
        retold.untold(&most);
        let key = super::Key(most.address.unwrap(), super::What::Login);
        assert_eq!(
            retold.failures.get(&key).unwrap().older.len() + 1,
            FAILURES_MAX
        );
        retold.forget(Moment::from(most.at + REMEMBERED));
        assert_eq!(retold.failures.len(), 0);
    }
}
