//! How many packets went by without a line.

/// What was counted, and what was told of it.
#[derive(Debug)]
pub struct Account {
    /// Packets counted before the trace began.
    before: u64,
    /// Lines written.
    written: u64,
    /// Packets that are known to have gone by untold.
    missed: u64,
}

impl Account {
    /// Nothing is written yet.
    pub const fn new(before: u64) -> Self {
        Self {
            before,
            written: 0,
            missed: 0,
        }
    }

    /// One more line.
    pub fn write(&mut self) {
        self.written += 1;
    }

    /// How many more packets went by untold than the last time, when so many were `counted` by now and up to `waiting` of them
    /// may still be told of.
    pub fn missed(&mut self, counted: u64, waiting: u64) -> u64 {
        let known = self.before + self.written + self.missed + waiting;
        let more = counted.saturating_sub(known);
        self.missed += more;
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_and_not_written_is_missed_once() {
        let mut account = Account::new(100);
        account.write();
        account.write();
        assert_eq!(account.missed(102, 0), 0);
        assert_eq!(account.missed(112, 4), 6);
        // The four that waited.
        for _ in 0..4 {
            account.write();
        }
        assert_eq!(account.missed(112, 0), 0);
        assert_eq!(account.missed(113, 0), 1);
        assert_eq!(account.missed(113, 0), 0);
    }

    #[test]
    fn lines_of_packets_counted_before_do_no_harm() {
        let mut account = Account::new(100);
        account.write();
        assert_eq!(account.missed(100, 0), 0);
    }
}
