//! Metrics in Prometheus' text format, for whoever scrapes them: `GET /metrics` on a socket of their own.
//!
//! [`FAMILIES`] is every metric there is. Labels are verdicts, rules, sources and other names that the configuration or the
//! program bounds; never addresses, accounts or anything else that comes from a log.

mod exposition;
mod family;
mod http;
mod listener;
mod process;
mod server;

use std::{fmt, net::SocketAddr, path::PathBuf};

pub use self::{
    exposition::Exposition,
    family::{FAMILIES, Family, Kind, families},
    listener::{Listener, listen},
    process::Usage,
    server::{CONNECTIONS_MAX, Scrape, serve},
};

/// Where metrics are served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// At a path, for root and, if there is one, a group.
    Unix {
        /// Where.
        path: PathBuf,
        /// Whose members may scrape it, beside root.
        group: Option<String>,
    },
    /// On TCP.
    Inet(SocketAddr),
}

/// As in the configuration.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            Self::Inet(address) => write!(f, "inet:{address}"),
        }
    }
}
