//! Rules: what is counted, for whom, and how much of it is too much. The settings are plain data; `rule/` counts.
//!
//! A rule sees one event at a time and never more than its windows hold; it decides nothing: a [`Breach`] is for the judge.

mod breach;
mod counter;
mod good;
mod moment;
mod subject;
mod tracked;
mod window;

use std::time::Duration;

pub(crate) use self::{
    breach::{Breach, span},
    counter::Counter,
    good::Goods,
    moment::Moment,
    subject::{Subjects, network},
    tracked::Tracked,
};
use crate::{
    ban::RuleName,
    event::{Event, EventKind, Score, Service},
};

/// Highest limit of a rule: what one host can make it remember.
pub const LIMIT_MAX: u32 = 1_000;
/// Longest window of a rule.
pub const WINDOW_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Most hosts (networks, sessions) that one rule tracks; when there are more, the one longest without an event is forgotten.
pub const TRACKED_MAX: usize = 65_536;
/// Most events that one rule remembers over all hosts; when there are more, the host longest without one is forgotten.
pub const REMEMBERED_MAX: usize = 1 << 20;

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
    /// One connection; the ban is of its address.
    Session,
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
}

/// What is added up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Measure {
    /// The events.
    Count,
    /// Their scores, in whole points. A misdeed repeated (the same recipient, the same account, the same refusal of one
    /// session) scores once, unless `distinct` says what must differ.
    Score,
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

/// A name that stands for several kinds of event in `count`.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The name.
    pub name: &'static str,
    /// What it stands for.
    pub kinds: &'static [EventKind],
}

/// The groups that `count` may name.
pub const GROUPS: &[Group] = &[
    Group {
        name: "offences",
        kinds: &[
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
        ],
    },
    Group {
        name: "auth",
        kinds: &[
            EventKind::AuthFailure,
            EventKind::AuthNotOffered,
            EventKind::AuthAborted,
        ],
    },
    // What a client does wrong itself, one event an error: no sums over a session (`too-many-errors`, `bad-session`) and no
    // refusals of who it is, which Postfix repeats for each recipient (`smtpd_delay_reject`).
    Group {
        name: "errors",
        kinds: &[
            EventKind::UnknownRecipient,
            EventKind::RelayDenied,
            EventKind::AuthFailure,
            EventKind::AuthNotOffered,
            EventKind::AuthAborted,
            EventKind::EarlyTalker,
            EventKind::ProtocolError,
            EventKind::NonSmtp,
        ],
    },
];

/// The kinds that `name` stands for: a group's, or the one of that name.
pub fn kinds_named(name: &str) -> Option<Vec<EventKind>> {
    GROUPS
        .iter()
        .find(|group| group.name == name)
        .map(|group| group.kinds.to_vec())
        .or_else(|| EventKind::from_name(name).map(|kind| vec![kind]))
}

impl RuleSettings {
    /// What makes it a rule that cannot be, in a sentence for the config's error; `None` when it is well.
    pub fn problem(&self) -> Option<String> {
        let Then::Ban(penalty) = self.then;
        if self.count.is_empty() {
            return Some("`count` is empty".to_owned());
        }
        if !(1..=LIMIT_MAX).contains(&self.limit) {
            return Some(format!("`limit` is {}; 1 to {LIMIT_MAX}", self.limit));
        }
        if self.window < Duration::from_secs(1) || self.window > WINDOW_MAX {
            return Some(format!(
                "`window` is {}; 1s to {}",
                span(self.window),
                span(WINDOW_MAX)
            ));
        }
        if self.bad_share > 100 {
            return Some(format!("`bad_share` is {}; 0 to 100", self.bad_share));
        }
        if self.distinct == Some(Distinct::Address) && self.per != Per::Network && self.limit > 1 {
            return Some(format!(
                "`distinct = \"address\"` per {} never gets beyond 1",
                self.per.as_str()
            ));
        }
        penalty.problem()
    }

