//! What hosts did well lately: how many messages were accepted from them, how many of their logins succeeded.

use std::time::Duration;

use ipnet::IpNet;

use super::{Moment, NetKey, Tracked, moment::whole_millis};

/// Most hosts (and networks) whose good events are counted; the one longest without one is forgotten.
pub(crate) const GOOD_HOSTS_MAX: usize = 65_536;

/// Parts of a window that are counted apart. What leaves the window leaves by such a part, so that good is remembered for up
/// to an eighth longer than the window: an error in favour of the host.
const SLOTS: usize = 9;

/// What was done well within a day counts for rules of shorter windows, too: whoever delivered mail in the morning may name
/// old addresses at noon.
const AT_LEAST: Duration = Duration::from_secs(86_400);

/// The time in which good events count for a rule of that window.
pub(crate) fn good_window(window: Duration) -> Duration {
    window.max(AT_LEAST)
}

/// Events in a sliding window, as one number a part of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    newest: i64,
    counts: [u32; SLOTS],
}

impl Tally {
    /// One more at `at`. What lies before the window of the newest does not count.
    pub(crate) fn add(&mut self, at: Moment, window: Slots) {
        let slot = at.slot(window.length_ms);
        self.advance(slot);
        if self.newest.saturating_sub(slot) < SLOTS as i64 {
            let count = &mut self.counts[index(slot)];
            *count = count.saturating_add(1);
        }
    }

    /// How many lie in the window that ends at `now`.
    pub(crate) fn sum(&self, now: Moment, window: Slots) -> u64 {
        let now = now.slot(window.length_ms);
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

/// The parts of a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Slots {
    length_ms: i64,
    /// All of it.
    pub(super) window_ms: u64,
}

impl Slots {
    pub(crate) fn of(window: Duration) -> Self {
        let length = window / (SLOTS as u32 - 1);
        Self {
            length_ms: i64::try_from(length.as_millis()).map_or(i64::MAX, |ms| ms.max(1)),
            window_ms: whole_millis(window),
        }
    }
}

fn index(slot: i64) -> usize {
    slot.rem_euclid(SLOTS as i64) as usize
}

/// The good events of hosts (or of networks), in each of the windows that rules ask for.
#[derive(Debug)]
pub(crate) struct Goods {
    windows: Vec<(Duration, Slots)>,
    longest: Duration,
    /// A tally for each window.
    hosts: Tracked<NetKey, Box<[Tally]>>,
}

impl Goods {
    /// Those in `windows`.
    pub(crate) fn new(windows: Vec<Duration>) -> Self {
        Self {
            longest: windows.iter().copied().max().unwrap_or_default(),
            windows: windows
                .into_iter()
                .map(|window| (window, Slots::of(window)))
                .collect(),
            hosts: Tracked::new(GOOD_HOSTS_MAX),
        }
    }

    /// Hosts that they are counted of.
    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// No rule asks for them.
    pub(crate) fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// The number of a window, for [`Goods::sum`].
    pub(crate) fn window(&self, window: Duration) -> Option<usize> {
        self.windows.iter().position(|(known, _)| *known == window)
    }

    /// Counts in these windows from here on; what was counted in those that stay is kept.
    pub(crate) fn set_windows(&mut self, windows: Vec<Duration>) {
        let old = std::mem::replace(self, Self::new(windows));
        let from: Vec<Option<usize>> = self
            .windows
            .iter()
            .map(|(window, _)| old.window(*window))
            .collect();
        if from.iter().all(Option::is_none) {
            return;
        }
        self.hosts = old.hosts;
        self.hosts.for_each(|tallies| {
            let kept = from.iter().map(|from| {
                let tally = from.and_then(|from| tallies.get(from));
                tally.cloned().unwrap_or_default()
            });
            *tallies = kept.collect();
        });
    }

    pub(crate) fn add(&mut self, host: IpNet, at: Moment) {
        let windows = self.windows.len();
        let (tallies, _) = self
            .hosts
            .touch(NetKey(host), at, || vec![Tally::default(); windows].into());
        for (tally, (_, slots)) in tallies.iter_mut().zip(&self.windows) {
            tally.add(at, *slots);
        }
    }

    /// How many in the window of that number, up to `now`.
    pub(crate) fn sum(&self, host: &IpNet, window: usize, now: Moment) -> u64 {
        let tally = self
            .hosts
            .get(&NetKey(*host))
            .and_then(|tallies| tallies.get(window));
        match (tally, self.windows.get(window)) {
            (Some(tally), Some((_, slots))) => tally.sum(now, *slots),
            _ => 0,
        }
    }

    pub(crate) fn forget(&mut self, now: Moment) {
        while self.hosts.pop_idle(now, self.longest * 2).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Moment, Slots, Tally};

    const WINDOW: Duration = Duration::from_secs(80);

    fn at(s: u64) -> Moment {
        Moment::from(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + s))
    }

    #[test]
    fn what_leaves_the_window_is_forgotten() {
        let mut tally = Tally::default();
        tally.add(at(0), Slots::of(WINDOW));
        tally.add(at(70), Slots::of(WINDOW));
        assert_eq!(tally.sum(at(79), Slots::of(WINDOW)), 2);
        assert_eq!(tally.sum(at(95), Slots::of(WINDOW)), 1);
        assert_eq!(tally.sum(at(1000), Slots::of(WINDOW)), 0);
        tally.add(at(5000), Slots::of(WINDOW));
        assert_eq!(tally.sum(at(5000), Slots::of(WINDOW)), 1);
    }

    #[test]
    fn times_out_of_order_find_their_place() {
        let mut tally = Tally::default();
        tally.add(at(70), Slots::of(WINDOW));
        tally.add(at(10), Slots::of(WINDOW));
        assert_eq!(tally.sum(at(75), Slots::of(WINDOW)), 2);
        tally.add(at(500), Slots::of(WINDOW));
        tally.add(at(10), Slots::of(WINDOW));
        assert_eq!(tally.sum(at(505), Slots::of(WINDOW)), 1);
    }
}
