//! The steady clock: wall time as it was when the agent started, carried on by `CLOCK_MONOTONIC`. Setting the host's clock
//! moves neither windows nor bans. Times of this clock are the `SystemTime`s of the judge; only what is shown to people and
//! what is stored for the time after a reboot is wall time.

use std::{
    fs,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use mailwall_common::KernelInstant;
use nix::time::{ClockId, clock_gettime};

use crate::ban::End;

/// The steady clock of one run of the agent.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall_at_start: SystemTime,
    kernel_at_start: Duration,
}

/// One moment, by both clocks: what comes in together is dated without asking them for each.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// By the steady clock.
    pub steady: SystemTime,
    /// By the wall clock.
    pub wall: SystemTime,
}

impl Now {
    /// The steady time of something that a log dates `wall`. What is dated in the future happened now.
    pub fn steady_of(&self, wall: SystemTime) -> SystemTime {
        self.steady - self.wall.duration_since(wall).unwrap_or_default()
    }
}

impl Clock {
    /// A clock that agrees with the wall clock now.
    pub fn start() -> Self {
        Self {
            wall_at_start: wall_now(),
            kernel_at_start: kernel_now(),
        }
    }

    /// The steady time.
    pub fn now(&self) -> SystemTime {
        self.wall_at_start + kernel_now().saturating_sub(self.kernel_at_start)
    }

    /// Both clocks.
    pub fn read(&self) -> Now {
        Now {
            steady: self.now(),
            wall: wall_now(),
        }
    }

    /// How long ago `wall` was, by the wall clock; zero for the future.
    pub fn age(&self, wall: SystemTime) -> Duration {
        wall_now().duration_since(wall).unwrap_or_default()
    }

    /// The steady end of what is to end at `wall`, by the wall clock.
    pub fn end_of_wall(&self, wall: SystemTime) -> SystemTime {
        match wall.duration_since(wall_now()) {
            Ok(ahead) => self.now() + ahead,
            Err(past) => self.now() - past.duration(),
        }
    }

    /// The wall time that a steady time is shown as now.
    pub fn wall(&self, steady: SystemTime) -> SystemTime {
        let now = self.now();
        match steady.duration_since(now) {
            Ok(ahead) => wall_now() + ahead,
            Err(past) => wall_now() - past.duration(),
        }
    }

    /// The kernel time of an end.
    pub fn kernel_end(&self, end: End) -> KernelInstant {
        match end {
            End::Never => KernelInstant::NEVER,
            End::At(at) => {
                let since_start = at.duration_since(self.wall_at_start).unwrap_or_default();
                KernelInstant::from_ns(saturating_ns(self.kernel_at_start + since_start))
            }
        }
    }

    /// The end that a kernel time stands for.
    pub fn end(&self, kernel: KernelInstant) -> End {
        if kernel == KernelInstant::NEVER {
            return End::Never;
        }
        let kernel = Duration::from_nanos(kernel.as_ns());
        End::At(match kernel.checked_sub(self.kernel_at_start) {
            Some(ahead) => self.wall_at_start + ahead,
            None => self.wall_at_start - (self.kernel_at_start - kernel),
        })
    }
}

/// Identifies this boot of the host: kernel times of another boot mean nothing. It is read once: no process outlives a boot.
pub fn boot_id() -> Option<String> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    BOOT.get_or_init(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .map(|id| id.trim().to_owned())
    })
    .clone()
}

/// `CLOCK_MONOTONIC`: the time that the kernel's maps and the service manager go by.
pub fn kernel_now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .expect("every Linux has CLOCK_MONOTONIC")
        .into()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// 584 years; an end beyond that is one short of never.
fn saturating_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos())
        .unwrap_or(u64::MAX)
        .min(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use mailwall_common::KernelInstant;

    use super::{Clock, wall_now};
    use crate::ban::End;

    /// The clock of an agent since whose start the host's clock was set forward by `step`.
    fn clock_after_step(step: Duration) -> Clock {
        let clock = Clock::start();
        Clock {
            wall_at_start: clock.wall_at_start - step,
            ..clock
        }
    }

    fn differ_by_less_than_a_minute(a: SystemTime, b: SystemTime) -> bool {
        let apart = a.duration_since(b).unwrap_or_else(|err| err.duration());
        apart < Duration::from_secs(60)
    }

    #[test]
    fn setting_the_hosts_clock_moves_no_end() {
        let hour = Duration::from_secs(3600);
        let (before, after) = (Clock::start(), clock_after_step(24 * hour));
        let [unset, set] = [before, after].map(|clock| {
            let end = clock.kernel_end(End::At(clock.now() + hour));
            Duration::from_nanos(end.as_ns())
        });
        assert!(
            set.abs_diff(unset) < Duration::from_secs(60),
            "{unset:?} {set:?}"
        );
    }

    #[test]
    fn ends_are_shown_in_the_wall_time_that_holds() {
        let hour = Duration::from_secs(3600);
        let clock = clock_after_step(24 * hour);
        let (ends, ended) = (clock.now() + hour, clock.now() - hour);
        assert!(differ_by_less_than_a_minute(
            clock.wall(ends),
            wall_now() + hour
        ));
        assert!(differ_by_less_than_a_minute(
            clock.wall(ended),
            wall_now() - hour
        ));
    }

    #[test]
    fn an_end_survives_the_way_to_the_kernel_and_back() {
        let clock = Clock::start();
        for end in [End::Never, End::At(clock.now() + Duration::from_secs(600))] {
            assert_eq!(clock.end(clock.kernel_end(end)), end);
        }
        assert_eq!(clock.kernel_end(End::Never), KernelInstant::NEVER);
        let over = End::At(clock.now() - Duration::from_secs(1));
        assert!(clock.end(clock.kernel_end(over)).is_over_at(clock.now()));
    }

    #[test]
    fn what_a_log_dates_in_the_future_happened_now() {
        let clock = Clock::start();
        let future = wall_now() + Duration::from_secs(7200);
        assert_eq!(clock.age(future), Duration::ZERO);
        let now = clock.read();
        assert_eq!(now.steady_of(future), now.steady);
        let hour = Duration::from_secs(3600);
        assert_eq!(now.steady_of(now.wall - hour), now.steady - hour);
    }
}
