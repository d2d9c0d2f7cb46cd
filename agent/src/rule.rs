//! Rules: what is counted, for whom, and how much of it is too much.

use std::time::Duration;

use crate::{
    ban::RuleName,
    event::{EventKind, Service},
};

/// A rule as the operator (or a preset) wrote it, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleSettings {
    /// Its name, unique.
    pub name: RuleName,
    /// Kinds of event that count; not empty.
    pub count: Vec<EventKind>,
    /// For whom they are counted together.
    pub per: Per,
    /// What must differ between two events for both to count.
    pub distinct: Option<Distinct>,
    /// What is added up.
    pub measure: Measure,
    /// The sum that is a breach; at least 1.
    pub limit: u32,
    /// Only what happened within this time counts; for [`Per::Session`] as long as the session lasts.
    pub window: Duration,
    /// Services that count; empty for all.
    pub service: Vec<Service>,
    /// A breach only while at least this share, in percent, of the host's counted and good events (`mail-accepted`,
    /// `auth-success`) in the window are counted ones; 0 for always.
    pub bad_share: u8,
    /// What follows.
    pub then: Then,
}

/// For whom events are counted together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Per {
    /// An IPv4 address, an IPv6 prefix of the configured length.
    Address,
    /// An IPv4 /24, an IPv6 /48: the widest that is banned automatically.
    Network,
    /// One connection.
    Session,
}

impl Per {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Address, Self::Network, Self::Session];

    /// Name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Session => "session",
        }
    }
}

/// What must differ between two events for both to count.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Distinct {
    /// The recipient named.
    Recipient,
    /// The account tried; an event without one counts as one that differs.
    Account,
    /// The client (for [`Per::Network`]: how many hosts misbehave).
    Address,
}

impl Distinct {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Recipient, Self::Account, Self::Address];

    /// Name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Account => "account",
            Self::Address => "address",
        }
    }
}

/// What is added up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Measure {
    /// The events.
    Count,
    /// Their scores, in whole points.
    Score,
}

impl Measure {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Count, Self::Score];

    /// Name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Score => "score",
        }
    }
}

/// What follows a breach.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// A ban of whom it was counted for.
    Ban(Penalty),
}

/// How long bans are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Penalty {
    /// Length of the first.
    pub first: Duration,
    /// Each further one is this many times longer; at least 1.
    pub factor: u32,
    /// Longest.
    pub at_most: Duration,
    /// One step of the escalation is forgotten for each of these times without a ban.
    pub forget_after: Duration,
}
