//! From a breach to what follows: a ban of whom, how long, and what it widens to; and what is no ban.

use std::{cmp::Reverse, time::SystemTime};

use ipnet::{IpNet, Ipv6Net};

use super::{Class, Judge, clemency::Plea};
use crate::{
    ban::{Ban, Cause, End, Evidence, Origin, Sort},
    decision::{Decision, Kick, Notice, Topic, Whom},
    event::{Event, EventKind},
    rule::{Breach, Found, Length, Mode, Moment, Note, RuleSettings, Rules, network},
};

/// What an event is to the sentence: no rule needs to know more of it than its note.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    pub(super) at: SystemTime,
    pub(super) cause: Cause,
}

impl Act {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            at: event.at,
            cause: Cause::of(event),
        }
    }

    /// As what it is when it names a bait.
    pub(super) fn baited(self) -> Self {
        let cause = Cause {
            kind: EventKind::Honeypot,
            ..self.cause
        };
        Self { cause, ..self }
    }
}

/// How long a ban is, and why.
pub(super) struct Sentence {
    pub(super) level: u8,
    length: Length,
}

impl Sentence {
    /// When a ban that begins at `at` is over.
    pub(super) fn end(&self, at: SystemTime) -> End {
        self.length.end(at)
    }
}

impl Judge {
    /// Shows every rule the event and imposes what follows.
    pub(super) fn judge(&mut self, note: Note, act: Act, host: IpNet) {
        let Found { mut breaches, near } = self.show_rules(note, act.cause.kind, host);
        if !near.is_empty() {
            self.note_near(near, act.at);
        }
        let mut others = Vec::new();
        if !breaches.is_empty() {
            for (rule, breach) in &mut breaches {
                let name = &self.counters[*rule].settings().name;
                self.near.reach(&Whom::Net(breach.net), name, act.at);
                breach.net = self.net_to_ban(*rule, breach.net);
            }
            let bans = |(rule, _): &mut (usize, Breach)| {
                let settings = self.counters[*rule].settings();
                settings.then.ban.is_none() || settings.mode == Mode::Observe
            };
            others.extend(breaches.extract_if(.., bans));
        }
        if breaches.len() > 1 {
            // The widest net first, of one net the longest ban: what they make superfluous is left out.
            breaches.sort_by_cached_key(|(index, breach)| {
                let sentence = self.sentence(*index, &breach.net, act.at);
                let length = sentence.map(|sentence| sentence.length);
                let net = breach.net;
                (net.prefix_len(), net, Reverse(length), *index)
            });
            breaches.dedup_by_key(|(_, breach)| breach.net);
        }
        for (index, breach) in breaches {
            self.impose(index, breach, host, act);
        }
        for (index, breach) in others {
            self.follow(index, breach, act);
        }
    }

    /// What the rules find that see an event of that kind.
    #[inline]
    fn show_rules(&mut self, note: Note, kind: EventKind, host: IpNet) -> Found {
        let mut found = Found::default();
        let interest = &self.interests[kind as usize];
        let classes = [
            (host, &interest.of_hosts, &mut self.hosts),
            (
                network(host.addr()),
                &interest.of_networks,
                &mut self.networks,
            ),
        ];
        for (subject, rules, class) in classes {
            let counts = |&rule: &usize| self.counters[rule].counts_note(&note);
            if !rules.iter().any(counts) {
                continue;
            }
            let Class {
                book,
                goods,
                good_of,
                rules: of_book,
            } = class;
            let rules = Rules {
                all: &mut self.counters,
                of_book,
                of_kind: rules,
                era: self.era,
                good: |rule: usize| {
                    let window = good_of.get(rule).copied().flatten();
                    window.map_or(0, |window| goods.sum(&subject, window, note.at()))
                },
            };
            book.observe(subject, note, self.longest, rules, &mut found);
        }
        found
    }

    /// What a rule bans for what `net` did: of an IPv6 host maybe the network around it, unless something in there is allowed.
    fn net_to_ban(&self, rule: usize, net: IpNet) -> IpNet {
        let length = self.counters[rule].settings().then.ipv6_prefix;
        let (IpNet::V6(host), Some(length)) = (net, length) else {
            return net;
        };
        let wide = Ipv6Net::new(host.addr(), length.min(host.prefix_len()));
        let wide = wide.map_or(net, |wide| IpNet::V6(wide.trunc()));
        match self.allowlist.inside(wide).next() {
            None => wide,
            Some(_) => net,
        }
    }

