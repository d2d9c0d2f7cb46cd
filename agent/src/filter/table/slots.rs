//! Which ban records are in use. A record that was given back is not given out again at once: a packet that found its
//! index just before the entry went may still be about to read it.

use std::collections::VecDeque;

use mailwall_common::BanSlot;

/// Records that must have been given back before the oldest of them is used again, as long as there are records that
/// were never used. A packet holds an index for well under a microsecond; a thousand bans take the agent far longer.
pub const RESTING: usize = 1024;

/// The free ban records.
#[derive(Debug)]
pub struct Slots {
    capacity: u32,
    /// Every record from here on was never used.
    fresh: u32,
    /// Given back, longest ago first.
    resting: VecDeque<BanSlot>,
}

impl Slots {
    /// All of `capacity` records free, but for those `in_use`.
    pub fn new(capacity: u32, in_use: &[bool]) -> Self {
        let fresh = in_use.iter().rposition(|used| *used).map_or(0, |i| i + 1);
        let resting = (0..)
            .zip(&in_use[..fresh])
            .filter(|(_, used)| !**used)
            .map(|(index, _)| BanSlot::new(index))
            .collect();
        Self {
            capacity,
            fresh: fresh as u32,
            resting,
        }
    }

    /// How many records can be taken.
    pub fn free(&self) -> usize {
        (self.capacity - self.fresh) as usize + self.resting.len()
    }

    /// A record that no ban has.
    pub fn take(&mut self) -> Option<BanSlot> {
        if self.resting.len() < RESTING && self.fresh < self.capacity {
            self.fresh += 1;
            return Some(BanSlot::new(self.fresh - 1));
        }
        self.resting.pop_front()
    }

    /// Gives a record back, once no map entry names it.
    pub fn give_back(&mut self, slot: BanSlot) {
        self.resting.push_back(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_given_back_rests_before_it_is_used_again() {
        let mut slots = Slots::new(10_000, &[]);
        let first = slots.take().unwrap();
        slots.give_back(first);
        for _ in 1..RESTING {
            let slot = slots.take().unwrap();
            assert_ne!(slot, first);
            slots.give_back(slot);
        }
        assert_eq!(slots.take(), Some(first));
    }

    #[test]
    fn every_record_can_be_taken_once() {
        let mut slots = Slots::new(5, &[true, false, true]);
        assert_eq!(slots.free(), 3);
        let mut taken: Vec<u32> = std::iter::from_fn(|| slots.take())
            .map(BanSlot::index)
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, [1, 3, 4]);
        assert_eq!(slots.free(), 0);
    }
}
