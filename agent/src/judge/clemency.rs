//! Who is not banned although a rule's limit was reached, and when nobody is.
//!
//! In this order: the allowlist (which no rule sees); regulars, until their patience is over; hosts of providers, but for
//! guessing logins; and while bans pause, everybody.

use std::{net::IpAddr, time::SystemTime};

use ipnet::IpNet;

use super::{
    Judge,
    breaker::{Breaker, BreakerSettings, Pause, Turn},
    patrons::Patrons,
    pulse::Areas,
    regulars::{Good, Merit, Regulars},
    snares::Snares,
    spared::{Mercy, Spared, SparedHosts},
};
use crate::{
    ban::Origin,
    decision::{Decision, Notice, Topic},
    event::{Event, EventKind},
    honeypot::Baits,
    providers::Providers,
    regular::{Regular, SpareSettings},
    rule::{Moment, RuleSettings, kinds_named, network},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Clemency {
    pub(super) regulars: Regulars,
    pub(super) breaker: Breaker,
    pub(super) spared: SparedHosts,
    pub(super) patrons: Patrons,
    snares: Snares,
    early_talkers: Vec<IpNet>,
    providers: Providers,
    settings: SpareSettings,
}

/// What becomes of a ban that a rule asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Plea {
    /// It is put in force.
    Denied,
    /// Its host is spared.
    Spared,
    /// Bans pause.
    Paused,
}

impl Clemency {
    pub(super) fn new() -> Self {
        let settings = SpareSettings::default();
        Self {
            regulars: Regulars::new(settings),
            breaker: Breaker::new(BreakerSettings::default()),
            spared: SparedHosts::new(),
            patrons: Patrons::new(),
            snares: Snares::new(Baits::default()),
            early_talkers: Vec::new(),
            providers: Providers::default(),
            settings,
        }
    }

    /// A host did well.
    pub(super) fn note_good(&mut self, host: IpNet, event: &Event) {
        let good = match event.kind {
            EventKind::MailAccepted => Good::Mail,
            _ => Good::Login,
        };
        if let (Good::Login, Some(account)) = (good, event.account.as_deref()) {
            self.patrons.note(account, event.at);
        }
        if self.regulars.note(host, good, event.at) {
            let network = network(host.addr());
            if network != host {
                self.regulars.note(network, good, event.at);
            }
        }
        if let Some(regular) = self.regulars.regular_mut(host, event.at) {
            self.breaker.note_good(&mut regular.health, event.at);
        }
    }

    /// A host did what it should not have done.
    pub(super) fn note_offence(&mut self, host: IpNet, event: &Event) -> Option<Turn> {
        let regular = self.regulars.regular_mut(host, event.at)?;
        self.breaker.note_offence(&mut regular.health, event)
    }

    /// Whether the offence names a bait.
    pub(super) fn is_baited(&self, event: &Event, line: &[u8]) -> bool {
        let snares = &self.snares;
        let account = event.account.as_deref().filter(|_| is_login(event.kind));
        account
            .is_some_and(|account| snares.has_account(account) && !self.patrons.is_known(account))
            || event
                .recipient
                .as_deref()
                .is_some_and(|recipient| snares.has_recipient(recipient))
            || event
                .address
                .is_some_and(|address| snares.has_helo(line, address.to_canonical()))
    }

    /// What spares `net`; of one that is wider than a host also what its network `around` did.
    fn mercy(
        &self,
        rule: &RuleSettings,
        net: IpNet,
        around: Option<IpNet>,
        at: SystemTime,
    ) -> Option<Mercy> {
        let is_about_logins = is_about_logins(rule);
        let merit = match is_about_logins {
            true => Merit::Logins,
            false => Merit::Any,
        };
        // Between a host and its network nothing is remembered. A host that shares a network with a regular is none.
        let is_regular = |net: IpNet| self.regulars.is_regular(net, merit, at);
        let is_regular = is_regular(net) || around.is_some_and(is_regular);
        if rule.bad_share > 0
            && is_regular
            && self.spared.breaches_lately(&net, at) < self.settings.patience
        {
            return Some(Mercy::Regular);
        }
        let provider = self.providers.touching(net).filter(|_| !is_about_logins)?;
        Some(Mercy::Provider(provider.into()))
    }

    /// Whether the event is of a host that may talk early, and no more than that.
    pub(super) fn may_talk(&self, event: &Event) -> bool {
        event.kind == EventKind::EarlyTalker
            && event.address.is_some_and(|address| {
                let address = address.to_canonical();
                self.early_talkers.iter().any(|net| net.contains(&address))
            })
    }

    pub(super) fn forget(&mut self, now: Moment) {
        self.regulars.forget(now);
        self.patrons.forget(now);
        self.spared.forget(now);
    }
}

