//! Delays: a short time in which a host's next connection is refused, or its commands are answered late. They end by themselves,
//! and what the host does meanwhile counts on.

use std::time::Duration;

use super::{Judge, sentence::Act};
use crate::{
    ban::{Ban, End, Origin, Sort},
    decision::{Decision, Tarpit},
    rule::{Breach, DelayBy},
};

impl Judge {
    /// Delays the net of a breach, unless it is shut out anyway.
    pub(super) fn delay(&mut self, rule: usize, breach: Breach, act: Act) {
        let at = act.at;
        let settings = self.counters[rule].settings();
        let Some(delay) = settings.then.delay else {
            return;
        };
        let Breach { net, count, .. } = breach;
        let length = delay.length(count, settings.limit);
        let is_banned = |ban: &Ban| ban.sort == Sort::Ban && !ban.end.is_over_at(at);
        if length == Duration::ZERO || self.bans.around(net).any(is_banned) {
            return;
        }
        match delay.by {
            DelayBy::Filter => self.delay_in_filter(rule, breach, length, act),
            DelayBy::Policy => {
                let until = at.checked_add(settings.window).unwrap_or(at);
                self.decisions.push_back(Decision::Tarpit(Tarpit {
                    net,
                    origin: Origin::Rule(settings.name.clone()),
                    since: at,
                    until,
                    delay: length,
                    count,
                    reason: breach.reason,
                }));
            }
        }
    }

    fn delay_in_filter(&mut self, rule: usize, breach: Breach, length: Duration, act: Act) {
        let at = act.at;
        let Breach { net, count, reason } = breach;
        let end = End::At(at.checked_add(length).unwrap_or(at));
        let is_known = |ban: &Ban| ban.end >= end;
        let known = self.bans.get(&net);
        // A delay is not worth the end of a ban: where the filter is full there is none.
        if known.is_some_and(is_known) || known.is_none() && self.bans.is_full_for(&net) {
            return;
        }
        let settings = self.counters[rule].settings();
        let ban = Ban {
            net,
            sort: Sort::Delay,
            origin: Origin::Rule(settings.name.clone()),
            since: at,
            end,
            offences: count,
            cause: Some(act.cause),
            level: 0,
            reason,
            evidence: self.evidence(settings, net, at),
        };
        self.put_in_force(ban);
    }
}
