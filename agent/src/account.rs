//! What is remembered of an account: how much it sends on which day, and from where. Plain data.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::event::{EventKind, Service, SessionId};

/// Days that a mean is taken of.
pub const BASELINE_DAYS: i64 = 30;
/// Days that an account must have been known before its mean says anything.
pub const BASELINE_DAYS_MIN: i64 = 7;
/// Most days that are kept of an account: those of the mean, and today.
pub const DAYS_MAX: usize = BASELINE_DAYS as usize + 1;
/// Most addresses that are kept of an account; the one longest without a login is forgotten.
pub const ADDRESSES_MAX: usize = 64;
/// How long an address is kept after its last login.
pub const ADDRESS_KEPT: Duration = Duration::from_secs(86_400);

/// One account.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Its name in lower case, escaped.
    pub name: Arc<str>,
    /// When it was first heard of.
    pub first: SystemTime,
    /// When it was last heard of.
    pub last: SystemTime,
    /// What it did on which day, oldest first: at most [`DAYS_MAX`], none without anything.
    pub days: VecDeque<Day>,
    /// Where its users logged in from lately, oldest login first: at most [`ADDRESSES_MAX`].
    pub addresses: Vec<Seen>,
    /// Where the last login came from, and when.
    pub last_login: Option<(IpAddr, SystemTime)>,
}

/// What an account did on a day.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Day {
    /// Days since 1970, in UTC.
    pub number: i64,
    /// Messages accepted from it.
    pub messages: u64,
    /// Their recipients; a message of which they are not known has one.
    pub recipients: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Logins.
    pub logins: u64,
    /// Failed logins.
    pub failures: u64,
    /// Recipients of its messages that do not exist.
    pub bounces: u64,
}

/// An address that an account's user logged in from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seen {
    /// The address.
    pub address: IpAddr,
    /// How many times.
    pub count: u32,
    /// When last.
    pub last: SystemTime,
}

/// A connection that an account is logged in on, as far as logs tell: its end may not have been told.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveSession {
    /// Which one.
    pub session: SessionId,
    /// The account.
    pub account: Arc<str>,
    /// The client.
    pub address: Option<IpAddr>,
    /// Its port, where the log tells.
    pub port: Option<u16>,
    /// What is spoken.
    pub service: Service,
    /// Since when.
    pub since: SystemTime,
    /// Messages accepted on it.
    pub messages: u32,
}

impl Account {
    /// One that nothing is known of before `at`.
    pub fn new(name: Arc<str>, at: SystemTime) -> Self {
        Self {
            name,
            first: at,
            last: at,
            days: VecDeque::new(),
            addresses: Vec::new(),
            last_login: None,
        }
    }

    /// One of another name that nothing is known of, in the memory of this one.
    pub(crate) fn renewed(self, name: Arc<str>, at: SystemTime) -> Self {
        let Self {
            mut days,
            mut addresses,
            ..
        } = self;
        days.clear();
        addresses.clear();
        Self {
            days,
            addresses,
            ..Self::new(name, at)
        }
    }

    /// The day of that number.
    pub fn day(&self, number: i64) -> Option<&Day> {
        self.days.iter().rev().find(|day| day.number == number)
    }

    /// The day of that number, for changes; `None` for one so long ago that it is not kept.
    pub fn day_mut(&mut self, number: i64) -> Option<&mut Day> {
        let is_it = |day: &Day| day.number == number;
        if self.days.back().is_some_and(is_it) {
            return self.days.back_mut();
        }
        let place = self.days.partition_point(|day| day.number < number);
        if self.days.get(place).is_none_or(|day| day.number != number) {
            if place == 0 && self.days.len() >= DAYS_MAX {
                return None;
            }
            let fresh = Day {
                number,
                ..Day::default()
            };
            if self.days.is_empty() {
                // Of most names nothing is known but one day.
                self.days.reserve_exact(1);
            }
            self.days.insert(place, fresh);
        }
        let newest = self.days.back().map_or(number, |day| day.number);
        self.days.retain(|day| day.number >= newest - BASELINE_DAYS);
        self.days.iter_mut().rev().find(|day| day.number == number)
    }

    /// For how many whole days before the one of that number it is known, at most [`BASELINE_DAYS`].
    pub fn days_known(&self, number: i64) -> i64 {
        (number - day_number(self.first)).clamp(0, BASELINE_DAYS)
    }

    /// The days of the mean before the one of that number.
    pub fn days_before(&self, number: i64) -> impl Iterator<Item = &Day> {
        self.days
            .iter()
            .filter(move |day| (number - BASELINE_DAYS..number).contains(&day.number))
    }

