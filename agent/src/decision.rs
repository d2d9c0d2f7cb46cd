//! What the judge wants done. Plain data.

use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use crate::ban::{Ban, End, Evidence, Origin};

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Put this ban (or delay, see [`Ban::sort`]) in force, in place of any earlier one of the same net.
    Ban(Ban),
    /// End the ban of `net`.
    Unban {
        /// Exactly the net of a ban in force.
        net: IpNet,
        /// Why it ends.
        pardon: Pardon,
    },
    /// What would be in force now, were the rule not in observe mode (or bans not paused): nothing is enforced.
    WouldBan(Ban),
    /// What a rule in observe mode would do now that bans nobody: of an account, or telling people.
    WouldAct(Trial),
    /// Answer a host more slowly; in force only in the mail server, by way of the policy service.
    Tarpit(Tarpit),
    /// Keep back what an account sends, from here on.
    Hold(Hold),
    /// Let an account send again.
    Release {
        /// Exactly the account of a hold in force.
        account: Box<str>,
        /// Why it ends.
        pardon: Pardon,
    },
    /// End live connections.
    Kick(Kick),
    /// Tell people.
    Notify(Notice),
}

/// Whom something is about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Whom {
    /// A host or a network.
    Net(IpNet),
    /// An account of the mail server, as the log names it.
    Account(Box<str>),
}

/// How a host is slowed down in its sessions: each further command is answered after `delay`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tarpit {
    /// Whom.
    pub net: IpNet,
    /// Which rule.
    pub origin: Origin,
    /// Since when (steady clock).
    pub since: SystemTime,
    /// Until when: what was counted is out of the rule's window then.
    pub until: SystemTime,
    /// How long an answer waits.
    pub delay: Duration,
    /// Offences that led to it.
    pub count: u32,
    /// Why, for people; no control characters.
    pub reason: String,
}

/// Connections that are to end now.
#[derive(Clone, Debug, PartialEq)]
pub struct Kick {
    /// Whose.
    pub whom: Whom,
    /// Who wants it.
    pub origin: Origin,
}

/// What a rule on trial would have done, but for a ban.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// To whom.
    pub whom: Whom,
    /// Which rule.
    pub origin: Origin,
    /// When (steady clock).
    pub at: SystemTime,
    /// The gravest of what it would have done.
    pub deed: Deed,
    /// All of it, in words: "hold for 2h, notify".
    pub doing: String,
    /// Events that led to it.
    pub count: u32,
    /// Why, for people; no control characters.
    pub reason: String,
    /// Log lines that led to it, oldest first.
    pub evidence: Vec<Evidence>,
}

/// What a rule does that bans nobody, the gravest first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// It holds an account.
    Hold,
    /// It ends connections.
    Kick,
    /// It tells people.
    Notify,
}

impl Deed {
    /// What an event is called in which it only would have been done.
    pub const fn as_trial(self) -> &'static str {
        match self {
            Self::Hold => "would-hold",
            Self::Kick => "would-kick",
            Self::Notify => "would-notify",
        }
    }
}

/// An account that may not send.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// Which account.
    pub account: Box<str>,
    /// Who decided it.
    pub origin: Origin,
    /// Since when (steady clock).
    pub since: SystemTime,
    /// Until when.
    pub end: End,
    /// Events that led to it; 0 for a manual one.
    pub count: u32,
    /// Why, for people; no control characters.
    pub reason: String,
    /// Log lines that led to it, oldest first.
    pub evidence: Vec<Evidence>,
}

impl Hold {
    /// One that nothing led to but the word of `origin`.
    pub const fn new(account: Box<str>, origin: Origin, since: SystemTime, end: End) -> Self {
        Self {
            account,
            origin,
            since,
            end,
            count: 0,
            reason: String::new(),
            evidence: Vec::new(),
        }
    }
}

/// Something that people want to know. Bans and holds are told by their own decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// When (steady clock).
    pub at: SystemTime,
    /// Whom it is about, if anybody.
    pub whom: Option<Whom>,
    /// Whose notice it is.
    pub origin: Origin,
    /// What it is about.
    pub topic: Topic,
    /// In a sentence, of an account also with a line for each address; no other control characters.
    pub text: String,
    /// Log lines that led to it, oldest first.
    pub evidence: Vec<Evidence>,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Topic {
    /// A rule that notifies was broken.
    Rule,
    /// Something about an account.
    Account,
    /// Something is wrong with the whole: bans pause, say.
    Alarm,
    /// What an alarm was about is over.
    AllClear,
}

impl Topic {
    /// Kebab-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Account => "account",
            Self::Alarm => "alarm",
            Self::AllClear => "all-clear",
        }
    }
}

/// Why a ban, or a hold, ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pardon {
    /// Its time is over.
    Expired,
    /// An operator removed it.
    Removed,
    /// The net was put on the allowlist.
    Allowed,
    /// The filter had no room for a new ban: the one that was to end next gave way.
    Displaced,
    /// The list that it came from has it no longer.
    Unlisted,
}

impl Pardon {
    /// Kebab-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::Allowed => "allowed",
            Self::Displaced => "displaced",
            Self::Unlisted => "unlisted",
        }
    }
}
