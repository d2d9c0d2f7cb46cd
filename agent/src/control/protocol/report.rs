//! What `mailwall report` shows.

use serde::{Deserialize, Serialize};

use super::Source;

/// By what offenders are put together.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportBy {
    /// IPv4 address, IPv6 /64.
    Address,
    /// IPv4 /24, IPv6 /48.
    Network,
    /// Account that was tried.
    Account,
}

impl ReportBy {
    /// Every way.
    pub const ALL: &[Self] = &[Self::Network, Self::Address, Self::Account];

    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Account => "account",
        }
    }
}

/// What happened of late.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Report {
    /// [`super::SCHEMA`].
    pub schema: u32,
    /// Name of this host.
    pub host: String,
    /// From when, to the hour.
    pub from: String,
    /// Until when.
    pub to: String,
    /// Length in seconds, as it was asked for.
    pub since_s: u64,
    /// `enforce` or `observe`.
    pub mode: String,
    /// Offences of hosts.
    pub offences: u64,
    /// Hosts with offences: IPv4 addresses and IPv6 /64.
    pub hosts: u64,
    /// Offences that are in no list, because too many hosts came at once; since the agent started.
    pub left_out: u64,
    /// Bans in force now.
    pub bans: usize,
    /// Bans that ended because their time was over.
    pub expired: u64,
    /// What each rule decided, the busiest first.
    pub rules: Vec<RuleReport>,
    /// The worst offenders.
    pub top: Vec<TopOffenders>,
    /// Since when it is known who was spared and who came near a limit, where that is later than `from`: the agent started then.
    #[serde(default)]
    pub remembered_from: Option<String>,
    /// Hosts that misbehaved and were spared all the same, the latest first: those on the allowlist, and those that would have been
    /// banned but for what speaks for them.
    pub spared: Vec<SparedHost>,
    /// Who came near the limit of a rule, and neither reached it nor was banned or held.
    #[serde(default)]
    pub near: NearMisses,
    /// Packets dropped (in observe mode: that would have been) since the maps were made.
    pub dropped: u64,
    /// SYNs refused because of limits since the maps were made.
    pub limited: u64,
    /// How full the filter's maps of bans are.
    pub maps: Vec<MapFill>,
    /// The logs, with what was not understood or lost since the agent started.
    pub sources: Vec<Source>,
    /// What is wrong now.
    pub problems: Vec<String>,
}

/// What a rule decided.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RuleReport {
    /// Name of the rule, or `manual`.
    pub rule: String,
    /// New bans.
    pub bans: u64,
    /// What would have been: bans, of accounts holds, kicks and notices.
    pub would_bans: u64,
    /// Delays.
    pub delays: u64,
    /// Accounts held.
    pub holds: u64,
    /// Kicks of live connections.
    pub kicks: u64,
    /// Notices.
    pub notices: u64,
    /// Bans of it in force now.
    pub in_force: u64,
}

/// The worst offenders of one sort.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TopOffenders {
    /// By what they are put together.
    pub by: ReportBy,
    /// How many there are in all.
    pub total: usize,
    /// The worst first.
    pub offenders: Vec<Offender>,
}

/// Who made offences.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Offender {
    /// A network, or an account (escaped).
    pub who: String,
    /// How many.
    pub offences: u64,
    /// Hosts of a network; 1 for a host; `null` for an account.
    pub hosts: Option<u64>,
    /// The hour of the first.
    pub first: String,
    /// The hour of the last.
    pub last: String,
    /// By kind, the most frequent first.
    pub kinds: Vec<KindCount>,
}

/// How full a map is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MapFill {
    /// Which.
    pub map: String,
    /// Bans in it.
    pub used: u64,
    /// Bans that it can hold.
    pub capacity: u64,
}

/// A host that misbehaved and was spared.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SparedHost {
    /// Which host, or network.
    pub net: String,
    /// What spared it.
    pub because: String,
    /// Offences, where it is on the allowlist.
    pub offences: u64,
    /// How often it reached the limit of a rule.
    pub breaches: u64,
    /// The rule of the last time.
    pub rule: Option<String>,
    /// When it was spared last.
    pub last: String,
}

/// Those who came to four fifths of a limit.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct NearMisses {
    /// How many there are in all.
    pub total: usize,
    /// The nearest first.
    pub shown: Vec<NearView>,
}

/// Somebody who came near a limit.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NearView {
    /// A host, a network, or an account (escaped).
    pub who: String,
    /// Whether it is an account.
    pub is_account: bool,
    /// Name of the rule.
    pub rule: String,
    /// The highest sum.
    pub count: u32,
    /// The limit.
    pub limit: u32,
    /// When it came near last.
    pub last: String,
}

/// Offences of one kind.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct KindCount {
    /// Name of the event kind.
    pub kind: String,
    /// How many.
    pub count: u64,
}
