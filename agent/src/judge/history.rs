//! The bans that were: the steps of the escalation, within bounds.

use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use crate::{
    ban::{Ban, End},
    penalty::{PAST_BANS_MAX, PastBan},
    rule::{Moment, NetKey, Tracked},
};

/// The past bans of all nets, those in force among them.
#[derive(Debug)]
pub(super) struct History {
    past: Tracked<NetKey, Remembered>,
    /// Lengths of the prefixes that there are or were past bans of, of each family.
    lengths: [Vec<u8>; 2],
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    past: PastBan,
    /// When the ban ended, if it was one of this judge.
    shut_out_until: Option<SystemTime>,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            past: Tracked::new(PAST_BANS_MAX),
            lengths: [Vec::new(), Vec::new()],
        }
    }

    /// Takes over what was remembered before this judge.
    pub(super) fn restore(&mut self, past: PastBan) {
        self.remember(Remembered {
            past,
            shut_out_until: None,
        });
    }

    /// Remembers a ban that begins.
    pub(super) fn record(&mut self, ban: &Ban) {
        let Some(past) = PastBan::of(ban) else {
            return;
        };
        self.remember(Remembered {
            past,
            shut_out_until: match ban.end {
                End::At(end) => Some(end),
                End::Never => None,
            },
        });
    }

    /// The level of a ban of `net` at `at`.
    pub(super) fn level(&self, net: &IpNet, at: SystemTime, forget_after: Duration) -> u8 {
        self.past
            .get(&NetKey(*net))
            .map_or(0, |known| known.past.level_at(at, forget_after))
    }

    /// Whether the last ban of `net` was not over at `at`. What lies before it is taken to be in it.
    pub(super) fn was_banned(&self, net: &IpNet, at: SystemTime) -> bool {
        self.past
            .get(&NetKey(*net))
            .and_then(|known| known.shut_out_until)
            .is_some_and(|until| at < until)
    }

    /// The same of any network around `host`.
    pub(super) fn was_network_banned(&self, host: &IpNet, at: SystemTime) -> bool {
        let lengths = self.lengths[family(host)].iter();
        lengths
            .filter(|length| **length < host.prefix_len())
            .filter_map(|length| IpNet::new(host.addr(), *length).ok())
            .any(|around| self.was_banned(&around.trunc(), at))
    }

    /// The last ban of `net`, in force since `since`, ends before its time.
    pub(super) fn cut_short(&mut self, net: &IpNet, since: SystemTime) {
        if let Some(known) = self.past.get_mut(&NetKey(*net)) {
            known.past.last = known.past.last.min(since);
            known.shut_out_until = None;
        }
    }

    /// The last ban of `net`, in force since `since`, should not have been.
    pub(super) fn take_back(&mut self, net: &IpNet, since: SystemTime) {
        self.cut_short(net, since);
        if let Some(known) = self.past.get_mut(&NetKey(*net)) {
            known.past.level = known.past.level.saturating_sub(1);
            if known.past.level == 0 {
                self.past.remove(&NetKey(*net));
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.past.len()
    }

    fn remember(&mut self, new: Remembered) {
        let net = new.past.net;
        let lengths = &mut self.lengths[family(&net)];
        if !lengths.contains(&net.prefix_len()) {
            lengths.push(net.prefix_len());
        }
        let (known, _) = self
            .past
            .touch(NetKey(new.past.net), Moment::from(new.past.last), || new);
        *known = new;
    }
}

fn family(net: &IpNet) -> usize {
    usize::from(net.addr().is_ipv6())
}
