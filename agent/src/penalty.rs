//! What is remembered of a ban that is over, so that the next one of the same net is longer. Plain data.

use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use crate::ban::{Ban, End, Origin, Sort};

/// Most nets whose earlier bans are remembered; when there are more, the one banned longest ago is forgotten.
pub const PAST_BANS_MAX: usize = 1 << 18;

/// What is remembered of the bans of a net.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PastBan {
    /// Whose.
    pub net: IpNet,
    /// How many bans it had: the level of the next one, if that came before any is forgotten.
    pub level: u8,
    /// When the last one ended, or is to end.
    pub last: SystemTime,
}

impl PastBan {
    /// What is to be remembered of a ban; `None` for one that an operator wants and for a delay, which are no steps of an escalation.
    pub fn of(ban: &Ban) -> Option<Self> {
        if ban.sort == Sort::Delay {
            return None;
        }
        match ban.origin {
            Origin::Manual | Origin::List(_) | Origin::Breaker => None,
            Origin::Rule(_) | Origin::Kernel => Some(Self {
                net: ban.net,
                level: ban.level.saturating_add(1),
                last: match ban.end {
                    End::At(end) => end,
                    End::Never => ban.since,
                },
            }),
        }
    }

    /// The level that is left at `at`, when one is forgotten for each `forget_after` since the last ban ended.
    pub fn level_at(&self, at: SystemTime, forget_after: Duration) -> u8 {
        let clean = at.duration_since(self.last).unwrap_or_default();
        let forgotten = clean.as_secs() / forget_after.as_secs().max(1);
        self.level
            .saturating_sub(u8::try_from(forgotten).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::PastBan;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn one_level_is_forgotten_for_each_clean_month() {
        let day = |n: u32| SystemTime::UNIX_EPOCH + DAY * n;
        let past = PastBan {
            net: "203.0.113.7/32".parse().unwrap(),
            level: 3,
            last: day(100),
        };
        let levels = [50, 100, 129, 130, 160, 190, 9999];
        assert_eq!(
            levels.map(|on| past.level_at(day(on), DAY * 30)),
            [3, 3, 3, 2, 1, 0, 0]
        );
    }
}
