//! The judge: events go in, decisions come out. It reads no clock, does no I/O and draws no lots, so that the same events give
//! the same decisions on a live log and in a replay.
//!
//! The allowlist is asked first, then the bans in force: what a banned host does in the connections it still has counts for
//! nothing. Then every rule sees the event.

mod account_sentence;
mod accounts;
mod breaker;
mod class;
mod clemency;
mod delayed;
mod echoes;
mod endings;
mod evidence;
mod history;
mod holds;
mod interest;
mod listing;
mod manual;
mod name;
mod near;
mod observed;
mod patrons;
#[cfg(test)]
mod properties;
mod pulse;
mod regulars;
mod retold;
mod rule_state;
mod sentence;
mod snares;
mod spared;
mod tables;
#[cfg(test)]
mod tests;
mod widening;

use std::{
    collections::VecDeque,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;

use self::{
    accounts::Accounts,
    class::Class,
    clemency::{Clemency, is_login},
    endings::Endings,
    evidence::Pieces,
    history::History,
    interest::Interest,
    near::NearMisses,
    observed::Quiet,
    sentence::Act,
    widening::Neighbours,
};
pub use self::{
    breaker::{BreakerSettings, Pause},
    echoes::Echoes,
    evidence::EVIDENCE_BYTES_MAX,
    listing::Listing,
    manual::{Added, Refusal},
    near::{NEAR_MAX, NearMiss},
    retold::{Retold, Telling},
    rule_state::RuleState,
    spared::{Mercy, SPARED_MAX, Spared},
    tables::Table,
};
use crate::{
    allowlist::Allowlist,
    ban::{Ban, Sort},
    bans::Bans,
    decision::{Decision, Pardon},
    event::{Event, EventKind, Score},
    penalty::PastBan,
    rule::{Counter, ERAS, Moment, Note, Per, RuleSettings, Subjects, good_window, network},
};

/// How often what is out of its window is forgotten. It counts for nothing before; this frees its memory.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// What a judge judges by.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgeSettings {
    /// The rules, in the order in which they are tried. Their names are unique.
    pub rules: Vec<RuleSettings>,
    /// Length of the prefix that counts as one IPv6 host: 48 to 128.
    pub ipv6_prefix: u8,
}

/// See the module.
#[derive(Debug)]
pub struct Judge {
    subjects: Subjects,
    accounts: Accounts,
    counters: Vec<Counter>,
    /// How many times the rules have changed, modulo [`ERAS`].
    era: u8,
    hosts: Class,
    networks: Class,
    /// By kind of event.
    interests: Vec<Interest>,
    /// The longest window of a rule.
    longest: Duration,
    allowlist: Allowlist,
    bans: Bans,
    history: History,
    neighbours: Neighbours,
    quiet: Quiet,
    pieces: Pieces,
    retold: Retold,
    endings: Endings,
    near: NearMisses,
    clemency: Clemency,
    decisions: VecDeque<Decision>,
    next_forget: Option<SystemTime>,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(settings: JudgeSettings, allowlist: Allowlist) -> Self {
        let mut judge = Self {
            subjects: Subjects::new(settings.ipv6_prefix),
            accounts: Accounts::new(),
            counters: Vec::new(),
            era: 0,
            hosts: Class::of_hosts(),
            networks: Class::of_networks(),
            interests: Vec::new(),
            longest: Duration::ZERO,
            allowlist,
            bans: Bans::new(),
            history: History::new(),
            neighbours: Neighbours::new(),
            quiet: Quiet::new(),
            pieces: Pieces::new(),
            retold: Retold::new(),
            endings: Endings::new(),
            near: NearMisses::new(),
            clemency: Clemency::new(),
            decisions: VecDeque::new(),
            next_forget: None,
        };
        judge.reconfigure(settings);
        judge
    }

    /// Takes over what was in force and what is remembered of before. No decision follows; what the filter has no room for is
    /// left out.
    pub fn restore(&mut self, bans: Vec<Ban>, mut history: Vec<PastBan>) {
        history.sort_by_key(|past| (past.last, past.net));
        for past in history {
            self.history.restore(past);
        }
        let history = &mut self.history;
        self.bans.restore(bans, |ban| history.record(ban));
    }

