//! How fast clients open sessions, against the `[[limit]]`s: by the same reckoning as the kernel's, which counts every SYN. What
//! the kernel lets through is never too fast here; this words it where the kernel only observes, or does not see the packets.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use mailwall_common::Limit;

use super::Recent;
use crate::limit::{Counts, LimitRule, SOURCE_PREFIX_V6};

/// Most sources whose rate is known; a flood of more makes limits looser, never tighter.
const SOURCES_MAX: usize = 65_536;
/// A source that has been quiet for a minute has all its connections again.
const KEEP: Duration = Duration::from_secs(120);

/// When each source may have its next connection.
#[derive(Debug)]
pub(super) struct Rates {
    /// In nanoseconds since the epoch.
    due: Recent<IpNet, u64>,
}

impl Rates {
    pub(super) fn new() -> Self {
        Self {
            due: Recent::new(KEEP, SOURCES_MAX),
        }
    }

    /// Counts a new session of `client`, and tells whether it is within the limit.
    pub(super) fn admit(&mut self, limit: &LimitRule, client: IpAddr, now: SystemTime) -> bool {
        if limit.per_minute == 0 {
            return true;
        }
        let now_ns = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| {
                u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
            });
        let due = self.due.touch(&source(limit, client), now);
        match Limit::new(limit.per_minute, 0).admit(*due, now_ns) {
            Some(next) => {
                *due = next;
                true
            }
            None => false,
        }
    }
}

/// Who is counted as one.
fn source(limit: &LimitRule, client: IpAddr) -> IpNet {
    match (limit.counts, limit.network) {
        (Counts::Network, Some(network)) => network,
        _ => match client {
            IpAddr::V4(_) => IpNet::from(client),
            IpAddr::V6(_) => IpNet::new(client, SOURCE_PREFIX_V6)
                .map_or_else(|_| IpNet::from(client), |net| net.trunc()),
        },
    }
}
