//! A point in kernel time.

/// Nanoseconds of `CLOCK_MONOTONIC`: the clock the filter compares ends with. It stands still in suspend and does not know
/// of wall-clock changes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct KernelInstant(u64);

impl KernelInstant {
    /// The end of what has no end.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `ns` nanoseconds after the clock's start.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the clock's start.
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// Whether something that ends at `self` is over at `now`.
    pub const fn is_over_at(self, now: Self) -> bool {
        self.0 <= now.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_over_when_it_is_reached_and_never_never() {
        let end = KernelInstant::from_ns(7);
        assert!(!end.is_over_at(KernelInstant::from_ns(6)));
        assert!(end.is_over_at(end));
        assert!(!KernelInstant::NEVER.is_over_at(KernelInstant::from_ns(u64::MAX - 1)));
    }
}