    /// Whether `event` is one that this rule counts.
    pub(crate) fn counts(&self, event: &Event) -> bool {
        let scores_as_its_kind = event.is_offence() || event.kind.score() <= Score::ZERO;
        scores_as_its_kind
            && self.count.contains(&event.kind)
            && (self.service.is_empty() || self.service.contains(&event.service))
    }

    /// The rule in a sentence.
    pub fn description(&self) -> String {
        let what = breach::nouns(self.count.iter().copied(), Many::Yes);
        let what = match self.measure {
            Measure::Count => format!("{} {what}", self.limit),
            Measure::Score => format!("{} points of {what}", self.limit),
        };
        let distinct = match self.distinct {
            None => "",
            Some(Distinct::Recipient) => " to different recipients",
            Some(Distinct::Account) => " (the same account counts once)",
            Some(Distinct::Address) => " of different hosts",
        };
        let whom = match self.per {
            Per::Address => "an address",
            Per::Network => "a network (/24, /48)",
            Per::Session => "one session",
        };
        let services = match self.service.as_slice() {
            [] => String::new(),
            some => {
                let names: Vec<&str> = some.iter().map(|service| service.as_str()).collect();
                format!(" on {}", names.join(", "))
            }
        };
        let share = match self.bad_share {
            0 => String::new(),
            100 => ", unless it did anything good".to_owned(),
            share => format!(", if at least {share}% of what it did is bad"),
        };
        let Then::Ban(penalty) = self.then;
        format!(
            "{what}{distinct} from {whom} in {}{services}{share}: ban for {}",
            span(self.window),
            span(penalty.first)
        )
    }
}

impl Penalty {
    /// Length of a ban that comes after `level` earlier ones.
    pub fn length(&self, level: u8) -> Duration {
        let mut length = self.first.min(self.at_most);
        for _ in 0..level {
            if length >= self.at_most || self.factor <= 1 {
                break;
            }
            length = length.saturating_mul(self.factor).min(self.at_most);
        }
        length
    }

    /// What makes it a penalty that cannot be; `None` when it is well.
    pub fn problem(&self) -> Option<String> {
        if self.first < Duration::from_secs(1) {
            return Some("the first ban is shorter than 1s".to_owned());
        }
        if self.factor == 0 {
            return Some("`factor` is 0; at least 1".to_owned());
        }
        if self.at_most < self.first {
            return Some(format!(
                "`at_most` ({}) is shorter than the first ban ({})",
                span(self.at_most),
                span(self.first)
            ));
        }
        if self.forget_after < Duration::from_secs(1) {
            return Some("`forget_after` is shorter than 1s".to_owned());
        }
        None
    }
}

/// Whether a noun stands for one or for more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Many {
    No,
    Yes,
}

macro_rules! names {
    ($($type:ident { $($variant:ident = $name:literal),* })*) => {
        $(impl $type {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in configs and JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The one of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }
        })*
    };
}

names! {
    Per { Address = "address", Network = "network", Session = "session" }
    Distinct { Recipient = "recipient", Account = "account", Address = "address" }
    Measure { Count = "count", Score = "score" }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{GROUPS, Penalty, kinds_named};
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
        for group in GROUPS {
            assert_eq!(EventKind::from_name(group.name), None);
        }
    }

    #[test]
    fn a_ban_grows_by_its_factor_up_to_its_cap() {
        let minutes = |m: u64| Duration::from_secs(60 * m);
        let penalty = Penalty {
            first: minutes(10),
            factor: 4,
            at_most: minutes(7 * 1440),
            forget_after: minutes(30 * 1440),
        };
        let lengths: Vec<u64> = (0..7).map(|l| penalty.length(l).as_secs() / 60).collect();
        assert_eq!(lengths, [10, 40, 160, 640, 2560, 10_080, 10_080]);
        assert_eq!(penalty.length(255), minutes(7 * 1440));
    }
}
