//! Bans: those in force, and what was done to them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::AllowView;
#[cfg(doc)]
use super::SCHEMA;

/// Bans in force.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BanList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// How many there are in all.
    pub total: usize,
    /// Those asked for, in the order asked for.
    pub bans: Vec<BanView>,
}

/// A ban as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BanView {
    /// Whom.
    pub net: IpNet,
    /// Name of the rule, `manual` or `kernel`.
    pub rule: String,
    /// Since when.
    pub since: String,
    /// Age in seconds.
    pub age_s: u64,
    /// Until when; `null` for until it is removed.
    pub ends: Option<String>,
    /// Seconds left; `null` for until it is removed.
    pub remaining_s: Option<u64>,
    /// `ban`, or `delay` for one that only makes the next connection wait.
    #[serde(default = "ban")]
    pub action: String,
    /// What made it due: a kind of event; `null` for what no rule decided.
    #[serde(default)]
    pub kind: Option<String>,
    /// Where that was: `smtp`, `imap`, ...
    #[serde(default)]
    pub service: Option<String>,
    /// The rule in a sentence; `null` for what no rule decided, and for rules that are no longer there.
    #[serde(default)]
    pub rule_description: Option<String>,
    /// Bans of the same net within 30 days, by rules and by hand, this one among them; `null` where it was not asked for or is
    /// not known.
    #[serde(default)]
    pub bans_30d: Option<u64>,
    /// The hour of the first offence from within it in 30 days; `null` as above, and where there was none.
    #[serde(default)]
    pub first_seen: Option<String>,
    /// The hour of the last.
    #[serde(default)]
    pub last_seen: Option<String>,
    /// Offences that led to it.
    pub offences: u32,
    /// Earlier bans that count towards its length.
    pub level: u8,
    /// Packets dropped; `null` while the filter is not loaded.
    pub dropped: Option<u64>,
    /// Why.
    pub reason: String,
    /// Log lines that led to it; empty in lists.
    pub evidence: Vec<EvidenceView>,
}

/// What the bans of agents do that do not say.
fn ban() -> String {
    "ban".to_owned()
}

/// A log line that led to a ban.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EvidenceView {
    /// When.
    pub at: String,
    /// The line, escaped.
    pub text: String,
}

/// What was added.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BanAdded {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Bans that are new.
    pub added: usize,
    /// Bans that were there and have a new end.
    pub renewed: usize,
    /// Until when; `null` for until they are removed.
    pub ends: Option<String>,
    /// What the operator should know all the same, such as allowlisted addresses inside a banned net.
    pub warnings: Vec<String>,
}

/// What was removed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BanRemoved {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Bans removed.
    pub removed: Vec<IpNet>,
    /// Nets that had no ban.
    pub unknown: Vec<IpNet>,
    /// Bans of wider nets that still cover a removed one.
    pub still_covered: Vec<IpNet>,
}

/// Whether an address is shut out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BanCheck {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Which.
    pub address: IpAddr,
    /// Whether its SYNs are dropped (in observe mode: would be).
    pub banned: bool,
    /// The bans that cover it, the narrowest first, with evidence.
    pub bans: Vec<BanView>,
    /// The allowlist entry that covers it.
    pub allowed: Option<AllowView>,
}
