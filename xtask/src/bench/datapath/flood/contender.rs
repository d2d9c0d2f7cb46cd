//! Who is flooded: a filter on a cable of its own, which counts what it drops.

use anyhow::Result;

use super::road::Road;

/// A filter on its cable.
pub struct Contender {
    /// Its name in the report.
    pub name: &'static str,
    /// Its cable.
    pub road: Road,
    /// What keeps it there.
    pub filter: Box<dyn Drops>,
}

/// What counts the packets that it dropped, and is in place for as long as it lives.
pub trait Drops {
    /// Packets dropped so far, by its own counter.
    ///
    /// # Errors
    /// When it does not tell.
    fn dropped(&self, road: &Road) -> Result<u64>;
}

impl Contender {
    /// Packets dropped so far, by its own counter.
    ///
    /// # Errors
    /// When it does not tell.
    pub fn dropped(&self) -> Result<u64> {
        self.filter.dropped(&self.road)
    }
}