    /// A login from `address`.
    pub fn note_login(&mut self, address: IpAddr, at: SystemTime) {
        let known = self
            .addresses
            .iter()
            .rposition(|seen| seen.address == address);
        let mut seen = match known {
            Some(place) => self.addresses.remove(place),
            None => Seen {
                address,
                count: 0,
                last: at,
            },
        };
        seen.count = seen.count.saturating_add(1);
        seen.last = seen.last.max(at);
        self.addresses.push(seen);
        // Mostly the oldest one still counts.
        if self.addresses.len() > ADDRESSES_MAX || !self.addresses[0].is_kept(at) {
            self.forget_addresses(at);
        }
        if self.last_login.is_none_or(|(_, last)| last <= at) {
            self.last_login = Some((address, at));
        }
    }

    /// Forgets addresses without a login for [`ADDRESS_KEPT`], and those that are too many.
    pub fn forget_addresses(&mut self, now: SystemTime) {
        self.addresses.retain(|seen| seen.is_kept(now));
        let excess = self.addresses.len().saturating_sub(ADDRESSES_MAX);
        self.addresses.drain(..excess);
    }
}

impl Seen {
    fn is_kept(&self, now: SystemTime) -> bool {
        now.duration_since(self.last).unwrap_or_default() < ADDRESS_KEPT
    }
}

impl Day {
    /// What it holds of such events.
    pub fn count(&self, kind: EventKind) -> u64 {
        match kind {
            EventKind::MailAccepted => self.messages,
            EventKind::AuthSuccess => self.logins,
            EventKind::AuthFailure => self.failures,
            EventKind::BounceOut => self.bounces,
            _ => 0,
        }
    }
}

/// What an account's addresses did, a line each, in the shape that the administrators of Exim report botnets in: the day and the
/// account with the number of its addresses, each address with its logins, and the last one.
pub fn report(
    date: &str,
    name: &str,
    addresses: impl IntoIterator<Item = (IpAddr, u32)>,
    last: Option<(IpAddr, &str)>,
) -> Vec<String> {
    let mut lines: Vec<String> = addresses
        .into_iter()
        .map(|(address, count)| format!("  {address} => {count}"))
        .collect();
    lines.sort();
    lines.insert(0, format!("{date} -> mailbox {name}: ({})", lines.len()));
    lines.extend(
        last.map(|(address, time)| format!("    Last connection from {address} at {time}")),
    );
    lines
}

/// The number of the day (UTC) that `at` lies in, since 1970.
pub fn day_number(at: SystemTime) -> i64 {
    let seconds = match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    };
    seconds.div_euclid(86_400)
}

/// When the day of that number begins.
pub fn day_start(number: i64) -> SystemTime {
    let days = u64::try_from(number).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(days.saturating_mul(86_400).min(1 << 40))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{ADDRESSES_MAX, Account, DAYS_MAX, day_number, day_start};

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * days + DAY / 2
    }

    #[test]
    fn days_are_bounded_and_the_oldest_go_first() {
        let mut account = Account::new("joe".into(), at(100));
        for day in 100..200 {
            account.day_mut(day).unwrap().messages += 1;
        }
        assert_eq!(account.days.len(), DAYS_MAX);
        assert_eq!(account.days[0].number, 169);
        assert_eq!(account.day_mut(100), None);
        assert_eq!(account.days_before(199).count(), 30);
        assert_eq!(account.days_known(199), 30);
        assert_eq!(account.days_known(103), 3);
        assert_eq!(account.days_known(90), 0);
        // After a pause nothing of before counts.
        account.day_mut(300).unwrap().messages += 1;
        assert_eq!(account.days.len(), 1);
    }

    #[test]
    fn a_day_told_of_late_finds_its_place() {
        let mut account = Account::new("joe".into(), at(100));
        account.day_mut(102).unwrap().messages = 2;
        account.day_mut(101).unwrap().messages = 1;
        let numbers: Vec<i64> = account.days.iter().map(|day| day.number).collect();
        assert_eq!(numbers, [101, 102]);
        assert_eq!(account.day(101).unwrap().messages, 1);
        assert_eq!(account.day(103), None);
    }

    #[test]
    fn addresses_are_bounded_and_forgotten_after_a_day() {
        let mut account = Account::new("joe".into(), at(100));
        for n in 0..200_u32 {
            let address = std::net::Ipv4Addr::from(0xcb00_7100 + n).into();
            account.note_login(address, at(100) + Duration::from_secs(n.into()));
        }
        assert_eq!(account.addresses.len(), ADDRESSES_MAX);
        let last = account.last_login.unwrap().0;
        account.note_login(last, at(100) + Duration::from_secs(300));
        assert_eq!(account.addresses.last().unwrap().count, 2);
        account.forget_addresses(at(102));
        assert_eq!(account.addresses, []);
        assert!(account.last_login.is_some());
    }

    #[test]
    fn days_are_those_of_utc() {
        assert_eq!(day_number(at(15_918)), 15_918);
        assert_eq!(day_number(day_start(15_918)), 15_918);
        assert_eq!(
            day_number(SystemTime::UNIX_EPOCH - Duration::from_secs(1)),
            -1
        );
    }
}
