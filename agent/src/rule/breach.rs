//! A rule's limit reached, and how that is said. Nothing a client wrote is part of it.

use ipnet::IpNet;

use super::{
    Distinct, Measure, Per, RuleSettings,
    window::Window,
    words::{Many, nouns, span},
};

/// What rules find in an event, each with the index of the rule.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Limits that were reached.
    pub(crate) breaches: Vec<(usize, Breach)>,
    /// Limits that came near: of whom, and the sum.
    pub(crate) near: Vec<(usize, IpNet, u32)>,
}

/// How far a sum has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// To less than four fifths of the limit.
    Far,
    /// To four fifths of it.
    Near,
    /// To the limit.
    Full,
}

/// Whether `sum` is four fifths of `limit`, or more.
pub(crate) fn is_near(sum: u64, limit: u64) -> bool {
    u128::from(sum) * 5 >= u128::from(limit) * 4
}

/// A rule's limit reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Breach {
    /// Who is to be banned.
    pub(crate) net: IpNet,
    /// Events (hosts, for a rule that counts those) that led to it.
    pub(crate) count: u32,
    /// For people: "10 unknown recipients in 4m".
    pub(crate) reason: String,
}

impl Breach {
    pub(crate) fn new(net: IpNet, window: &Window, rule: &RuleSettings) -> Self {
        let count = u32::try_from(window.len()).unwrap_or(u32::MAX);
        let many = Many::of(count);
        let what = nouns(window.kinds(), many);
        let sum = match (rule.distinct, rule.measure) {
            (Some(Distinct::Address), _) => {
                format!("{count} hosts of one /{} with {what}", net.prefix_len())
            }
            (Some(Distinct::Moment), _) => format!("{what} at {count} moments"),
            (_, Measure::Count | Measure::Recipients | Measure::Megabytes) => {
                format!("{count} {what}")
            }
            (_, Measure::Score) => {
                let points = window.tenths() as f64 / 10.0;
                format!("{count} {what} ({points} points)")
            }
        };
        let session = match rule.per {
            Per::Session => " in one session",
            Per::Address | Per::Network | Per::Account | Per::AccountSession => "",
        };
        let reason = match many {
            Many::No => format!("{sum}{session}"),
            Many::Yes => format!("{sum}{session} in {}", span(window.span())),
        };
        Self { net, count, reason }
    }
}
