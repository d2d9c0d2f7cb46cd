//! What happened of late.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::SCHEMA;

/// The newest events.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct EventLog {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Oldest first.
    pub events: Vec<LoggedEvent>,
}

/// An offence, or a decision, as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LoggedEvent {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When.
    pub at: String,
    /// Name of the event kind, or `ban` or `unban`.
    pub event: String,
    /// Client, or net of the decision.
    pub net: Option<IpNet>,
    /// Protocol.
    pub service: Option<String>,
    /// Weight.
    pub score: f64,
    /// Account tried.
    pub account: Option<String>,
    /// Recipient named.
    pub recipient: Option<String>,
    /// Rule of a decision, or why a ban ended.
    pub rule: Option<String>,
    /// Length of a ban.
    pub for_s: Option<u64>,
    /// Name of the source.
    pub source: Option<String>,
    /// SYNs refused because of a limit.
    pub refused: Option<u32>,
}
