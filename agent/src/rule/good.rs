//! What hosts did well lately: how many messages were accepted from them, how many of their logins succeeded.

use std::time::Duration;

use ipnet::IpNet;

use super::{Moment, TRACKED_MAX, Tracked};

/// Parts of a window that are counted apart. What leaves the window leaves by such a part, so that good is remembered for up
/// to an eighth longer than the window: an error in favour of the host.
const SLOTS: usize = 9;

/// Events in a sliding window, as one number a part of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    newest: i64,
    counts: [u32; SLOTS],
}

impl Tally {
    /// One more at `at`. What lies before the window of the newest does not count.
    pub(crate) fn add(&mut self, at: Moment, window: Duration) {
        let slot = at.slot(slot_length(window));
        self.advance(slot);
        if self.newest.saturating_sub(slot) < SLOTS as i64 {
            let count = &mut self.counts[index(slot)];
            *count = count.saturating_add(1);
        }
    }

    /// How many lie in the window that ends at `now`.
    pub(crate) fn sum(&self, now: Moment, window: Duration) -> u64 {
        let now = now.slot(slot_length(window));
        (0..SLOTS as i64)
            .map(|age| self.newest.saturating_sub(age))
            .filter(|slot| now.saturating_sub(*slot) < SLOTS as i64)
            .map(|slot| u64::from(self.counts[index(slot)]))
            .sum()
    }

    fn advance(&mut self, slot: i64) {
        if slot <= self.newest {
            return;
        }
        for step in 0..slot.saturating_sub(self.newest).min(SLOTS as i64) {
            self.counts[index(slot - step)] = 0;
        }
        self.newest = slot;
    }
}

fn slot_length(window: Duration) -> Duration {
    window / (SLOTS as u32 - 1)
}

fn index(slot: i64) -> usize {
    slot.rem_euclid(SLOTS as i64) as usize
}

/// The good events of hosts (or of networks) in one window. Rules with the same window share one.
#[derive(Debug)]
pub(crate) struct Goods {
    window: Duration,
    hosts: Tracked<IpNet, Tally>,
}

impl Goods {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            window,
            hosts: Tracked::new(TRACKED_MAX),
        }
    }

    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    pub(crate) fn add(&mut self, host: IpNet, at: Moment) {
        let (tally, _) = self.hosts.touch(host, at, Tally::default);
        tally.add(at, self.window);
    }

    pub(crate) fn sum(&self, host: &IpNet, now: Moment) -> u64 {
        self.hosts
            .get(host)
            .map_or(0, |tally| tally.sum(now, self.window))
    }

    pub(crate) fn forget(&mut self, now: Moment) {
        while self.hosts.pop_idle(now, self.window * 2).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Moment, Tally};

    const WINDOW: Duration = Duration::from_secs(80);

    fn at(s: u64) -> Moment {
        Moment::from(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + s))
    }

    #[test]
    fn what_leaves_the_window_is_forgotten() {
        let mut tally = Tally::default();
        tally.add(at(0), WINDOW);
        tally.add(at(70), WINDOW);
        assert_eq!(tally.sum(at(79), WINDOW), 2);
        assert_eq!(tally.sum(at(95), WINDOW), 1);
        assert_eq!(tally.sum(at(1000), WINDOW), 0);
        tally.add(at(5000), WINDOW);
        assert_eq!(tally.sum(at(5000), WINDOW), 1);
    }

    #[test]
    fn times_out_of_order_find_their_place() {
        let mut tally = Tally::default();
        tally.add(at(70), WINDOW);
        tally.add(at(10), WINDOW);
        assert_eq!(tally.sum(at(75), WINDOW), 2);
        tally.add(at(500), WINDOW);
        tally.add(at(10), WINDOW);
        assert_eq!(tally.sum(at(505), WINDOW), 1);
    }
}
