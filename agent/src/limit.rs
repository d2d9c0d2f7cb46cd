//! Limits on connections, as the configuration gives them to the filter, and what the filter tells of them.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use mailwall_common::{KernelInstant, LimitEventKind};

/// Most limits: what the filter's maps hold.
pub const LIMITS_MAX: usize = mailwall_common::LIMITS_CAPACITY as usize;
/// Shortest IPv6 prefix that counts as one source: what one subscriber has.
pub const SOURCE_PREFIX_V6: u8 = 64;

/// A limit on connections to the guarded ports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LimitRule {
    /// Whom it is for; `None` for everybody who is in no limited network.
    pub network: Option<IpNet>,
    /// New connections a minute, all of which may come at once; 0 for no such limit.
    pub per_minute: u32,
    /// Open connections; 0 for no such limit.
    pub concurrent: u32,
    /// Who is counted as one.
    pub counts: Counts,
}

/// Who is counted as one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counts {
    /// Each IPv4 address, each IPv6 /64.
    Address,
    /// All of the network together.
    Network,
}

impl Counts {
    /// Every way to count.
    pub const ALL: &[Self] = &[Self::Address, Self::Network];

    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
        }
    }
}

impl LimitRule {
    /// Whether it limits anything: one that does not is an exception from a wider one.
    pub const fn limits_anything(&self) -> bool {
        self.per_minute != 0 || self.concurrent != 0
    }
}

impl fmt::Display for LimitRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.per_minute, self.concurrent) {
            (0, 0) => f.write_str("no limit")?,
            (rate, 0) => write!(f, "{rate} a minute")?,
            (0, open) => write!(f, "{open} open")?,
            (rate, open) => write!(f, "{rate} a minute, {open} open")?,
        }
        match (self.network, self.counts) {
            (None, _) => f.write_str(" for each source"),
            (Some(network), Counts::Address) => write!(f, " for each source in {network}"),
            (Some(network), Counts::Network) => write!(f, " for {network} as a whole"),
        }
    }
}

/// A source reached a limit, or is below it again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LimitNotice {
    /// When.
    pub at: KernelInstant,
    /// What happened.
    pub kind: LimitEventKind,
    /// Who is counted: an address, a /64, or a network as a whole.
    pub who: IpNet,
    /// The client that completed the connection with which the limit was reached, where it alone is counted: evidence.
    pub client: Option<IpAddr>,
    /// The guarded port of that connection.
    pub port: u16,
    /// SYNs refused since the transition before.
    pub refused: u32,
    /// Open connections.
    pub open: u32,
}

/// Kebab-case name of what happened, as `mailwall events` shows it.
pub const fn name(kind: LimitEventKind) -> &'static str {
    match kind {
        LimitEventKind::SynsOver => "syn-rate",
        LimitEventKind::SynsUnder => "syn-rate-ended",
        LimitEventKind::ConnectionsOver => "connection-rate",
        LimitEventKind::ConnectionsUnder => "connection-rate-ended",
        LimitEventKind::OpenOver => "open-connections",
        LimitEventKind::OpenUnder => "open-connections-ended",
    }
}
