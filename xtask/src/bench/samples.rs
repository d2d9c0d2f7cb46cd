//! Many measurements of one thing.

use std::time::Duration;

/// Measured times.
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Of these times; at least one.
    pub fn new(mut times: Vec<Duration>) -> Self {
        assert!(!times.is_empty(), "something was measured");
        times.sort_unstable();
        Self(times)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that half of them do not exceed.
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// The time that so many percent of them do not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_times_do_not_exceed_the_median() {
        let samples = Samples::new((1..=9).rev().map(Duration::from_millis).collect());
        assert_eq!(samples.median(), Duration::from_millis(5));
        assert_eq!(samples.percentile(99), Duration::from_millis(9));
        assert_eq!(samples.len(), 9);
    }
}
