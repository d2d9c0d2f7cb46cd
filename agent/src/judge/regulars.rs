//! The regulars: hosts that did well for longer than any rule looks back. It is remembered by the day, and outlives the agent.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;

use super::pulse::Health;
use crate::{
    regular::{DAYS_REMEMBERED, REGULARS_MAX, Regular, SpareSettings},
    rule::{Moment, NetKey, Tracked},
};

const DAY: Duration = Duration::from_secs(86_400);
const DAY_MS: i64 = 86_400_000;
/// Today, and the days before it that are remembered.
const BITS: u32 = (1 << DAYS_REMEMBERED) | ((1 << DAYS_REMEMBERED) - 1);

/// Hosts that did well, and the networks around them.
#[derive(Debug)]
pub(super) struct Regulars {
    known: Tracked<NetKey, Known>,
    /// Those whose days have changed since they were last asked for; no more than are known.
    changed: BTreeSet<IpNet>,
    settings: SpareSettings,
}

/// What is known of one of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Number of the day that the lowest bits stand for.
    day: i64,
    last: SystemTime,
    mail: u32,
    logins: u32,
    /// How it fares at present.
    pub(super) health: Health,
}

/// What a host did well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Good {
    Mail,
    Login,
}

/// What counts in favour of a host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Merit {
    /// Mail and logins.
    Any,
    /// Logins alone: that a server delivers mail says nothing about who tries passwords from it.
    Logins,
}

impl Regulars {
    pub(super) fn new(settings: SpareSettings) -> Self {
        Self {
            known: Tracked::new(REGULARS_MAX),
            changed: BTreeSet::new(),
            settings,
        }
    }

    pub(super) fn configure(&mut self, settings: SpareSettings) {
        self.settings = settings;
    }

    /// It did well. Whether that is the first time on this day.
    pub(super) fn note(&mut self, net: IpNet, good: Good, at: SystemTime) -> bool {
        let moment = Moment::from(at);
        let day = moment.slot(DAY_MS);
        if let Some(known) = self.known.get_mut(&NetKey(net))
            && known.day >= day
        {
            let bit = u32::try_from(known.day - day).map_or(0, bit);
            let days = known.days(good);
            if *days & bit == bit {
                return false;
            }
            *days |= bit;
        } else {
            let (known, displaced) = self
                .known
                .touch(NetKey(net), moment, || Known::new(day, at));
            known.move_to(day, at);
            *known.days(good) |= 1;
            if displaced.is_some() && self.changed.len() >= REGULARS_MAX {
                self.changed.pop_first();
            }
        }
        self.changed.insert(net);
        true
    }

    /// Whether it did well on enough of the days before that of `at`.
    pub(super) fn is_regular(&self, net: IpNet, merit: Merit, at: SystemTime) -> bool {
        self.known
            .get(&NetKey(net))
            .is_some_and(|known| known.is_regular(merit, at, self.settings))
    }

    /// What is known of a regular.
    pub(super) fn regular_mut(&mut self, net: IpNet, at: SystemTime) -> Option<&mut Known> {
        let settings = self.settings;
        self.known
            .get_mut(&NetKey(net))
            .filter(|known| known.is_regular(Merit::Any, at, settings))
    }

    /// Whether it did anything well on a day before that of `at`.
    pub(super) fn is_known(&self, net: IpNet, at: SystemTime) -> bool {
        let any = SpareSettings {
            days: 1,
            ..self.settings
        };
        self.known
            .get(&NetKey(net))
            .is_some_and(|known| known.is_regular(Merit::Any, at, any))
    }

    /// Takes over what was remembered before.
    pub(super) fn restore(&mut self, mut regulars: Vec<Regular>) {
        regulars.sort_by_key(|regular| (regular.last, regular.net));
        for regular in regulars {
            let at = Moment::from(regular.last);
            let (known, _) = self.known.touch(NetKey(regular.net), at, || {
                Known::new(at.slot(DAY_MS), regular.last)
            });
            known.mail |= regular.mail & BITS;
            known.logins |= regular.logins & BITS;
        }
    }

    /// Those whose days have changed since this was asked last, in the order of their nets.
    pub(super) fn take_changed(&mut self) -> Vec<Regular> {
        let changed = std::mem::take(&mut self.changed);
        let known = |net: IpNet| {
            let known = self.known.get(&NetKey(net))?;
            Some(Regular {
                net,
                last: known.last,
                mail: known.mail,
                logins: known.logins,
            })
        };
        changed.into_iter().filter_map(known).collect()
    }

