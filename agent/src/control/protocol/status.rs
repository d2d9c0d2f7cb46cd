//! What `mailwall status` tells of the agent and its filter.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::SCHEMA;
use super::{NotifierView, PolicyView, Source};

/// State of the agent and its filter.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the agent.
    pub version: String,
    /// Process id of the agent.
    pub pid: u32,
    /// Since when the agent runs.
    pub started: String,
    /// For how long.
    pub uptime_s: u64,
    /// `enforce` or `observe`.
    pub mode: String,
    /// Guarded ports.
    pub ports: Vec<u16>,
    /// Where the filter is attached, and where it should be.
    pub interfaces: Vec<Interface>,
    /// Bans in force.
    pub bans: usize,
    /// Bans of each list that has some, by its name.
    #[serde(default)]
    pub lists: BTreeMap<String, usize>,
    /// Allowlisted nets.
    pub allowed: usize,
    /// Packets dropped (in observe mode: that would have been) since the maps were made.
    pub dropped: u64,
    /// Drops a second over the last ten seconds or so.
    pub drops_per_s: f64,
    /// Hosts with offences that are counted now.
    pub tracked: usize,
    /// The logs.
    pub sources: Vec<Source>,
    /// Limits on connections.
    pub limits: Limits,
    /// The policy service for Postfix; `null` where none is configured.
    #[serde(default)]
    pub policy: Option<PolicyView>,
    /// Who is told of decisions.
    #[serde(default)]
    pub notifiers: Vec<NotifierView>,
    /// What the database takes; `null` where it cannot be read.
    #[serde(default)]
    pub database: Option<DatabaseView>,
    /// What is wrong, worst first; empty when all is well.
    pub problems: Vec<String>,
}

/// The database.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DatabaseView {
    /// Bytes in use.
    pub bytes: u64,
    /// How many it may take: `[store] max_mb`.
    pub max_bytes: u64,
}

/// Limits on connections, and what they did since the maps were made.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Limits {
    /// In the order of the config; empty when nothing is limited.
    pub in_force: Vec<LimitView>,
    /// SYNs refused (in observe mode: that would have been) of sources that open connections too fast.
    pub over_rate: u64,
    /// SYNs refused (in observe mode: that would have been) of sources with too many open connections.
    pub over_concurrent: u64,
    /// Events of limits that were lost, because there were too many of them.
    pub lost_events: u64,
}

/// A limit as it is shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LimitView {
    /// For whom; `null` for everybody who is in no limited network.
    pub network: Option<IpNet>,
    /// New connections a minute; 0 for no such limit.
    pub per_minute: u32,
    /// Open connections; 0 for no such limit.
    pub concurrent: u32,
    /// `address` or `network`: who is counted as one.
    pub counts: String,
    /// In words.
    pub description: String,
}

/// An interface that the filter guards or should.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// `native`, `generic`, `tc`, or `null` while not attached.
    pub mode: Option<String>,
    /// Whether by the program for frames in several buffers, which drivers want at a large MTU.
    pub multi_buffer: bool,
    /// Why it is not attached, or what is not as good as it could be.
    pub problem: Option<String>,
    /// What is as it should be, but may surprise.
    pub note: Option<String>,
}
