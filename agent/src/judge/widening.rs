//! Widening of IPv6 bans: an attacker moves through the prefixes that its provider gave it, so when enough neighbours are
//! banned, what holds them is.

use std::time::Duration;

use ipnet::IpNet;

use crate::rule::{Moment, Tracked};

/// Neighbours count together when they were banned within this time of each other (research D-11).
const WITHIN: Duration = Duration::from_secs(3_600);
/// Most networks that are watched; the one longest without a ban inside is forgotten.
pub(super) const WATCHED_MAX: usize = 16_384;

/// How many banned neighbours make the net of `length` around them banned (research D-11: three /64 of a /56, four /56 of a
/// /48; the first step is for hosts told apart by more than 64 bits).
const STEPS: [Step; 3] = [
    Step {
        length: 64,
        enough: 3,
    },
    Step {
        length: 56,
        enough: 3,
    },
    Step {
        length: 48,
        enough: 4,
    },
];

struct Step {
    length: u8,
    enough: usize,
}

/// The bans of late, by the net around them.
#[derive(Debug)]
pub(super) struct Neighbours {
    watched: Tracked<IpNet, Vec<Neighbour>>,
}

#[derive(Clone, Copy, Debug)]
struct Neighbour {
    net: IpNet,
    at: Moment,
    offences: u32,
}

/// A net with enough banned neighbours in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Widened {
    pub(super) net: IpNet,
    pub(super) offences: u32,
    pub(super) reason: String,
}

impl Neighbours {
    pub(super) fn new() -> Self {
        Self {
            watched: Tracked::new(WATCHED_MAX),
        }
    }

    /// An IPv6 net was banned; the net around it, when that is one too many there.
    pub(super) fn add(&mut self, net: IpNet, at: Moment, offences: u32) -> Option<Widened> {
        let IpNet::V6(_) = net else {
            return None;
        };
        let step = STEPS.iter().find(|step| step.length < net.prefix_len())?;
        let wide = IpNet::new(net.addr(), step.length).ok()?.trunc();
        let (neighbours, _) = self.watched.touch(wide, at, Vec::new);
        neighbours.retain(|known| known.net != net && known.at.apart(at) <= WITHIN);
        neighbours.push(Neighbour { net, at, offences });
        if neighbours.len() < step.enough {
            return None;
        }
        let widened = Widened {
            net: wide,
            offences: neighbours
                .iter()
                .fold(0, |sum: u32, one| sum.saturating_add(one.offences)),
            reason: format!(
                "{} banned networks in one /{}",
                neighbours.len(),
                step.length
            ),
        };
        self.watched.remove(&wide);
        Some(widened)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.watched.len()
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.watched.pop_idle(now, WITHIN).is_some() {}
    }
}
