//! `--apply`: bans that would still be in force are handed to the agent.

use std::{collections::BTreeMap, time::SystemTime};

use ipnet::IpNet;

use crate::{
    allowlist::{AllowEntry, AllowOrigin},
    ban::Ban,
    bans::Bans,
    cli::{console::Console, exit::Exit, failure::Failure, number::count},
    control::protocol::{Answer, BanFilter, BanSort, BanView, Request},
};

/// What the running agent has in force.
pub(super) struct Agent {
    allowed: Vec<AllowEntry>,
    /// What it has banned, with what is left of the ban: `None` for what does not end.
    banned: BTreeMap<IpNet, Option<u64>>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Applied {
    pub(super) banned: usize,
    pub(super) refused: usize,
}

impl Agent {
    /// Asks the agent for its allowlist and its bans.
    pub(super) fn ask(console: &Console) -> Result<Self, Failure> {
        let Answer::AllowList(list) = console.ask(&Request::AllowList)? else {
            return Err(Failure::other_answer());
        };
        let request = Request::BanList {
            sort: BanSort::default(),
            limit: 0,
            only: BanFilter::default(),
            past: false,
        };
        let Answer::BanList(bans) = console.ask(&request)? else {
            return Err(Failure::other_answer());
        };
        let entry = |net, reason| AllowEntry {
            net,
            origin: AllowOrigin::Manual,
            reason,
        };
        let left = |ban: BanView| (ban.net, ban.remaining_s);
        Ok(Self {
            allowed: list
                .allowed
                .into_iter()
                .map(|view| entry(view.net, view.reason))
                .collect(),
            banned: bans.bans.into_iter().map(left).collect(),
        })
    }

    /// What the agent never bans.
    pub(super) fn allowed(&self) -> impl Iterator<Item = AllowEntry> {
        self.allowed.iter().cloned()
    }

    /// Has the agent ban what would be in force at `now`, but for what it has banned for as long itself.
    pub(super) fn apply(
        &self,
        bans: &Bans,
        now: SystemTime,
        console: &Console,
    ) -> Result<Applied, Failure> {
        let mut applied = Applied {
            banned: 0,
            refused: 0,
        };
        for ((for_s, reason), nets) in self.requests(bans, now) {
            let asked = nets.len();
            let request = Request::BanAdd {
                nets,
                for_s,
                reason,
                caller: None,
                wide: false,
            };
            match console.ask(&request) {
                Ok(Answer::BanAdded(added)) => {
                    applied.banned += added.added + added.renewed;
                    added.warnings.iter().for_each(|text| console.warn(text));
                }
                Ok(_) => return Err(Failure::other_answer()),
                Err(Failure::Said {
                    error,
                    exit: Exit::Failed,
                    ..
                }) => {
                    applied.refused += asked;
                    console.warn(&error);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(applied)
    }

    /// The nets to ban, by how many seconds (`None` for until somebody removes the ban) and for what reason: a request each.
    fn requests(
        &self,
        bans: &Bans,
        now: SystemTime,
    ) -> BTreeMap<(Option<u64>, String), Vec<IpNet>> {
        let mut requests: BTreeMap<(Option<u64>, String), Vec<IpNet>> = BTreeMap::new();
        for ban in bans.iter() {
            let left_s = ban.end.remaining(now).map(|left| left.as_secs());
            if left_s != Some(0) && !self.has_banned(ban, left_s) {
                let reason = format!("analyze: {}: {}", ban.origin, ban.reason);
                requests.entry((left_s, reason)).or_default().push(ban.net);
            }
        }
        requests
    }

    fn has_banned(&self, ban: &Ban, left_s: Option<u64>) -> bool {
        match (self.banned.get(&ban.net), left_s) {
            (Some(Some(present_s)), Some(left_s)) => *present_s >= left_s,
            (Some(Some(_)), None) | (None, _) => false,
            (Some(None), _) => true,
        }
    }
}

impl Applied {
    pub(super) fn sentence(&self) -> String {
        let banned = format!("banned {}", count(self.banned, "network", "networks"));
        match self.refused {
            0 => banned,
            refused => format!(
                "{banned}, refused {}",
                count(refused, "network", "networks")
            ),
        }
    }
}
