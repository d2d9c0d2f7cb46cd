//! What a test did, so that in the end it can be compared with what the agent and the kernel make of it.

use std::{collections::BTreeMap, time::Duration};

use ipnet::IpNet;

/// What is to be true of a net.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// A ban that ends between these times of the test's watch.
    Banned {
        /// Not before.
        earliest: Duration,
        /// Not after.
        latest: Duration,
    },
    /// No ban.
    Free,
    /// The agent died while it was asked: either may be.
    Unknown,
}

/// What is to be true at some time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Now {
    /// A ban, which may have no longer to go than this, and no less than that.
    Banned(Duration, Duration),
    /// None.
    Free,
    /// Either may be: the end is too near, or the agent died while it was asked.
    Either,
}

/// Who is banned until when, and who wrote how many lines.
#[derive(Debug, Default)]
pub struct Ledger {
    fates: BTreeMap<IpNet, Fate>,
    lines: BTreeMap<IpNet, u64>,
}

impl Fate {
    /// Whether it is a ban that is not over.
    pub fn is_in_force(self, now: Duration) -> bool {
        matches!(self, Self::Banned { earliest, .. } if now < earliest)
    }

    /// Whether it was a ban that came to its end.
    pub fn is_over(self, now: Duration) -> bool {
        matches!(self, Self::Banned { latest, .. } if latest < now)
    }

    /// What that means `now`, in a look that takes until `then`.
    pub fn at(self, now: Duration, then: Duration) -> Now {
        match self {
            Self::Banned { earliest, latest } if then < earliest => {
                Now::Banned(earliest - then, latest.saturating_sub(now))
            }
            Self::Banned { latest, .. } if latest < now => Now::Free,
            Self::Free => Now::Free,
            Self::Banned { .. } | Self::Unknown => Now::Either,
        }
    }
}

impl Ledger {
    /// Notes what is to become of a net.
    pub fn note(&mut self, net: IpNet, fate: Fate) {
        self.fates.insert(net, fate);
    }

    /// Notes an offence of a client in a log; the first one bans it for good, as far as a test is long.
    pub fn note_line(&mut self, net: IpNet) {
        *self.lines.entry(net).or_default() += 1;
    }

    /// What is to become of each net.
    pub fn fates(&self) -> impl Iterator<Item = (IpNet, Fate)> {
        self.fates.iter().map(|(net, fate)| (*net, *fate))
    }

    /// What was noted of this net.
    pub fn fate(&self, net: &IpNet) -> Option<Fate> {
        self.fates.get(net).copied()
    }

    /// How many lines each client wrote.
    pub fn lines(&self) -> &BTreeMap<IpNet, u64> {
        &self.lines
    }

    /// The lines written so far stand nowhere any more.
    pub fn forget_lines(&mut self) {
        self.lines.clear();
    }
}
