//! Rules in observe mode: what they would do, each time once. Whom a rule would have banned it is quiet about for as long as the
//! ban would have lasted, since a ban would have kept the rest away; a rule that notifies is quiet for as long as its window.

use std::{
    collections::HashMap,
    hash::BuildHasher as _,
    time::{Duration, SystemTime},
};

use foldhash::quality::RandomState;
use ipnet::IpNet;

use super::{Judge, name::Subject, sentence::Act};
use crate::{
    ban::{Ban, End, Evidence, Origin, RuleName, Sort},
    decision::{Decision, Deed, Trial, Whom},
    rule::{Breach, Length, Moment, Tracked},
};

/// Most that the judge is quiet about; beyond it what was told longest ago may be told once more.
pub(super) const QUIET_MAX: usize = 1 << 16;
/// Entries that are looked at only now and then are kept at most so long: as a ban is at most remembered.
const QUIET_LONGEST: Duration = Duration::from_secs(31 * 86_400);

/// What was told already.
#[derive(Debug)]
pub(super) struct Quiet {
    /// Until when, by host or account and rule.
    until: Tracked<(Subject, u64), (RuleName, End)>,
    /// What would have been done since the judge began, by rule.
    counted: HashMap<RuleName, u64>,
    hasher: RandomState,
}

impl Quiet {
    pub(super) fn new() -> Self {
        Self {
            until: Tracked::new(QUIET_MAX),
            counted: HashMap::new(),
            hasher: RandomState::default(),
        }
    }

    /// Whether `rule` has not told of somebody what lasts until after `at`; from here on it has, until `end`.
    fn is_news(&mut self, rule: &RuleName, of: Subject, at: SystemTime, end: End) -> bool {
        let key = (of, self.hasher.hash_one(rule));
        let known = self.until.get(&key);
        if known.is_some_and(|(_, until)| !until.is_over_at(at)) {
            return false;
        }
        let (entry, _) = self
            .until
            .touch(key, Moment::from(at), || (rule.clone(), end));
        entry.1 = end;
        true
    }

    /// Of how many nets or accounts what `rule` would have done would hold at `now`.
    pub(super) fn in_force(&self, rule: &RuleName, now: SystemTime) -> usize {
        let is_it = |(of, until): &&(RuleName, End)| of == rule && !until.is_over_at(now);
        self.until.values().filter(is_it).count()
    }

    /// How often `rule` would have done something so far.
    pub(super) fn counted(&self, rule: &RuleName) -> u64 {
        self.counted.get(rule).copied().unwrap_or(0)
    }

    /// Only these rules are left.
    pub(super) fn keep(&mut self, is_left: impl Fn(&RuleName) -> bool) {
        self.counted.retain(|rule, _| is_left(rule));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.until.len()
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.until.pop_idle(now, QUIET_LONGEST).is_some() {}
    }
}

impl Judge {
    /// Tells of the ban that a rule in observe mode would impose, and counts it.
    pub(super) fn would_ban(&mut self, rule: usize, breach: Breach, act: Act) {
        let at = act.at;
        let Some(sentence) = self.sentence(rule, &breach.net, at) else {
            return;
        };
        let settings = self.counters[rule].settings();
        let end = sentence.end(at);
        if !self
            .quiet
            .is_news(&settings.name, Subject::Net(breach.net), at, end)
        {
            return;
        }
        let ban = Ban {
            net: breach.net,
            sort: Sort::Ban,
            origin: Origin::Rule(settings.name.clone()),
            since: at,
            end,
            offences: breach.count,
            cause: Some(act.cause),
            level: sentence.level,
            reason: breach.reason,
            evidence: self.evidence(settings, breach.net, at),
        };
        *self.quiet.counted.entry(settings.name.clone()).or_default() += 1;
        self.decisions.push_back(Decision::WouldBan(ban));
    }

    /// Tells of the delay that a rule in observe mode would impose: the first of a window stands for all of them.
    pub(super) fn would_delay(&mut self, rule: usize, breach: Breach, act: Act) {
        let at = act.at;
        let settings = self.counters[rule].settings();
        let Some(delay) = settings.then.delay else {
            return;
        };
        let name = settings.name.clone();
        let after = |length| End::At(at.checked_add(length).unwrap_or(at));
        let end = after(delay.length(breach.count, settings.limit));
        let quiet_until = after(settings.window);
        if !self
            .quiet
            .is_news(&name, Subject::Net(breach.net), at, quiet_until)
        {
            return;
        }
        let evidence = self.evidence(self.counters[rule].settings(), breach.net, at);
        let ban = Ban {
            net: breach.net,
            sort: Sort::Delay,
            origin: Origin::Rule(name.clone()),
            since: at,
            end,
            offences: breach.count,
            cause: Some(act.cause),
            level: 0,
            reason: breach.reason,
            evidence,
        };
        *self.quiet.counted.entry(name).or_default() += 1;
        self.decisions.push_back(Decision::WouldBan(ban));
    }

    /// Tells what a rule in observe mode would do that bans nobody: hold an account, end its connections, tell people. The first
    /// time stands for all of those in which a hold would have lasted, or else of a window.
    pub(super) fn would_act(
        &mut self,
        rule: usize,
        whom: Whom,
        (count, reason): (u32, String),
        at: SystemTime,
        evidence: Vec<Evidence>,
    ) {
        let settings = self.counters[rule].settings();
        let (name, then) = (settings.name.clone(), settings.then);
        let lasts = then.hold.unwrap_or(Length::For(settings.window));
        let end = lasts.end(at);
        if !self.quiet.is_news(&name, Subject::from(&whom), at, end) {
            return;
        }
        *self.quiet.counted.entry(name.clone()).or_default() += 1;
        self.decisions.push_back(Decision::WouldAct(Trial {
            whom,
            origin: Origin::Rule(name),
            at,
            deed: match (then.hold, then.kick) {
                (Some(_), _) => Deed::Hold,
                (None, true) => Deed::Kick,
                (None, false) => Deed::Notify,
            },
            doing: then.description(),
            count,
            reason,
            evidence,
        }));
    }

    /// Whether people are to be told that the rule was broken by `net`: once in its window.
    pub(super) fn is_worth_a_notice(&mut self, rule: usize, net: IpNet, at: SystemTime) -> bool {
        let settings = self.counters[rule].settings();
        let end = End::At(at.checked_add(settings.window).unwrap_or(at));
        self.quiet
            .is_news(&settings.name, Subject::Net(net), at, end)
    }
}