    /// Judges by `settings` from here on. Bans stay, and so does what unchanged rules have counted.
    pub fn reconfigure(&mut self, settings: JudgeSettings) {
        let subjects = Subjects::new(settings.ipv6_prefix);
        self.era = (self.era + 1) % ERAS;
        if subjects != self.subjects || self.era == 0 {
            // Of other subjects, or too many changes ago to tell what was before which.
            self.counters.clear();
            self.hosts = Class::of_hosts();
            self.networks = Class::of_networks();
        }
        self.subjects = subjects;
        let mut old: Vec<Option<Counter>> = self.counters.drain(..).map(Some).collect();
        let mut to = vec![None; old.len()];
        for rule in settings.rules {
            let is_it = |known: &Option<Counter>| {
                known
                    .as_ref()
                    .is_some_and(|known| *known.settings() == rule)
            };
            let known = old.iter().position(is_it);
            let counter = known.and_then(|known| {
                to[known] = Some(self.counters.len());
                old[known].take()
            });
            self.counters
                .push(counter.unwrap_or_else(|| Counter::new(rule, self.era)));
        }
        self.quiet.keep(|name| {
            let mut rules = self.counters.iter().map(Counter::settings);
            rules.any(|rule| rule.name == *name)
        });
        self.accounts.reconfigure(&self.counters);
        self.longest = self
            .windows(|per| !per.per.is_of_accounts())
            .max()
            .unwrap_or_default();
        let of_networks: fn(Per) -> bool = |per| per == Per::Network;
        let of_hosts: fn(Per) -> bool = |per| matches!(per, Per::Address | Per::Session);
        let goods: Vec<Duration> = self.good_windows(of_hosts);
        self.hosts.reconfigure(&to, goods, &self.counters, of_hosts);
        let goods: Vec<Duration> = self.good_windows(of_networks);
        self.networks
            .reconfigure(&to, goods, &self.counters, of_networks);
        let has_goods = !self.hosts.goods.is_empty() || !self.networks.goods.is_empty();
        let interest = |kind: &EventKind| Interest::of(*kind, &self.counters, has_goods);
        self.interests = EventKind::ALL.iter().map(interest).collect();
        let counts = |kind| self.counters.iter().any(|rule| rule.counts_kind(kind));
        self.endings
            .want(counts(EventKind::AuthQuit) || counts(EventKind::AuthLost));
    }

    /// Asks `allowlist` from here on. Bans of nets that are wholly on it end.
    pub fn set_allowlist(&mut self, allowlist: Allowlist) {
        self.allowlist = allowlist;
        let covered = |ban: &&Ban| self.allowlist.covering_net(ban.net).is_some();
        let of = |ban: &Ban| (ban.end, ban.net);
        let mut allowed: Vec<_> = self.bans.each().filter(covered).map(of).collect();
        allowed.sort_unstable();
        for (_, net) in allowed {
            self.pardon(&net, Pardon::Allowed);
        }
    }

    /// Takes in an event; `event.at` is the judge's time. `text` is the log line it was read from, for evidence.
    pub fn handle_event(&mut self, event: &Event, text: &[u8]) {
        self.judge_account(event, text);
        if let Some(ending) = self.endings.note(event) {
            // Before the session is forgotten that it is an event of.
            self.handle_event(&ending, text);
        }
        let interest = &self.interests[event.kind as usize];
        if event.kind == EventKind::ServerFault {
            self.clemency.breaker.note_fault(event.at);
        }
        let Some(address) = event.address else {
            return;
        };
        let counts = interest.counts(event);
        // Of IPv6 a ban may widen.
        let for_network = !interest.of_networks.is_empty() || address.is_ipv6();
        let (is_good, ends_session) = (interest.is_good, interest.ends_session);
        if !counts && !is_good && !ends_session || self.clemency.may_talk(event) {
            return;
        }
        if let Some(entry) = self.allowlist.covering(address) {
            let entry = entry.net;
            self.note_allowed(address, entry, event);
            return;
        }
        let host = self.subjects.host(address);
        if (counts || is_good) && !self.is_banned(address, host, event.at) {
            if is_good {
                self.note_good(host, event.at);
                self.clemency.note_good(host, event);
            }
            if counts && let Some(score) = self.retold.untold(event) {
                self.count(event, score, host, text, for_network);
                if self.next_forget.is_none() {
                    self.next_forget = event.at.checked_add(FORGET_EVERY);
                }
            }
        }
        if ends_session && let Some(session) = event.session {
            self.hosts.book.end_session(&host, session);
        }
    }

    /// Ends what is over at `now` and forgets what no longer counts.
    pub fn handle_timeout(&mut self, now: SystemTime) {
        while let Some(ban) = self.bans.pop_over(now) {
            self.decisions.push_back(Decision::Unban {
                net: ban.net,
                pardon: Pardon::Expired,
            });
        }
        self.release_over(now);
        let turn = self.clemency.breaker.handle_timeout(now);
        self.tell(turn, now);
        if self.next_forget.is_some_and(|due| due <= now) {
            self.forget(Moment::from(now));
            let some_left = self.accounts.forget(now);
            self.next_forget = match self.tracked() + usize::from(some_left) {
                0 => None,
                _ => now.checked_add(FORGET_EVERY),
            };
        }
    }

