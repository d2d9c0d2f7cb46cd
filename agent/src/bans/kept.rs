//! The log lines that are kept with bans in force: those of the newest bans.

use std::{collections::VecDeque, time::SystemTime};

use ipnet::IpNet;

use super::by_net::ByNet;
use crate::ban::{Ban, Evidence};

/// Most bytes of log lines that are kept with bans in force; beyond it the bans that began longest ago lose theirs, which the store
/// still has.
pub const EVIDENCE_BYTES_MAX: usize = 32 << 20;

/// Entries of ended bans that may wait to be forgotten, beside one for each ban.
const STALE_MAX: usize = 1024;

/// Which bans have log lines, and how much those take.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: usize,
    /// Nets with the beginnings of their bans, in the order in which they were banned; some of those have no lines any more.
    bans: VecDeque<(IpNet, SystemTime)>,
}

impl Kept {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts so many bytes of the ban of `net` that began at `since`, which is in `by_net`; the oldest lose theirs for it.
    pub(super) fn add(&mut self, net: IpNet, since: SystemTime, bytes: usize, by_net: &mut ByNet) {
        if bytes == 0 {
            return;
        }
        self.bytes += bytes;
        self.bans.push_back((net, since));
        // Bans end in any order.
        if self.bans.len() > 2 * by_net.len() + STALE_MAX {
            self.bans.retain(|(net, since)| {
                let ban = by_net.get(net);
                ban.is_some_and(|ban| ban.since == *since)
            });
        }
        while self.bytes > EVIDENCE_BYTES_MAX {
            let Some((net, since)) = self.bans.pop_front() else {
                return;
            };
            let ban = by_net.get_mut(&net);
            if let Some(ban) = ban.filter(|ban| ban.since == since) {
                self.subtract(ban);
                ban.evidence = Vec::new();
            }
        }
    }

    /// Counts the lines of a ban no longer.
    pub(super) fn subtract(&mut self, ban: &Ban) {
        self.bytes -= bytes_of(ban);
    }
}

/// Bytes of a ban's evidence.
pub(super) fn bytes_of(ban: &Ban) -> usize {
    let pieces = ban.evidence.iter();
    pieces
        .map(|piece| size_of::<Evidence>() + piece.text.capacity())
        .sum()
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::{Duration, SystemTime},
    };

    use super::{Kept, STALE_MAX};
    use crate::bans::by_net::ByNet;

    #[test]
    fn what_ended_is_forgotten_in_time() {
        let (mut kept, mut by_net) = (Kept::default(), ByNet::default());
        for n in 0..10_000 {
            let net = IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n)).into();
            let since = SystemTime::UNIX_EPOCH + Duration::from_secs(n.into());
            kept.add(net, since, 1, &mut by_net);
            assert!(kept.bans.len() <= STALE_MAX);
        }
    }
}
