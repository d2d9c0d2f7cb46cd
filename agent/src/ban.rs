//! A ban: a decision in force, with an end and its evidence. Plain data.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;

use crate::event::{Event, EventKind, Service};

/// Most pieces of evidence kept with a ban: the newest.
pub const EVIDENCE_MAX: usize = 10;
/// Most characters of one piece of evidence.
pub const EVIDENCE_TEXT_MAX: usize = 512;
/// Most characters of a reason.
pub const REASON_MAX: usize = 256;

/// A decision in force: SYNs of `net` to the guarded ports are dropped until it ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Ban {
    /// Whom it shuts out.
    pub net: IpNet,
    /// Whether it is a ban proper.
    pub sort: Sort,
    /// Who decided it.
    pub origin: Origin,
    /// Since when (steady clock, see `clock.rs`).
    pub since: SystemTime,
    /// Until when.
    pub end: End,
    /// Offences that led to it; 0 for a manual ban.
    pub offences: u32,
    /// What made it due; `None` for one that no rule decided, and where it is not remembered.
    pub cause: Option<Cause>,
    /// How many bans this net had before, as far as they are not forgotten: the step of the escalation.
    pub level: u8,
    /// Why, for people; no control characters, at most [`REASON_MAX`].
    pub reason: String,
    /// Log lines that led to it: at most [`EVIDENCE_MAX`], oldest first.
    pub evidence: Vec<Evidence>,
}

impl Ban {
    /// One that nothing led to but the word of `origin`.
    pub const fn new(net: IpNet, origin: Origin, since: SystemTime, end: End) -> Self {
        Self {
            net,
            sort: Sort::Ban,
            origin,
            since,
            end,
            offences: 0,
            cause: None,
            level: 0,
            reason: String::new(),
            evidence: Vec::new(),
        }
    }
}

/// The offence that made a ban due: the last of those that led to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cause {
    /// What it was.
    pub kind: EventKind,
    /// Where it was made.
    pub service: Service,
}

impl Cause {
    /// What an event is the cause of.
    pub const fn of(event: &Event) -> Self {
        Self {
            kind: event.kind,
            service: event.service,
        }
    }
}

/// Sorts of bans. Both are the same to the filter.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Sort {
    /// A ban proper.
    #[default]
    Ban,
    /// A delay: the host's next connection has to wait. It is no step of an escalation, what was counted goes on to count, and
    /// it does not widen; it is not stored.
    Delay,
}

impl Sort {
    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Delay => "delay",
        }
    }
}

/// Who decided a ban.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A rule of the judge.
    Rule(RuleName),
    /// An operator.
    Manual,
    /// A list that an operator had put in force.
    List(ListName),
    /// Found in the pinned maps when the store had been lost.
    Kernel,
    /// The circuit breaker: it pauses bans, and makes none.
    Breaker,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(name) => f.pad(name.as_str()),
            Self::Manual => f.pad("manual"),
            Self::List(name) => f.pad(&format!("{LIST_PREFIX}{name}")),
            Self::Kernel => f.pad("kernel"),
            Self::Breaker => f.pad("breaker"),
        }
    }
}

impl Origin {
    /// Whether an operator wants it: such a ban gives way to none of a rule's, and is no step of an escalation.
    pub const fn is_operators(&self) -> bool {
        matches!(self, Self::Manual | Self::List(_))
    }

    /// The list it comes from.
    pub const fn list(&self) -> Option<&ListName> {
        match self {
            Self::List(name) => Some(name),
            Self::Rule(_) | Self::Manual | Self::Kernel | Self::Breaker => None,
        }
    }

    /// What its [`Display`](fmt::Display) form stands for; `None` when it is none.
    pub fn named(text: &str) -> Option<Self> {
        match text {
            "manual" => Some(Self::Manual),
            "kernel" => Some(Self::Kernel),
            "breaker" => Some(Self::Breaker),
            _ => match text.strip_prefix(LIST_PREFIX) {
                Some(name) => ListName::new(name).map(Self::List),
                None => RuleName::new(text).map(Self::Rule),
            },
        }
    }
}

/// What stands before the name of a list where it stands among rules, whose names have no colon.
pub const LIST_PREFIX: &str = "list:";

/// Name of a list of bans: lower-case letters, digits and hyphens, 1 to 32 of them.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ListName(Arc<str>);

impl ListName {
    /// `None` when `name` is not a list's name.
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        fits.then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Name of a rule: lower-case letters, digits and hyphens, 1 to 32 of them; never `manual`, `kernel` or `breaker`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RuleName(Arc<str>);

impl RuleName {
    /// `None` when `name` is not a rule's name.
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !matches!(name, "manual" | "kernel" | "breaker");
        fits.then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// When a ban is over.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum End {
    /// At this time (steady clock).
    At(SystemTime),
    /// When an operator removes it.
    Never,
}

impl End {
    /// Whether a ban with this end is over at `now`.
    pub fn is_over_at(self, now: SystemTime) -> bool {
        match self {
            Self::At(end) => end <= now,
            Self::Never => false,
        }
    }

    /// What is left at `now`; `None` for what never ends.
    pub fn remaining(self, now: SystemTime) -> Option<Duration> {
        match self {
            Self::At(end) => Some(end.duration_since(now).unwrap_or_default()),
            Self::Never => None,
        }
    }
}

/// A log line that led to a ban.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Evidence {
    /// When it happened.
    pub at: SystemTime,
    /// The line, escaped (`line::escaped`), at most [`EVIDENCE_TEXT_MAX`] characters.
    pub text: String,
}
