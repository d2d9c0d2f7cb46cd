//! Hosts that misbehave, for who watches.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::{Request, SCHEMA};

/// Hosts by what they did of late: to [`Request::HostList`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct HostList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// How many are remembered.
    pub total: usize,
    /// Those with the highest scores, highest first.
    pub hosts: Vec<HostView>,
}

/// A host as it is shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct HostView {
    /// Whom: an IPv4 address, an IPv6 /64.
    pub net: IpNet,
    /// The weights of its offences, each halved every ten minutes.
    pub score: f64,
    /// Its offences since it is remembered.
    pub offences: u64,
    /// Name of the last one's kind.
    pub last: String,
    /// Protocol of the last one.
    pub service: String,
    /// How long ago that was.
    pub last_s: u64,
    /// Whether a ban covers it.
    pub banned: bool,
}
