//! Bans that an operator puts in force many at once, such as a list: what changes is found out first, and then done whole.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use foldhash::quality::RandomState;
use ipnet::IpNet;

use super::{Judge, Refusal};
use crate::{
    allowlist::AllowEntry,
    ban::{Ban, End, ListName},
    decision::{Decision, Pardon},
};

/// Ends that differ by less are the same: lists tell whole seconds.
const SAME_END: Duration = Duration::from_secs(2);

/// What a list changes.
#[derive(Debug, Default)]
pub struct Listing {
    /// Bans that begin, or change.
    enter: Vec<Ban>,
    /// Bans that end.
    leave: Vec<IpNet>,
    /// Bans of nets that had none.
    pub added: usize,
    /// Bans in place of others of the same nets.
    pub renewed: usize,
    /// Bans that stay as they are.
    pub kept: usize,
    /// Nets that stay banned by somebody else.
    pub held: usize,
    /// Bans that would be over.
    pub over: usize,
    /// Nets that the allowlist keeps from being banned.
    pub allowed: Vec<(IpNet, AllowEntry)>,
}

impl Listing {
    /// How many bans end.
    pub fn removed(&self) -> usize {
        self.leave.len()
    }
}

impl Judge {
    /// What changes when `bans` are put in force, and, where a list is named, all else that it has ends. A ban that the list
    /// has already stays, with its beginning and its evidence. What is banned by hand or by another list is left alone.
    ///
    /// # Errors
    ///
    /// With the net that there is no room for.
    pub fn list(
        &self,
        bans: Vec<Ban>,
        replaced: Option<&ListName>,
        now: SystemTime,
    ) -> Result<Listing, (IpNet, Refusal)> {
        let mut listing = Listing::default();
        let wanted = once_each(bans);
        let mut stay: HashSet<IpNet, RandomState> = HashSet::default();
        for ban in wanted {
            if ban.end.is_over_at(now) {
                listing.over += 1;
            } else if let Some(entry) = self.allowlist.covering_net(ban.net) {
                listing.allowed.push((ban.net, entry.clone()));
            } else {
                stay.insert(ban.net);
                let old = self.bans.get(&ban.net);
                let old = old.filter(|old| !old.end.is_over_at(now));
                listing.put(ban, old);
            }
        }
        if let Some(replaced) = replaced {
            let gone = self
                .bans
                .iter()
                .filter(|ban| ban.origin.list() == Some(replaced) && !stay.contains(&ban.net));
            listing.leave = gone.map(|ban| ban.net).collect();
        }
        let leaving = listing.leave.iter().filter_map(|net| self.bans.get(net));
        let entering = listing.enter.iter().map(|ban| ban.net);
        match self.bans.first_without_room_after(leaving, entering) {
            Some(net) => Err((net, Refusal::Full)),
            None => Ok(listing),
        }
    }

    /// Does what [`Judge::list`] found out, which nothing may have come after.
    pub fn put_list(&mut self, listing: Listing) {
        for net in listing.leave {
            if self.bans.remove(&net).is_some() {
                let pardon = Pardon::Unlisted;
                self.decisions.push_back(Decision::Unban { net, pardon });
            }
        }
        for ban in listing.enter {
            self.make_room(&ban.net);
            if let Some(old) = self.bans.remove(&ban.net) {
                self.history.cut_short(&ban.net, old.since);
            }
            self.put_in_force(ban);
        }
    }
}

impl Listing {
    /// One more ban, of a net that may have one.
    fn put(&mut self, ban: Ban, old: Option<&Ban>) {
        let Some(old) = old else {
            self.added += 1;
            return self.enter.push(ban);
        };
        let is_same = old.origin == ban.origin;
        let is_as_wanted = match ban.origin.list() {
            Some(_) => old.reason == ban.reason && ends_with(old.end, ban.end),
            None => old.end >= ban.end,
        };
        if is_same && is_as_wanted {
            self.kept += 1;
        } else if !is_same && stands(old, &ban) {
            self.held += 1;
        } else {
            self.renewed += 1;
            self.enter.push(Ban {
                since: if is_same { old.since } else { ban.since },
                evidence: old.evidence.clone(),
                ..ban
            });
        }
    }
}

/// Whether a ban of somebody else stays in place of a new one of the same net.
fn stands(old: &Ban, new: &Ban) -> bool {
    match (old.origin.is_operators(), new.origin.list().is_some()) {
        // Lists leave alone what an operator wants otherwise.
        (true, true) => true,
        // A list outlives what a rule says.
        (false, true) => false,
        (_, false) => old.end >= new.end,
    }
}

fn ends_with(a: End, b: End) -> bool {
    match (a, b) {
        (End::Never, End::Never) => true,
        (End::At(a), End::At(b)) => {
            let apart = a.duration_since(b).or_else(|_| b.duration_since(a));
            apart.is_ok_and(|apart| apart < SAME_END)
        }
        _ => false,
    }
}

/// Each net once, with the ban of it that ends last, in the order in which they came.
fn once_each(bans: Vec<Ban>) -> Vec<Ban> {
    let mut at: HashMap<IpNet, usize, RandomState> = HashMap::default();
    let mut kept: Vec<Ban> = Vec::with_capacity(bans.len());
    for ban in bans {
        match at.get(&ban.net) {
            Some(known) if kept[*known].end < ban.end => kept[*known] = ban,
            Some(_) => {}
            None => {
                at.insert(ban.net, kept.len());
                kept.push(ban);
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests;
