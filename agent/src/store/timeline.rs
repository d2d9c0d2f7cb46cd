//! The time of the database. Within one boot of the host it goes with the kernel's clock, so that setting the wall clock moves
//! no ban; from one boot to the next it goes on with the wall clock, the only one that has not stood still. Where that has
//! gone back (a host without a battery), it goes on where it was.

use std::time::{Duration, SystemTime};

use crate::{
    ban::End,
    clock::{Clock, boot_id},
};

/// A moment by all clocks.
#[derive(Clone, Debug)]
pub(super) struct Now {
    /// Which boot the kernel's clock counts from; `None` if the host does not say.
    pub(super) boot: Option<String>,
    /// The agent's steady clock.
    pub(super) steady: SystemTime,
    /// Milliseconds of the kernel's clock.
    pub(super) kernel_ms: i64,
    /// Milliseconds of the wall clock since 1970.
    pub(super) wall_ms: i64,
}

impl Now {
    pub(super) fn of(clock: &Clock) -> Self {
        let steady = clock.now();
        let kernel_ns = clock.kernel_end(End::At(steady)).as_ns();
        Self {
            boot: boot_id(),
            steady,
            kernel_ms: i64::try_from(kernel_ns / 1_000_000).unwrap_or(i64::MAX),
            wall_ms: signed_ms(clock.wall(steady), SystemTime::UNIX_EPOCH),
        }
    }
}

/// What ties the database's time to the clocks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Timeline {
    /// The boot that `zero_ms` holds for.
    pub(super) boot: Option<String>,
    /// The database's time when the kernel's clock was zero.
    pub(super) zero_ms: i64,
    /// How far the wall clock is ahead of the database's time.
    pub(super) ahead_ms: i64,
}

impl Timeline {
    /// One that agrees with the wall clock now.
    pub(super) fn begin(now: &Now) -> Self {
        Self {
            boot: now.boot.clone(),
            zero_ms: now.wall_ms.saturating_sub(now.kernel_ms),
            ahead_ms: 0,
        }
    }

    /// Goes on with one that was last used at `last_ms`.
    pub(super) fn resumed(&self, last_ms: i64, now: &Now) -> Self {
        if self.boot.is_some() && self.boot == now.boot {
            return self.renewed(now);
        }
        let now_ms = now.wall_ms.saturating_sub(self.ahead_ms).max(last_ms);
        Self {
            boot: now.boot.clone(),
            zero_ms: now_ms.saturating_sub(now.kernel_ms),
            ahead_ms: self.ahead_ms,
        }
        .renewed(now)
    }

    /// With what the wall clock shows now.
    pub(super) fn renewed(&self, now: &Now) -> Self {
        Self {
            ahead_ms: now.wall_ms.saturating_sub(self.now_ms(now)),
            ..self.clone()
        }
    }

    pub(super) fn now_ms(&self, now: &Now) -> i64 {
        self.zero_ms.saturating_add(now.kernel_ms)
    }

    /// The database's time of a steady time.
    pub(super) fn ms(&self, at: SystemTime, now: &Now) -> i64 {
        self.now_ms(now).saturating_add(signed_ms(at, now.steady))
    }

    /// The steady time of a database's time; what no clock can show is now.
    pub(super) fn steady(&self, ms: i64, now: &Now) -> SystemTime {
        let ahead_ms = ms.saturating_sub(self.now_ms(now));
        let distance = Duration::from_millis(ahead_ms.unsigned_abs());
        let steady = if ahead_ms < 0 {
            now.steady.checked_sub(distance)
        } else {
            now.steady.checked_add(distance)
        };
        steady.unwrap_or(now.steady)
    }
}

/// Milliseconds from `from` to `at`, rounded to the nearest, as it is made back into a time.
fn signed_ms(at: SystemTime, from: SystemTime) -> i64 {
    let ms = |duration: Duration| {
        let half = Duration::from_micros(500);
        i64::try_from(duration.saturating_add(half).as_millis()).unwrap_or(i64::MAX)
    };
    match at.duration_since(from) {
        Ok(ahead) => ms(ahead),
        Err(behind) => -ms(behind.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_changed_wall_clock_moves_nothing_within_a_boot() {
        let before = now("a", 5 * HOUR, 1000 * HOUR);
        let timeline = Timeline::begin(&before);
        let end_ms = timeline.ms(before.steady + ms(2 * HOUR), &before);
        assert_eq!(end_ms, 1002 * HOUR);
        // An hour later, but the clock was set back by a day.
        let after = now("a", 6 * HOUR, 977 * HOUR);
        let timeline = timeline.resumed(timeline.now_ms(&before), &after);
        assert_eq!(timeline.steady(end_ms, &after), after.steady + ms(HOUR));
        // And what was known of that goes into the next boot.
        let rebooted = now("b", 0, 977 * HOUR + HOUR / 2);
        let timeline = timeline.resumed(timeline.now_ms(&after), &rebooted);
        assert_eq!(
            timeline.steady(end_ms, &rebooted),
            rebooted.steady + ms(HOUR / 2)
        );
    }

    #[test]
    fn the_wall_clock_counts_over_a_reboot() {
        let before = now("a", 5 * HOUR, 1000 * HOUR);
        let timeline = Timeline::begin(&before);
        let end_ms = timeline.ms(before.steady + ms(2 * HOUR), &before);
        let after = now("b", 0, 1001 * HOUR);
        let timeline = timeline.resumed(timeline.now_ms(&before), &after);
        assert_eq!(timeline.steady(end_ms, &after), after.steady + ms(HOUR));
        assert_eq!(timeline.boot, after.boot);
    }

    #[test]
    fn a_clock_that_forgot_the_time_makes_no_ban_longer() {
        let before = now("a", 5 * HOUR, 1000 * HOUR);
        let timeline = Timeline::begin(&before);
        let end_ms = timeline.ms(before.steady + ms(2 * HOUR), &before);
        let after = now("b", 0, HOUR);
        let resumed = timeline.resumed(timeline.now_ms(&before), &after);
        assert_eq!(resumed.steady(end_ms, &after), after.steady + ms(2 * HOUR));
        // The clock is set, and the host boots again: now it is over.
        let set = now("b", 1000, 1001 * HOUR);
        let resumed = resumed.renewed(&set);
        let after = now("c", 0, 1004 * HOUR);
        let resumed = resumed.resumed(resumed.now_ms(&set), &after);
        assert!(resumed.steady(end_ms, &after) < after.steady);
    }

    #[test]
    fn a_host_that_names_no_boot_is_always_another() {
        let mut before = now("", 5 * HOUR, 1000 * HOUR);
        before.boot = None;
        let timeline = Timeline::begin(&before);
        let mut after = now("", 0, 1001 * HOUR);
        after.boot = None;
        let resumed = timeline.resumed(timeline.now_ms(&before), &after);
        assert_eq!(resumed.now_ms(&after), 1001 * HOUR);
    }

    fn now(boot: &str, kernel_ms: i64, wall_ms: i64) -> Now {
        Now {
            boot: Some(boot.to_owned()),
            // Each run of the agent has a steady clock of its own.
            steady: SystemTime::UNIX_EPOCH + ms(wall_ms),
            kernel_ms,
            wall_ms,
        }
    }

    fn ms(ms: i64) -> Duration {
        Duration::from_millis(ms.unsigned_abs())
    }
}
