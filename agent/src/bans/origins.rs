//! How many bans there are of each origin.

use std::{borrow::Cow, collections::HashMap};

use foldhash::quality::RandomState;

use crate::ban::Origin;

/// Counts by the name of the origin; at most one a ban, and none of what has no ban.
#[derive(Debug, Default)]
pub(super) struct Origins {
    counts: HashMap<String, usize, RandomState>,
}

impl Origins {
    pub(super) fn add(&mut self, origin: &Origin) {
        let name = name(origin);
        match self.counts.get_mut(name.as_ref()) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(name.into_owned(), 1);
            }
        }
    }

    pub(super) fn subtract(&mut self, origin: &Origin) {
        let name = name(origin);
        if let Some(count) = self.counts.get_mut(name.as_ref()) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(name.as_ref());
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.counts
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
    }
}

fn name(origin: &Origin) -> Cow<'_, str> {
    match origin {
        Origin::Rule(name) => Cow::Borrowed(name.as_str()),
        Origin::Manual => Cow::Borrowed("manual"),
        Origin::Kernel => Cow::Borrowed("kernel"),
        Origin::List(_) | Origin::Breaker => Cow::Owned(origin.to_string()),
    }
}