    /// What follows a breach of a rule that does not ban: it delays, or notifies, or only says what it would do.
    fn follow(&mut self, rule: usize, breach: Breach, act: Act) {
        let at = act.at;
        let settings = self.counters[rule].settings();
        let (mode, then) = (settings.mode, settings.then);
        match mode {
            Mode::Observe if then.delay.is_some() => self.would_delay(rule, breach, act),
            Mode::Observe if then.ban.is_some() => self.would_ban(rule, breach, act),
            Mode::Observe => {
                let evidence = self.evidence(settings, breach.net, at);
                let whom = Whom::Net(breach.net);
                self.would_act(rule, whom, (breach.count, breach.reason), at, evidence);
            }
            Mode::Enforce => {
                if then.notify && self.is_worth_a_notice(rule, breach.net, at) {
                    self.notify(rule, &breach, at);
                }
                self.delay(rule, breach, act);
            }
        }
    }

    /// Bans the net of a breach, and the net around it when that is one banned neighbour too many.
    fn impose(&mut self, rule: usize, breach: Breach, host: IpNet, act: Act) {
        let at = act.at;
        let mut breach = Some(breach);
        while let Some(Breach { net, count, reason }) = breach.take() {
            // A host is banned although something inside its prefix is allowed, which the filter then lets through; its
            // neighbours are not banned together with what is allowed.
            if net != host && self.allowlist.inside(net).next().is_some() {
                return;
            }
            let notice = Breach {
                net,
                count,
                reason: reason.clone(),
            };
            if !self.ban(rule, net, count, reason, act) {
                return;
            }
            let then = self.counters[rule].settings().then;
            if then.kick {
                self.decisions.push_back(Decision::Kick(Kick {
                    whom: Whom::Net(net),
                    origin: Origin::Rule(self.counters[rule].settings().name.clone()),
                }));
            }
            if then.notify {
                self.notify(rule, &notice, at);
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
    fn ban(&mut self, rule: usize, net: IpNet, count: u32, reason: String, act: Act) -> bool {
        let at = act.at;
        let Some(sentence) = self.sentence(rule, &net, at) else {
            return false;
        };
        let end = sentence.end(at);
        // A delay gives way to a ban.
        let stands = |ban: &Ban| ban.sort == Sort::Ban && (ban.end >= end || ban.net == net);
        let is_superfluous = self
            .bans
            .around(net)
            .any(|ban| !ban.end.is_over_at(at) && stands(ban));
        if is_superfluous {
            return false;
        }
        let plea = self.plea(rule, net, at);
        if plea == Plea::Spared || plea == Plea::Denied && !self.make_room(&net) {
            return false;
        }
        let settings = self.counters[rule].settings();
        let ban = Ban {
            net,
            sort: Sort::Ban,
            origin: Origin::Rule(settings.name.clone()),
            since: at,
            end,
            offences: count,
            cause: Some(act.cause),
            level: sentence.level,
            reason,
            evidence: self.evidence(settings, net, at),
        };
        if plea == Plea::Paused {
            self.decisions.push_back(Decision::WouldBan(ban));
            return false;
        }
        self.put_in_force(ban);
        true
    }

    /// `None` for a rule that does not ban.
    pub(super) fn sentence(&self, rule: usize, net: &IpNet, at: SystemTime) -> Option<Sentence> {
        let penalty = self.counters[rule].settings().then.ban?;
        let level = self.history.level(net, at, penalty.forget_after);
        Some(Sentence {
            level,
            length: penalty.length(level),
        })
    }

    /// Tells people that the rule was broken.
    fn notify(&mut self, rule: usize, breach: &Breach, at: SystemTime) {
        let settings = self.counters[rule].settings();
        self.decisions.push_back(Decision::Notify(Notice {
            at,
            whom: Some(Whom::Net(breach.net)),
            origin: Origin::Rule(settings.name.clone()),
            topic: Topic::Rule,
            text: breach.reason.clone(),
            evidence: self.evidence(settings, breach.net, at),
        }));
    }

    pub(super) fn evidence(
        &self,
        rule: &RuleSettings,
        net: IpNet,
        at: SystemTime,
    ) -> Vec<Evidence> {
        let from = at
            .checked_sub(rule.window)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let host = self.subjects.host(net.addr());
        self.pieces.against(net, host, &rule.count, from)
    }
}
