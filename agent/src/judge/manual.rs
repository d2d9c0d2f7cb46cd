//! Bans by the operator's word.

use std::{fmt, time::SystemTime};

use ipnet::IpNet;

use super::Judge;
use crate::{
    allowlist::AllowEntry,
    ban::{Ban, End, Origin, REASON_MAX, Sort},
    decision::Pardon,
    line::escaped,
};

/// What came of a manual ban.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Added {
    /// There was none of that net.
    New,
    /// There was one of that net, which it replaces.
    Renewed,
}

/// Why a net is not banned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The allowlist forbids it.
    Allowed(AllowEntry),
    /// The filter has no room for more bans of its kind.
    Full,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(entry) => write!(f, "it is on the allowlist: {entry}"),
            Self::Full => f.write_str("the filter has no room for more bans of this kind"),
        }
    }
}

impl Judge {
    /// Bans `net` by the operator's word, in place of any ban of that net; the evidence of that is kept. Whether the allowlist
    /// or a lack of room forbids it, [`Judge::refusal`] says before.
    pub fn add_ban(
        &mut self,
        net: IpNet,
        end: End,
        reason: String,
        now: SystemTime,
    ) -> Result<Added, Refusal> {
        let net = net.trunc();
        if let Some(refusal) = self.refusal(&net) {
            return Err(refusal);
        }
        self.make_room(&net);
        let old = self.bans.remove(&net);
        let added = match &old {
            Some(old) if old.sort == Sort::Ban => {
                self.history.cut_short(&net, old.since);
                Added::Renewed
            }
            Some(_) | None => Added::New,
        };
        let (level, evidence) = old.map_or((0, Vec::new()), |old| (old.level, old.evidence));
        self.put_in_force(Ban {
            level,
            reason: escaped(reason.as_bytes(), REASON_MAX - '…'.len_utf8()),
            evidence,
            ..Ban::new(net, Origin::Manual, now, end)
        });
        Ok(added)
    }

    /// Why `net` cannot be banned by an operator; `None` when it can.
    pub fn refusal(&self, net: &IpNet) -> Option<Refusal> {
        if let Some(entry) = self.allowlist.covering_net(*net) {
            return Some(Refusal::Allowed(entry.clone()));
        }
        let without_room = self.bans.first_without_room([*net]);
        without_room.map(|_| Refusal::Full)
    }

    /// The first of `nets` that cannot be banned by an operator together with those before it.
    pub fn first_refusal(&self, nets: &[IpNet]) -> Option<(IpNet, Refusal)> {
        let mut nets = nets.iter().map(IpNet::trunc);
        let allowed = nets.clone().find_map(|net| {
            let entry = self.allowlist.covering_net(net)?;
            Some((net, Refusal::Allowed(entry.clone())))
        });
        allowed.or_else(|| {
            let net = self.bans.first_without_room(&mut nets)?;
            Some((net, Refusal::Full))
        })
    }

    /// Ends the ban of exactly `net` by the operator's word: it is no step of the escalation, and what led to it is forgotten.
    /// Whether there was one.
    pub fn remove_ban(&mut self, net: &IpNet) -> bool {
        self.pardon(net, Pardon::Removed)
    }
}
