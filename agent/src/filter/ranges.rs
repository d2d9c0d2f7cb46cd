//! Ranges of numbers.

/// Numbers, as ranges that do not meet, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Those from the first to the last of each pair.
    pub fn new(mut pairs: Vec<(u64, u64)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup_by(|next, one| {
            let meets = next.0 <= one.1;
            if meets {
                one.1 = one.1.max(next.1);
            }
            meets
        });
        Self(pairs)
    }

    /// Whether `number` is one of them.
    pub fn holds(&self, number: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after > 0 && number <= self.0[after - 1].1
    }

    /// Whether any number from the first to the last is one of them.
    pub fn meets(&self, first: u64, last: u64) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= last);
        after > 0 && first <= self.0[after - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;

    #[test]
    fn what_is_in_any_of_the_pairs_is_held() {
        let ranges = Ranges::new(vec![
            (10, 20),
            (15, 30),
            (40, 40),
            (12, 13),
            (u64::MAX, u64::MAX),
        ]);
        for number in [10, 14, 20, 21, 30, 40, u64::MAX] {
            assert!(ranges.holds(number), "{number}");
        }
        for number in [0, 9, 31, 39, 41, u64::MAX - 1] {
            assert!(!ranges.holds(number), "{number}");
        }
        assert!(!Ranges::default().holds(0));
        for (first, last) in [(0, 10), (30, 39), (31, 40), (0, 100), (u64::MAX, u64::MAX)] {
            assert!(ranges.meets(first, last), "{first} to {last}");
        }
        for (first, last) in [(0, 9), (31, 39), (41, u64::MAX - 1)] {
            assert!(!ranges.meets(first, last), "{first} to {last}");
        }
    }
}