impl Judge {
    /// Spares regulars by `settings` from here on.
    pub fn set_spare(&mut self, settings: SpareSettings) {
        self.clemency.settings = settings;
        self.clemency.regulars.configure(settings);
    }

    /// Spares hosts of `providers` from here on.
    pub fn set_providers(&mut self, providers: Providers) {
        self.clemency.providers = providers;
    }

    /// Takes `baits` for what only bots use from here on.
    pub fn set_baits(&mut self, baits: Baits) {
        self.clemency.snares = Snares::new(baits);
    }

    /// Counts it for nothing from here on when a host of `nets` talks before the greeting. Each such event is compared with all of
    /// them: they are few.
    pub fn set_early_talkers(&mut self, nets: Vec<IpNet>) {
        self.clemency.early_talkers = nets;
    }

    /// Pauses bans by `settings` from here on.
    pub fn set_breaker(&mut self, settings: BreakerSettings) {
        self.clemency.breaker.configure(settings);
    }

    /// Takes over who did well before.
    pub fn restore_regulars(&mut self, regulars: Vec<Regular>) {
        self.clemency.regulars.restore(regulars);
    }

    /// What is to be remembered of those who did well since this was asked last.
    pub fn take_regulars(&mut self) -> Vec<Regular> {
        self.clemency.regulars.take_changed()
    }

    /// They could not be stored: they are to be remembered yet.
    pub fn give_back_regulars(&mut self, regulars: &[Regular]) {
        self.clemency.regulars.give_back(regulars);
    }

    /// Who misbehaved lately and was spared, at most [`super::SPARED_MAX`], the last one first.
    pub fn spared(&self) -> Vec<&Spared> {
        let mut spared: Vec<&Spared> = self.clemency.spared.iter().collect();
        spared.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.net.cmp(&b.net)));
        spared
    }

    /// The pause of bans, if they pause.
    pub fn pause(&self) -> Option<&Pause> {
        self.clemency.breaker.pause()
    }

    /// Until when nothing pauses bans, since an operator let them go on; `None` where that is over at `now`.
    pub fn muted_until(&self, now: SystemTime) -> Option<SystemTime> {
        let until = self.clemency.breaker.muted_until();
        until.filter(|until| *until > now)
    }

    /// Lets bans go on, and for an hour nothing pauses them. Whether they had paused.
    pub fn resume(&mut self, now: SystemTime) -> bool {
        let turn = self.clemency.breaker.resume(now);
        let had_paused = turn.is_some();
        self.tell(turn, now);
        had_paused
    }

    /// What spares a net that a rule would ban; it is noted.
    pub(super) fn plea(&mut self, rule: usize, net: IpNet, at: SystemTime) -> Plea {
        let settings = self.counters[rule].settings();
        let is_host = self.subjects.host(net.addr()) == net;
        let around = (!is_host).then(|| network(net.addr()));
        if let Some(mercy) = self.clemency.mercy(settings, net, around, at) {
            let name = settings.name.clone();
            self.clemency.spared.note_breach(net, mercy, name, at);
            return Plea::Spared;
        }
        let is_known = self.clemency.regulars.is_known(net, at);
        let areas = Areas::of(&settings.count);
        let (may_be, turn) = self.clemency.breaker.ask(is_known, areas, at);
        self.tell(turn, at);
        match may_be {
            true => Plea::Denied,
            false => Plea::Paused,
        }
    }

    /// Notes an offence of what is on the allowlist.
    pub(super) fn note_allowed(&mut self, address: IpAddr, entry: IpNet, event: &Event) {
        if event.is_offence() {
            self.clemency.spared.note_allowed(address, entry, event);
        }
    }

    /// Tells that bans pause, or that they go on.
    pub(super) fn tell(&mut self, turn: Option<Turn>, at: SystemTime) {
        let (topic, text) = match turn {
            None => return,
            Some(Turn::Paused(reason)) => (Topic::Alarm, format!("bans pause: {reason}")),
            Some(Turn::Resumed(text)) => (Topic::AllClear, text),
        };
        self.decisions.push_back(Decision::Notify(Notice {
            at,
            whom: None,
            origin: Origin::Breaker,
            topic,
            text,
            evidence: Vec::new(),
        }));
    }
}

/// Whether it is a try to log in.
pub(super) fn is_login(kind: EventKind) -> bool {
    matches!(kind, EventKind::AuthFailure | EventKind::AuthNotOffered)
}

/// Whether a rule counts nothing but logins.
fn is_about_logins(rule: &RuleSettings) -> bool {
    let ends = [EventKind::AuthQuit, EventKind::AuthLost];
    kinds_named("auth").is_some_and(|auth| {
        let is_one = |kind: &EventKind| auth.contains(kind) || ends.contains(kind);
        rule.count.iter().all(is_one)
    })
}
