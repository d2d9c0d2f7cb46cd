//! Rules: what is counted, for whom, and how much of it is too much. The settings are plain data; `rule/` counts.
//!
//! A rule sees one event at a time and never more than its windows hold; it decides nothing: a [`Breach`] is for the judge.

mod book;
mod breach;
mod counter;
mod good;
mod index;
mod moment;
mod note;
mod subject;
mod then;
mod tracked;
mod window;
mod words;

use std::time::Duration;

pub use self::then::{DELAY_MAX, Delay, DelayBy, Length, Mode, Penalty, Then};
pub(crate) use self::{
    book::{Book, Rules},
    breach::{Breach, Found, Reach, is_near},
    counter::Counter,
    good::{GOOD_HOSTS_MAX, Goods, good_window},
    index::{Index, NONE, hash_of},
    moment::Moment,
    note::{ERAS, Note},
    subject::{NetKey, Subjects, network},
    tracked::Tracked,
    words::span,
};
use crate::{
    ban::RuleName,
    event::{EventKind, Service},
};

/// Highest limit of a rule: what is counted one by one has to be remembered one by one.
pub const LIMIT_MAX: u32 = 10_000;
/// Longest window of a rule.
pub const WINDOW_MAX: Duration = Duration::from_secs(31 * 86_400);
/// How long a moment is where moments are counted ([`Distinct::Moment`]).
pub const MOMENT: Duration = Duration::from_secs(4);
/// Most hosts that are tracked; when there are more, the one longest without an event is forgotten. It takes nothing from a
/// ban.
pub const TRACKED_MAX: usize = 1 << 20;
/// Most networks that are tracked, likewise.
pub const NETWORKS_TRACKED_MAX: usize = 1 << 17;
/// Most bytes that are kept of tracked hosts beside a fixed hundred of each: from there on, too, the one longest without an event is
/// forgotten. It is three offences of each of a million hosts.
pub const TRACKED_BYTES_MAX: usize = 120 << 20;
/// The same of networks.
pub const NETWORKS_BYTES_MAX: usize = 24 << 20;

/// A rule as the operator (or a preset) wrote it, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleSettings {
    /// Its name, unique.
    pub name: RuleName,
    /// Kinds of event that count; not empty. An event of a kind that scores counts only while it scores itself: a 4xx does
    /// not, whatever its kind.
    pub count: Vec<EventKind>,
    /// For whom they are counted together.
    pub per: Per,
    /// What must differ between two events for both to count.
    pub distinct: Option<Distinct>,
    /// What is added up.
    pub measure: Measure,
    /// The sum that is a breach; 1 to [`LIMIT_MAX`].
    pub limit: u32,
    /// Only what happened within this time counts; at most [`WINDOW_MAX`].
    pub window: Duration,
    /// Services that count; empty for all.
    pub service: Vec<Service>,
    /// A breach only while at least this share, in percent, of the host's counted and good events (`mail-accepted`,
    /// `auth-success`, of any session and service) in the window are counted ones; 0 for always, 100 for hosts that did
    /// nothing good.
    pub bad_share: u8,
    /// A breach only on a day (UTC) on which the account has come to this percentage of its mean of the 30 days before; `limit`
    /// is the least that it takes, and the window is the day. Only per account.
    pub baseline: Option<u32>,
    /// Whether it is applied, or only watched.
    pub mode: Mode,
    /// Whether it can be neither deleted nor disabled, only edited.
    pub permanent: bool,
    /// What follows.
    pub then: Then,
}

impl RuleSettings {
    /// The sum from which on something follows. A delay follows only past the limit.
    pub(crate) fn full(&self) -> u32 {
        self.limit + u32::from(self.then.delay.is_some())
    }

    /// The sum beyond which nothing changes.
    pub(crate) fn enough(&self) -> u32 {
        let steps = self.then.delay.map_or(0, |delay| delay.steps());
        self.limit.saturating_add(steps)
    }
}

/// For whom events are counted together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Per {
    /// An IPv4 address, an IPv6 prefix of the configured length.
    Address,
    /// An IPv4 /24, an IPv6 /48: the widest that is banned automatically.
    Network,
    /// One connection; the ban is of its address.
    Session,
    /// An account, whatever addresses it is used from; it is held, never the addresses.
    Account,
    /// One connection that an account is logged in on; what follows is about the account.
    AccountSession,
}

impl Per {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Address,
        Self::Network,
        Self::Session,
        Self::Account,
        Self::AccountSession,
    ];

    /// Name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Session => "session",
            Self::Account => "account",
            Self::AccountSession => "account-session",
        }
    }

    /// Whether what follows is about an account, and never about an address.
    pub const fn is_of_accounts(self) -> bool {
        matches!(self, Self::Account | Self::AccountSession)
    }
}