    /// The days of these count as changed again.
    pub(super) fn give_back(&mut self, regulars: &[Regular]) {
        let known = regulars.iter().map(|regular| regular.net);
        let known = known.filter(|net| self.known.get(&NetKey(*net)).is_some());
        self.changed.extend(known);
    }

    /// How many are to be stored.
    pub(super) fn changed(&self) -> usize {
        self.changed.len()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Forgets those that did nothing well for too long.
    pub(super) fn forget(&mut self, now: Moment) {
        while self
            .known
            .pop_idle(now, DAY * (DAYS_REMEMBERED + 1))
            .is_some()
        {}
    }
}

impl Known {
    fn new(day: i64, last: SystemTime) -> Self {
        Self {
            day,
            last,
            mail: 0,
            logins: 0,
            health: Health::default(),
        }
    }

    fn days(&mut self, good: Good) -> &mut u32 {
        match good {
            Good::Mail => &mut self.mail,
            Good::Login => &mut self.logins,
        }
    }

    fn move_to(&mut self, day: i64, at: SystemTime) {
        let ahead = u32::try_from(day - self.day).unwrap_or(0);
        for days in [&mut self.mail, &mut self.logins] {
            *days = days.checked_shl(ahead).unwrap_or(0) & BITS;
        }
        self.day = day.max(self.day);
        self.last = at.max(self.last);
    }

    fn is_regular(&self, merit: Merit, at: SystemTime, settings: SpareSettings) -> bool {
        let days = match merit {
            Merit::Any => self.mail | self.logins,
            Merit::Logins => self.logins,
        };
        // What is out of memory by `at`, and the day of `at` itself, do not count.
        let today = Moment::from(at).slot(DAY_MS);
        let age = today.saturating_sub(self.day);
        let before = match u32::try_from(age) {
            Ok(ahead) => days.checked_shl(ahead).unwrap_or(0) & BITS & !1,
            // Of an event in the past: what came after it counts, too.
            Err(_) => days,
        };
        settings.days > 0 && before.count_ones() >= u32::from(settings.days)
    }
}

/// The bit of a day so many days ago; none for one that is out of memory.
fn bit(days_ago: u32) -> u32 {
    1_u32.checked_shl(days_ago).unwrap_or(0) & BITS
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use ipnet::IpNet;

    use super::{DAY, Good, Merit, Regulars};
    use crate::regular::{DAYS_REMEMBERED, REGULARS_MAX, SpareSettings};

    fn day(n: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * (1_000 + n) + Duration::from_secs(3_600)
    }

    fn net() -> IpNet {
        "203.0.113.7/32".parse().unwrap()
    }

    fn regulars() -> Regulars {
        Regulars::new(SpareSettings::default())
    }

    #[test]
    fn two_days_before_today_make_a_regular_for_thirty_days() {
        let mut regulars = regulars();
        assert!(regulars.note(net(), Good::Mail, day(0)));
        assert!(!regulars.note(net(), Good::Mail, day(0)));
        regulars.note(net(), Good::Mail, day(3));
        let is = |regulars: &Regulars, n| regulars.is_regular(net(), Merit::Any, day(n));
        assert!(!is(&regulars, 3), "today does not count");
        assert!(is(&regulars, 4) && is(&regulars, DAYS_REMEMBERED));
        assert!(!is(&regulars, DAYS_REMEMBERED + 1));
        assert!(!regulars.is_regular(net(), Merit::Logins, day(4)));
        assert!(regulars.is_known(net(), day(20)));
    }

    #[test]
    fn what_changed_is_told_once_and_restored() {
        let mut before = regulars();
        before.note(net(), Good::Mail, day(0));
        before.note(net(), Good::Login, day(2));
        // A log that is read late.
        before.note(net(), Good::Login, day(1));
        let changed = before.take_changed();
        assert_eq!(
            (changed.len(), changed[0].mail, changed[0].logins),
            (1, 4, 3)
        );
        assert_eq!(before.take_changed(), []);
        before.give_back(&changed);
        assert_eq!(before.take_changed(), changed, "they were not stored");
        let mut after = regulars();
        after.restore(changed);
        assert!(after.is_regular(net(), Merit::Logins, day(3)));
        assert_eq!(after.take_changed(), []);
    }

    #[test]
    fn they_are_bounded_and_forgotten() {
        let mut regulars = regulars();
        for n in 0..200_000_u32 {
            let host = IpNet::from(std::net::IpAddr::from(std::net::Ipv4Addr::from(n)));
            regulars.note(host, Good::Mail, day(0));
        }
        assert_eq!(regulars.len(), REGULARS_MAX);
        assert!(regulars.take_changed().len() <= REGULARS_MAX);
        regulars.forget(super::Moment::from(day(40)));
        assert_eq!(regulars.len(), 0);
    }
}
