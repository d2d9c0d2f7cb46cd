//! A time of the judge at half the size of a `SystemTime`: rules remember many.

use std::time::{Duration, SystemTime};

use super::MOMENT;

/// [`MOMENT`] in milliseconds.
const MOMENT_MS: i64 = MOMENT.as_secs().cast_signed() * 1_000;

/// Milliseconds since 1970; what lies further off than 292 million years is clamped.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(i64);

impl Moment {
    /// How long after `earlier`; zero when it is not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same in milliseconds.
    pub(crate) fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// How far apart the two are.
    pub(crate) fn apart(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// Number of the [`MOMENT`] that it lies in.
    pub(crate) fn number(self) -> u64 {
        self.slot(MOMENT_MS).cast_unsigned()
    }

    /// Number of the slot of so many milliseconds, at least one, that it lies in.
    pub(crate) fn slot(self, length_ms: i64) -> i64 {
        self.0.div_euclid(length_ms)
    }
}

/// A length of time in milliseconds, rounded up: what is at least as long in whole milliseconds is at least as long.
pub(crate) fn whole_millis(length: Duration) -> u64 {
    let millis = u64::from(length.subsec_nanos().div_ceil(1_000_000));
    length
        .as_secs()
        .saturating_mul(1_000)
        .saturating_add(millis)
}

impl From<SystemTime> for Moment {
    #[inline]
    fn from(time: SystemTime) -> Self {
        let millis = |d: Duration| {
            let whole = i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
            whole
                .saturating_mul(1_000)
                .saturating_add(i64::from(d.subsec_millis()))
        };
        Self(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => millis(after),
            Err(before) => -millis(before.duration()),
        })
    }
}
