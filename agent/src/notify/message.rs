//! What is told. Plain data; every text in it is escaped (`line::escaped`) by whoever makes it.

use ipnet::IpNet;
use serde::Serialize;

/// What a message is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// A rule banned somebody.
    Ban,
    /// A rule would have banned somebody, but only observes.
    WouldBan,
    /// Mail of an account is held back, or no longer.
    Hold,
    /// A rule whose consequence is a notice, and what else people are to know.
    Notify,
    /// Something is wrong with the judgement itself, or all is well again.
    Alarm,
    /// The report of the day.
    Report,
    /// A trial by the operator.
    Test,
}

impl Topic {
    /// Those that a notifier can be set to.
    pub const ALL: &[Self] = &[
        Self::Ban,
        Self::WouldBan,
        Self::Hold,
        Self::Notify,
        Self::Alarm,
    ];
    /// Those of a notifier where nothing is said.
    pub const DEFAULT: &[Self] = &[Self::Ban, Self::Hold, Self::Notify, Self::Alarm];

    /// Kebab-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::WouldBan => "would-ban",
            Self::Hold => "hold",
            Self::Notify => "notify",
            Self::Alarm => "alarm",
            Self::Report => "report",
            Self::Test => "test",
        }
    }

    /// Whether it does not wait for a digest.
    pub const fn is_urgent(self) -> bool {
        match self {
            Self::Hold | Self::Alarm | Self::Report | Self::Test => true,
            Self::Ban | Self::WouldBan | Self::Notify => false,
        }
    }
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What about.
    pub topic: Topic,
    /// Whom.
    pub net: Option<IpNet>,
    /// Whose account.
    pub account: Option<String>,
    /// The rule that decided it.
    pub rule: Option<String>,
    /// What that rule counts: names of event kinds.
    pub kinds: Vec<String>,
    /// The kind of the offence that made it due, where there was one.
    pub kind: Option<&'static str>,
    /// The service that it was made at.
    pub service: Option<&'static str>,
    /// Offences that led to it.
    pub offences: u32,
    /// Earlier bans that count towards the length of this one.
    pub level: u8,
    /// Length in seconds; `None` for until it is removed, and where there is none.
    pub for_s: Option<u64>,
    /// Until when, RFC 3339 in UTC.
    pub ends: Option<String>,
    /// In a sentence, on one line.
    pub text: String,
    /// Log lines that led to it, oldest first; or the lines of a longer text.
    pub evidence: Vec<String>,
}

impl Message {
    /// A message that says no more than `text`.
    pub fn new(at: String, topic: Topic, text: String) -> Self {
        Self {
            at,
            topic,
            net: None,
            account: None,
            rule: None,
            kinds: Vec::new(),
            kind: None,
            service: None,
            offences: 0,
            level: 0,
            for_s: None,
            ends: None,
            text,
            evidence: Vec::new(),
        }
    }
}