    /// When [`Judge::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<SystemTime> {
        let resume = self.clemency.breaker.poll_timeout();
        let release = self.next_release();
        [self.bans.next_end(), self.next_forget, release, resume]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next thing that is to be done.
    pub fn next_decision(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    /// The bans in force.
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    /// The allowlist in force.
    pub fn allowlist(&self) -> &Allowlist {
        &self.allowlist
    }

    /// Hosts and networks that are kept: at most `rule::TRACKED_MAX` and `rule::NETWORKS_TRACKED_MAX`.
    pub fn tracked(&self) -> usize {
        self.hosts.book.len() + self.networks.book.len()
    }

    /// Bytes that they take beside what each takes.
    #[cfg(test)]
    fn remembered_bytes(&self) -> usize {
        self.hosts.book.bytes() + self.networks.book.bytes()
    }

    fn put_in_force(&mut self, ban: Ban) {
        self.history.record(&ban);
        self.bans.insert(ban.clone());
        self.decisions.push_back(Decision::Ban(ban));
    }

    /// Sees to it that there is room for a ban of `net`: when the filter is full, the automatic ban that ends next gives way.
    fn make_room(&mut self, net: &IpNet) -> bool {
        if self.bans.get(net).is_some() || !self.bans.is_full_for(net) {
            return true;
        }
        let Some(next) = self.bans.next_to_give_way(net) else {
            return false;
        };
        if let Some(ban) = self.bans.remove(&next) {
            if ban.sort == Sort::Ban {
                self.history.cut_short(&next, ban.since);
            }
            self.decisions.push_back(Decision::Unban {
                net: next,
                pardon: Pardon::Displaced,
            });
        }
        true
    }

    fn pardon(&mut self, net: &IpNet, pardon: Pardon) -> bool {
        let Some(ban) = self.bans.remove(net) else {
            return false;
        };
        if !ban.origin.is_operators() && ban.sort == Sort::Ban {
            self.history.take_back(net, ban.since);
        }
        self.hosts.book.forget_net(net);
        self.networks.book.forget_net(net);
        self.decisions
            .push_back(Decision::Unban { net: *net, pardon });
        true
    }

    /// Takes in what a rule counts, as far as nobody told it before: what of it weighs `score`.
    fn count(&mut self, event: &Event, score: Score, host: IpNet, text: &[u8], for_network: bool) {
        let (note, act) = (
            Note::new(event, &host, self.era).weighing(score),
            Act::of(event),
        );
        let mut is_baited = false;
        if event.is_offence() {
            is_baited = self.clemency.is_baited(event, text);
            let turn = self.clemency.note_offence(host, event);
            self.tell(turn, event.at);
        }
        self.pieces.keep(act, host, text, for_network);
        self.judge(note, act, host);
        if is_baited {
            let (note, act) = (note.baited(is_login(event.kind)), act.baited());
            self.pieces.keep(act, host, text, for_network);
            self.judge(note, act, host);
        }
    }

    /// Whether a ban shut `address` out at `at`: one in force, or one that is over but was not then. The log of a host lags
    /// behind, and the bans that its backlog led to may have ended before the rest of it is read.
    fn is_banned(&self, address: IpAddr, host: IpNet, at: SystemTime) -> bool {
        self.bans
            .covering(address)
            .any(|ban| ban.sort == Sort::Ban && !ban.end.is_over_at(at))
            || self.history.was_banned(&host, at)
            || self.history.was_network_banned(&host, at)
    }

    fn note_good(&mut self, host: IpNet, at: SystemTime) {
        let at = Moment::from(at);
        if !self.hosts.goods.is_empty() {
            self.hosts.goods.add(host, at);
        }
        if !self.networks.goods.is_empty() {
            self.networks.goods.add(network(host.addr()), at);
        }
    }

    fn forget(&mut self, now: Moment) {
        self.hosts.forget(now, self.longest);
        self.networks.forget(now, self.longest);
        self.neighbours.forget(now);
        self.quiet.forget(now);
        self.retold.forget(now);
        self.endings.forget(now);
        self.near.forget(now);
        self.clemency.forget(now);
    }

    /// The windows of the rules that are per such subjects.
    fn windows(&self, is_wanted: impl Fn(&RuleSettings) -> bool) -> impl Iterator<Item = Duration> {
        let settings = self.counters.iter().map(Counter::settings);
        settings
            .filter(move |rule| is_wanted(rule))
            .map(|rule| rule.window)
    }

    /// The windows in which rules ask for the good events of such subjects, each once.
    fn good_windows(&self, is_wanted: impl Fn(Per) -> bool) -> Vec<Duration> {
        let asks = |rule: &RuleSettings| rule.bad_share > 0 && is_wanted(rule.per);
        let mut windows: Vec<Duration> = self.windows(asks).map(good_window).collect();
        windows.sort_unstable();
        windows.dedup();
        windows
    }
}
