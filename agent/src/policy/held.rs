//! The sessions that wait because they were told to.

use std::{cmp::Reverse, collections::BinaryHeap, time::SystemTime};

/// Most sessions that can be made to wait at once, whatever is configured.
pub const HELD_MAX: u16 = 1000;

/// The ends of the sleeps under way: at most [`HELD_MAX`].
#[derive(Debug, Default)]
pub(super) struct Held {
    ends: BinaryHeap<Reverse<SystemTime>>,
}

impl Held {
    /// How many wait.
    pub(super) fn count(&self, now: SystemTime) -> usize {
        let waits = |Reverse(end): &&Reverse<SystemTime>| *end > now;
        self.ends.iter().filter(waits).count()
    }

    /// Notes one that waits until `end`; not when `most` do so already.
    pub(super) fn hold(&mut self, end: SystemTime, now: SystemTime, most: u16) -> bool {
        while self.ends.peek().is_some_and(|Reverse(end)| *end <= now) {
            self.ends.pop();
        }
        let has_room = self.ends.len() < usize::from(most.min(HELD_MAX));
        if has_room {
            self.ends.push(Reverse(end));
        }
        has_room
    }
}
