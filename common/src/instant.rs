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

/// A [`KernelInstant`] in 31 bits: steps of 2^27 ns (134 ms). It reaches 9 years from the clock's start.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct Ticks(u32);

impl Ticks {
    const SHIFT: u32 = 27;

    /// The end of what has no end.
    pub const NEVER: Self = Self(u32::MAX >> 1);

    /// The first step that is not before `instant`: a ban may last a step longer, never less. What is out of reach has no end.
    pub const fn not_before(instant: KernelInstant) -> Self {
        let steps = instant.0.div_ceil(1 << Self::SHIFT);
        if steps >= Self::NEVER.0 as u64 {
            return Self::NEVER;
        }
        Self(steps as u32)
    }

    /// When the step begins.
    #[inline(always)]
    pub const fn instant(self) -> KernelInstant {
        if self.0 == Self::NEVER.0 {
            return KernelInstant::NEVER;
        }
        KernelInstant((self.0 as u64) << Self::SHIFT)
    }

    /// From its bits; one more is left out.
    #[inline(always)]
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::NEVER.0)
    }

    /// Its bits.
    pub(crate) const fn bits(self) -> u32 {
        self.0
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

    #[test]
    fn a_step_is_never_early_and_at_most_one_step_late() {
        for ns in [0, 1, 1 << 27, (1 << 27) + 1, 123_456_789_012, 1 << 57] {
            let late = Ticks::not_before(KernelInstant::from_ns(ns))
                .instant()
                .as_ns()
                - ns;
            assert!(late < 1 << 27, "{ns}: {late}");
        }
    }

    #[test]
    fn what_is_out_of_reach_has_no_end() {
        for ns in [u64::MAX, u64::MAX - 1, u64::from(u32::MAX >> 1) << 27] {
            assert_eq!(Ticks::not_before(KernelInstant::from_ns(ns)), Ticks::NEVER);
        }
        assert_eq!(Ticks::NEVER.instant(), KernelInstant::NEVER);
    }
}
