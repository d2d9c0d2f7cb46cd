//! The bans as the control socket shows them. What the loop knows is put down here; what the days before know is read in a
//! thread of its own.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{Daemon, view};
use crate::{
    ban::{Ban, Origin},
    control::{
        Reply,
        protocol::{Answer, BanCheck, BanFilter, BanList, BanSort, BanView, EvidenceView, SCHEMA},
    },
    store::TallyReader,
    tally::NetTally,
};

/// How far back bans of the same net are counted, and offences are looked for.
const PAST: Duration = Duration::from_secs(30 * 86_400);

/// The way to what the days before know.
pub(super) struct Past {
    reader: TallyReader,
    now: SystemTime,
}

impl Daemon {
    /// Lists bans, with what the days before know of them where that is asked for.
    pub(super) fn list_bans(
        &mut self,
        (sort, limit, only): (BanSort, usize, &BanFilter),
        past: bool,
        reply: Reply,
    ) {
        let mut list = self.ban_list(sort, limit, only);
        if !past {
            return reply.answer(Answer::BanList(list));
        }
        self.describe_rules(&mut list.bans);
        let past = self.past();
        spawn_blocking(move || {
            past.tell(&mut list.bans);
            reply.answer(Answer::BanList(list));
        });
    }

    /// Tells of the bans that cover an address, with what the days before know of them.
    pub(super) fn check_ban(&mut self, address: IpAddr, reply: Reply) {
        let mut check = self.check(address);
        self.describe_rules(&mut check.bans);
        let past = self.past();
        spawn_blocking(move || {
            past.tell(&mut check.bans);
            reply.answer(Answer::BanCheck(check));
        });
    }

    fn ban_list(&mut self, sort: BanSort, limit: usize, only: &BanFilter) -> BanList {
        let now = self.clock.now();
        let bans = self.judge.bans();
        let is_wanted = |ban: &&Ban| is_wanted(ban, only, now);
        let nets: Vec<IpNet> = bans.each().filter(is_wanted).map(|ban| ban.net).collect();
        let filter = self.filter.as_mut();
        let dropped = filter
            .and_then(|filter| filter.drops_of_each(&nets).ok())
            .unwrap_or_else(|| vec![None; nets.len()]);
        let mut listed: Vec<(&Ban, Option<u64>)> =
            bans.each().filter(is_wanted).zip(dropped).collect();
        match sort {
            BanSort::Added => listed.sort_by_key(|(ban, _)| (ban.since, ban.net)),
            BanSort::Ends => listed.sort_by_key(|(ban, _)| (ban.end, ban.net)),
            BanSort::Drops => {
                listed.sort_by_key(|(ban, dropped)| (Reverse(*dropped), ban.net));
            }
        }
        let total = listed.len();
        if limit > 0 {
            // The newest of a list in the order of adding are at its end.
            match sort {
                BanSort::Added => listed.drain(..total.saturating_sub(limit)).for_each(drop),
                BanSort::Ends | BanSort::Drops => listed.truncate(limit),
            }
        }
        let bans = listed
            .into_iter()
            .map(|(ban, dropped)| self.list_view(ban, dropped))
            .collect();
        BanList {
            schema: SCHEMA,
            total,
            bans,
        }
    }

    fn check(&self, address: IpAddr) -> BanCheck {
        let now = self.clock.now();
        let bans: Vec<_> = self
            .judge
            .bans()
            .covering(address)
            .filter(|ban| !ban.end.is_over_at(now))
            .map(|ban| self.ban_view(ban))
            .collect();
        let allowed = self
            .judge
            .allowlist()
            .covering(address)
            .map(view::allow_view);
        BanCheck {
            schema: SCHEMA,
            address,
            banned: !bans.is_empty() && allowed.is_none(),
            bans,
            allowed,
        }
    }

    /// A ban with its evidence.
    fn ban_view(&self, ban: &Ban) -> BanView {
        let evidence = ban.evidence.iter().map(|evidence| EvidenceView {
            at: view::time(evidence.at, &self.clock),
            text: evidence.text.clone(),
        });
        let dropped = self
            .filter
            .as_ref()
            .and_then(|filter| filter.drops(&ban.net));
        BanView {
            evidence: evidence.collect(),
            ..self.list_view(ban, dropped)
        }
    }

    fn list_view(&self, ban: &Ban, dropped: Option<u64>) -> BanView {
        let now = self.clock.now();
        BanView {
            net: ban.net,
            rule: ban.origin.to_string(),
            since: view::time(ban.since, &self.clock),
            age_s: now.duration_since(ban.since).unwrap_or_default().as_secs(),
            ends: self.end_view(ban.end),
            remaining_s: ban.end.remaining(now).map(|left| left.as_secs()),
            action: ban.sort.as_str().to_owned(),
            kind: ban.cause.map(|cause| cause.kind.to_string()),
            service: ban.cause.map(|cause| cause.service.to_string()),
            rule_description: None,
            bans_30d: None,
            first_seen: None,
            last_seen: None,
            offences: ban.offences,
            level: ban.level,
            dropped,
            reason: ban.reason.clone(),
            evidence: Vec::new(),
        }
    }

    fn describe_rules(&self, bans: &mut [BanView]) {
        let rules = self.config.rules.rules.iter();
        let described: HashMap<&str, String> = rules
            .map(|(rule, _)| (rule.name.as_str(), rule.description()))
            .collect();
        for ban in bans {
            ban.rule_description = described.get(ban.rule.as_str()).cloned();
        }
    }

    fn past(&mut self) -> Past {
        // What waits to be written is a part of it.
        self.save_tally();
        Past {
            reader: self.store.tally_reader(&self.clock),
            now: self.clock.wall(self.clock.now()),
        }
    }
}

impl Past {
    /// Tells what is known of the nets of `bans`. What cannot be read stays unknown: who is shut out is known all the same.
    fn tell(&self, bans: &mut [BanView]) {
        let nets = bans.iter().map(|ban| ban.net).collect();
        let known = match self.reader.read_nets(&nets, PAST) {
            Ok(known) => known,
            Err(error) => return warn!("no earlier bans in the list: {error}"),
        };
        for ban in bans {
            let Some(NetTally { bans, seen_ago }) = known.get(&ban.net) else {
                continue;
            };
            ban.bans_30d = Some(*bans);
            let at = |ago| view::wall_time(self.now.checked_sub(ago).unwrap_or(self.now));
            ban.first_seen = seen_ago.map(|(first, _)| at(first));
            ban.last_seen = seen_ago.map(|(_, last)| at(last));
        }
    }
}

fn is_wanted(ban: &Ban, only: &BanFilter, now: SystemTime) -> bool {
    let is_of_list = |list: &String| ban.origin.list().is_some_and(|name| name.as_str() == list);
    let is_of_rule = |name: &String| match &ban.origin {
        Origin::Rule(rule) => rule.as_str() == name,
        other => other.to_string() == *name,
    };
    let is_of_service = |service: &String| {
        let cause = ban.cause.as_ref();
        cause.is_some_and(|cause| cause.service.as_str() == service)
    };
    let is_near = |net: &IpNet| net.contains(&ban.net) || ban.net.contains(net);
    let is_new = |since_s: u64| {
        let age = now.duration_since(ban.since).unwrap_or_default();
        age <= Duration::from_secs(since_s)
    };
    only.list.as_ref().is_none_or(is_of_list)
        && only.rule.as_ref().is_none_or(is_of_rule)
        && only.service.as_ref().is_none_or(is_of_service)
        && only.net.as_ref().is_none_or(is_near)
        && only.since_s.is_none_or(is_new)
}