/// What must differ between two events for both to count.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Distinct {
    /// The recipient named; an event without one counts as one that differs.
    Recipient,
    /// The account tried: the same credential again counts once. An event without one counts as one that differs.
    Account,
    /// The client (for [`Per::Network`]: how many hosts misbehave).
    Address,
    /// When it was: what falls into the same [`MOMENT`] counts once. Mail programs open many sessions at once, each of which
    /// fails, and then wait; who tries passwords goes on and on.
    Moment,
}

impl Distinct {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Recipient, Self::Account, Self::Address, Self::Moment];

    /// Name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Account => "account",
            Self::Address => "address",
            Self::Moment => "moment",
        }
    }
}

/// What is added up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Measure {
    /// The events.
    Count,
    /// Their scores, in whole points. A misdeed repeated (the same recipient, the same account, the same refusal of one
    /// session) scores once, unless `distinct` says what must differ.
    Score,
    /// The recipients of messages; a message of which they are not told has one. Only of accounts.
    Recipients,
    /// The size of messages. Only of accounts.
    Megabytes,
}

impl Measure {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Count, Self::Score, Self::Recipients, Self::Megabytes];

    /// Name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Score => "score",
            Self::Recipients => "recipients",
            Self::Megabytes => "megabytes",
        }
    }
}

/// Names for several kinds of event at once in `count`.
pub const GROUPS: &[(&str, &[EventKind])] = &[
    (
        "offences",
        &[
            EventKind::UnknownRecipient,
            EventKind::RelayDenied,
            EventKind::AuthFailure,
            EventKind::AuthNotOffered,
            EventKind::AuthAborted,
            EventKind::EarlyTalker,
            EventKind::ProtocolError,
            EventKind::NonSmtp,
            EventKind::TooManyErrors,
            EventKind::HeloRejected,
            EventKind::SenderRejected,
            EventKind::ClientRejected,
            EventKind::DnsblRejected,
            EventKind::ContentRejected,
            EventKind::RateLimited,
            EventKind::BadSession,
            EventKind::Honeypot,
        ],
    ),
    (
        "auth",
        &[
            EventKind::AuthFailure,
            EventKind::AuthNotOffered,
            EventKind::AuthAborted,
        ],
    ),
    // What a client does wrong itself, one event an error: no sums over a session (`too-many-errors`, `bad-session`), and no
    // refusals of who the client is, which Postfix repeats for each recipient (`smtpd_delay_reject`).
    (
        "errors",
        &[
            EventKind::UnknownRecipient,
            EventKind::RelayDenied,
            EventKind::AuthFailure,
            EventKind::AuthNotOffered,
            EventKind::AuthAborted,
            EventKind::EarlyTalker,
            EventKind::ProtocolError,
            EventKind::NonSmtp,
        ],
    ),
    (
        "rejections",
        &[
            EventKind::UnknownRecipient,
            EventKind::RelayDenied,
            EventKind::HeloRejected,
            EventKind::SenderRejected,
            EventKind::ClientRejected,
            EventKind::DnsblRejected,
            EventKind::ContentRejected,
        ],
    ),
    (
        "protocol",
        &[
            EventKind::EarlyTalker,
            EventKind::ProtocolError,
            EventKind::NonSmtp,
            EventKind::TooManyErrors,
        ],
    ),
];

/// The kinds that `name` stands for: a group's, or the one of that name.
pub fn kinds_named(name: &str) -> Option<Vec<EventKind>> {
    GROUPS
        .iter()
        .find(|(group, _)| *group == name)
        .map(|(_, kinds)| kinds.to_vec())
        .or_else(|| EventKind::from_name(name).map(|kind| vec![kind]))
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, kinds_named};
    use crate::event::{EventKind, Score};

    #[test]
    fn the_group_offences_is_every_kind_that_scores() {
        let scoring: Vec<EventKind> = EventKind::ALL
            .iter()
            .copied()
            .filter(|kind| kind.score() > Score::ZERO)
            .collect();
        assert_eq!(kinds_named("offences"), Some(scoring));
        assert_eq!(kinds_named("connect"), Some(vec![EventKind::Connect]));
        assert_eq!(kinds_named("kindness"), None);
    }

    #[test]
    fn no_group_has_the_name_of_a_kind() {
        for (group, _) in GROUPS {
            assert_eq!(EventKind::from_name(group), None);
        }
    }
}
