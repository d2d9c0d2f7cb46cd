//! The rules, as they are shown.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::SCHEMA;

/// The rules in force.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RuleList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the preset.
    pub preset: String,
    /// In the order they are tried.
    pub rules: Vec<RuleView>,
}

/// A rule as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RuleView {
    /// Name.
    pub name: String,
    /// `preset` or `config`.
    pub origin: String,
    /// What it counts: event kinds.
    pub count: Vec<String>,
    /// `address`, `network`, `session` or `account`.
    pub per: String,
    /// What must differ to count, or `null`.
    pub distinct: Option<String>,
    /// Services, or empty for all.
    pub service: Vec<String>,
    /// How many.
    pub limit: u32,
    /// Within this time; `null` for rules on a session.
    pub window_s: Option<u64>,
    /// `enforce` or `observe`.
    pub mode: String,
    /// Whether it can be neither deleted nor disabled.
    pub permanent: bool,
    /// What follows.
    pub then: ThenView,
    /// First ban's length; `null` for until it is removed, and for rules that do not ban.
    pub ban_s: Option<u64>,
    /// Each further ban is this many times longer.
    pub factor: u32,
    /// Longest ban.
    pub at_most_s: Option<u64>,
    /// Hosts tracked now.
    pub tracked: usize,
    /// Of those, how many are at four fifths of the limit, or beyond.
    #[serde(default)]
    pub near: usize,
    /// Breaches since the agent started.
    pub breaches: u64,
    /// Bans (and delays) of the rule in force.
    #[serde(default)]
    pub bans: usize,
    /// In observe mode: what it would have done since the agent started: bans, of accounts holds, kicks and notices.
    #[serde(default)]
    pub would_bans: u64,
    /// In observe mode: nets that would be shut out now, and accounts that would be held.
    #[serde(default)]
    pub would_be_banned: usize,
    /// In a sentence.
    pub description: String,
}

/// What follows a breach of a rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ThenView {
    /// First ban's length as in configurations (`permanent` for until it is removed); `null` for rules that do not ban.
    pub ban: Option<String>,
    /// The delay, or `null`.
    pub delay: Option<DelayView>,
    /// Whether live connections end.
    pub kick: bool,
    /// How long the account is held, as `ban`.
    pub hold: Option<String>,
    /// Whether people are told.
    pub notify: bool,
}

/// How a rule delays.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DelayView {
    /// Delay of the first event past the limit; each further one waits so much longer.
    pub step_s: u64,
    /// Longest.
    pub at_most_s: u64,
    /// `filter` or `policy`.
    pub by: String,
}
