//! What follows when a rule's limit is reached.

use std::time::{Duration, SystemTime};

use crate::ban::End;

/// The longest delay that the filter enforces, or that an answer may wait: what is longer is a ban.
pub const DELAY_MAX: Duration = Duration::from_secs(3_600);

/// What follows a breach: at least one of ban, delay, hold and notice.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Then {
    /// A ban of whom it was counted for.
    pub ban: Option<Penalty>,
    /// Of an IPv6 host the network of this length around it is banned, where that is wider: 48 to 128.
    pub ipv6_prefix: Option<u8>,
    /// A delay that grows with each further event; never together with a ban.
    pub delay: Option<Delay>,
    /// The live connections of whom it is about end, too.
    pub kick: bool,
    /// The account that it was counted for may not send.
    pub hold: Option<Length>,
    /// People are told.
    pub notify: bool,
}

impl Then {
    /// A ban, and nothing beside it.
    pub const fn ban(penalty: Penalty) -> Self {
        Self {
            ban: Some(penalty),
            ipv6_prefix: None,
            delay: None,
            kick: false,
            hold: None,
            notify: false,
        }
    }
}

/// How a rule is applied.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Mode {
    /// What it says is done.
    #[default]
    Enforce,
    /// What it says is only told and counted.
    Observe,
}

impl Mode {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Enforce, Self::Observe];

    /// Name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

/// How long something lasts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Length {
    /// So long.
    For(Duration),
    /// Until an operator ends it.
    UntilRemoved,
}

impl Length {
    /// How long, if it ends by itself.
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::For(duration) => Some(duration),
            Self::UntilRemoved => None,
        }
    }

    /// When what begins at `at` is over.
    pub fn end(self, at: SystemTime) -> End {
        match self {
            Self::For(duration) => End::At(at.checked_add(duration).unwrap_or(at)),
            Self::UntilRemoved => End::Never,
        }
    }
}

/// How long bans are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Penalty {
    /// Length of the first. What lasts until it is removed has no further ones.
    pub first: Length,
    /// Each further one is this many times longer; at least 1.
    pub factor: u32,
    /// Longest of those that end.
    pub at_most: Duration,
    /// One step of the escalation is forgotten for each of these times without a ban.
    pub forget_after: Duration,
}

impl Penalty {
    /// Length of a ban that comes after `level` earlier ones.
    pub fn length(&self, level: u8) -> Length {
        let Length::For(first) = self.first else {
            return Length::UntilRemoved;
        };
        let mut length = first.min(self.at_most);
        for _ in 0..level {
            if length >= self.at_most || self.factor <= 1 {
                break;
            }
            length = length.saturating_mul(self.factor).min(self.at_most);
        }
        Length::For(length)
    }
}

/// How much slower a host is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Delay {
    /// The n-th event is delayed by this times `n` less the limit.
    pub step: Duration,
    /// The longest; at most [`DELAY_MAX`].
    pub at_most: Duration,
    /// Who delays.
    pub by: DelayBy,
}

impl Delay {
    /// The delay of the `count`-th event where `limit` of them are without one.
    pub fn length(&self, count: u32, limit: u32) -> Duration {
        self.step
            .saturating_mul(count.saturating_sub(limit))
            .min(self.at_most)
    }

    /// Events past the limit that make it longer: with more of them it is at its longest.
    pub(crate) fn steps(&self) -> u32 {
        let steps = self.at_most.as_secs().div_ceil(self.step.as_secs().max(1));
        u32::try_from(steps).unwrap_or(u32::MAX)
    }
}

/// Who delays.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DelayBy {
    /// The filter: the next connection is refused until the delay is over.
    Filter,
    /// The mail server, which asks the policy service: the session goes on more slowly.
    Policy,
}

impl DelayBy {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Filter, Self::Policy];

    /// Name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Policy => "policy",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Delay, DelayBy, Length, Penalty};

    fn minutes(m: u64) -> Duration {
        Duration::from_secs(60 * m)
    }

    #[test]
    fn a_ban_grows_by_its_factor_up_to_its_cap() {
        let penalty = Penalty {
            first: Length::For(minutes(10)),
            factor: 4,
            at_most: minutes(7 * 1440),
            forget_after: minutes(30 * 1440),
        };
        let length = |level| penalty.length(level).duration().unwrap();
        let lengths: Vec<u64> = (0..7).map(|level| length(level).as_secs() / 60).collect();
        assert_eq!(lengths, [10, 40, 160, 640, 2560, 10_080, 10_080]);
        assert_eq!(length(255), minutes(7 * 1440));
        let permanent = Penalty {
            first: Length::UntilRemoved,
            ..penalty
        };
        assert_eq!(permanent.length(3), Length::UntilRemoved);
    }

    #[test]
    fn a_delay_grows_by_its_step_with_each_event_past_the_limit() {
        let delay = Delay {
            step: Duration::from_secs(5),
            at_most: Duration::from_secs(12),
            by: DelayBy::Filter,
        };
        let lengths: Vec<u64> = (1..=6).map(|n| delay.length(n, 2).as_secs()).collect();
        assert_eq!(lengths, [0, 0, 5, 10, 12, 12]);
    }
}
