//! From a breach to a ban: of whom, how long, and what it widens to.

use std::{
    cmp::Reverse,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;

use super::Judge;
use crate::{
    ban::{Ban, End, Evidence, Origin},
    event::Event,
    rule::{Breach, Moment, RuleSettings, Then},
};

/// How long a ban is, and why.
struct Sentence {
    level: u8,
    length: Duration,
}

impl Judge {
    /// Shows every rule the event and imposes what follows.
    pub(super) fn judge(&mut self, event: &Event, host: IpNet) {
        let at = Moment::from(event.at);
        let mut breaches: Vec<(usize, Breach)> = Vec::new();
        for &index in &self.interests[event.kind as usize].rules {
            let rule = &mut self.rules[index];
            let goods = rule.good.and_then(|good| self.goods.get(good));
            let breach = rule.counter.observe(event, host, |subject| {
                goods.map_or(0, |(_, goods)| goods.sum(subject, at))
            });
            breaches.extend(breach.map(|breach| (index, breach)));
        }
        if breaches.len() > 1 {
            // The widest net first, of one net the longest ban: what they make superfluous is left out.
            breaches.sort_by_cached_key(|(index, breach)| {
                let length = self.sentence(*index, &breach.net, event.at).length;
                let net = breach.net;
                (net.prefix_len(), net, Reverse(length), *index)
            });
            breaches.dedup_by_key(|(_, breach)| breach.net);
        }
        for (index, breach) in breaches {
            self.impose(index, breach, host, event.at);
        }
    }

    /// Bans the net of a breach, and the net around it when that is one banned neighbour too many.
    fn impose(&mut self, rule: usize, breach: Breach, host: IpNet, at: SystemTime) {
        let mut breach = Some(breach);
        while let Some(Breach { net, count, reason }) = breach.take() {
            // A host is banned although something inside its prefix is allowed, which the filter then lets through; its
            // neighbours are not banned together with what is allowed.
            if net != host && self.allowlist.inside(net).next().is_some() {
                return;
            }
            if !self.ban(rule, net, count, reason, at) {
                return;
            }
            breach = self
                .neighbours
                .add(net, Moment::from(at), count)
                .map(|widened| Breach {
                    net: widened.net,
                    count: widened.offences,
                    reason: widened.reason,
                });
        }
    }

    /// Bans `net` unless it is banned, or a ban covers it that ends no sooner, or there is no room. Whether it did.
    fn ban(&mut self, rule: usize, net: IpNet, count: u32, reason: String, at: SystemTime) -> bool {
        let Sentence { level, length } = self.sentence(rule, &net, at);
        let end = End::At(at.checked_add(length).unwrap_or(at));
        let stands = |ban: &Ban| ban.end >= end || ban.net == net;
        let is_superfluous = self
            .bans
            .around(net)
            .any(|ban| !ban.end.is_over_at(at) && stands(ban));
        if is_superfluous || !self.make_room(&net) {
            return false;
        }
        let settings = self.rules[rule].counter.settings();
        let ban = Ban {
            net,
            origin: Origin::Rule(settings.name.clone()),
            since: at,
            end,
            offences: count,
            level,
            reason,
            evidence: self.evidence(settings, net, at),
        };
        self.put_in_force(ban);
        true
    }

    fn sentence(&self, rule: usize, net: &IpNet, at: SystemTime) -> Sentence {
        let Then::Ban(penalty) = self.rules[rule].counter.settings().then;
        let level = self.history.level(net, at, penalty.forget_after);
        Sentence {
            level,
            length: penalty.length(level),
        }
    }

    fn evidence(&self, rule: &RuleSettings, net: IpNet, at: SystemTime) -> Vec<Evidence> {
        let from = at
            .checked_sub(rule.window)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        self.pieces.against(net, &rule.count, from)
    }
}
