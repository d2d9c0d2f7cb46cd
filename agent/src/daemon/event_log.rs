//! The newest offences and decisions, for `mailwall events`, and those who follow them.

use std::{collections::VecDeque, net::IpAddr, sync::Arc, time::SystemTime};

use ipnet::IpNet;

use super::{hosts::Hosts, tally::Tally};
use crate::{
    ban::Ban,
    clock::Clock,
    control::{
        Reply,
        protocol::{Answer, LoggedEvent, SCHEMA},
    },
    decision::{Decision, Whom},
    event::{Event, EventKind, Service},
    judge::Telling,
    limit::{self, LimitNotice},
};

/// Offences and decisions that are kept.
const KEPT_MAX: usize = 1000;

/// What happened of late.
#[derive(Default)]
pub(super) struct EventLog {
    kept: VecDeque<Entry>,
    followers: Vec<Reply>,
    /// Told to the followers at the end of a turn of the loop.
    untold: usize,
    tally: Tally,
    hosts: Hosts,
    /// The source of the newest offence: most have the same.
    source: Option<Arc<str>>,
}

struct Entry {
    /// Steady clock.
    at: SystemTime,
    what: What,
}

enum What {
    /// Not yet as it is shown: of most offences nobody wants to know.
    Offence {
        address: Option<IpAddr>,
        kind: EventKind,
        service: Service,
        score: f64,
        account: Option<Box<str>>,
        recipient: Option<Box<str>>,
        source: Arc<str>,
    },
    /// As shown, except for the time.
    Other(Box<LoggedEvent>),
}

impl EventLog {
    /// Keeps an offence; what is harmless is not kept.
    pub(super) fn note_event(&mut self, event: &Event, source: &str, telling: Telling) {
        self.tally.note_event(event);
        if !event.is_offence() {
            return;
        }
        if telling == Telling::First {
            self.hosts.note(event);
        }
        let what = What::Offence {
            address: event.address,
            kind: event.kind,
            service: event.service,
            score: event.score.as_f64(),
            account: event.account.as_deref().map(Box::from),
            recipient: event.recipient.as_deref().map(Box::from),
            source: self.source(source),
        };
        self.keep(event.at, what);
    }

    fn source(&mut self, name: &str) -> Arc<str> {
        let known = self.source.as_ref().filter(|known| ***known == *name);
        let source = known.map_or_else(|| Arc::from(name), Arc::clone);
        self.source = Some(Arc::clone(&source));
        source
    }

    /// Keeps a decision.
    pub(super) fn note_decision(&mut self, decision: &Decision, now: SystemTime) {
        self.tally.note_decision(decision);
        let shown = match decision {
            Decision::Ban(ban) => of_ban(ban, ban.sort.as_str()),
            Decision::Unban { net, pardon } => LoggedEvent {
                net: Some(*net),
                rule: Some(pardon.as_str().to_owned()),
                ..named("unban")
            },
            Decision::WouldBan(ban) => of_ban(ban, "would-ban"),
            Decision::WouldAct(trial) => LoggedEvent {
                rule: Some(trial.origin.to_string()),
                ..about(Some(&trial.whom), trial.deed.as_trial())
            },
            Decision::Tarpit(tarpit) => LoggedEvent {
                net: Some(tarpit.net),
                rule: Some(tarpit.origin.to_string()),
                for_s: Some(tarpit.delay.as_secs()),
                ..named("tarpit")
            },
            Decision::Hold(hold) => LoggedEvent {
                account: Some(hold.account.to_string()),
                rule: Some(hold.origin.to_string()),
                for_s: hold
                    .end
                    .remaining(hold.since)
                    .map(|length| length.as_secs()),
                ..named("hold")
            },
            Decision::Release { account, pardon } => LoggedEvent {
                account: Some(account.to_string()),
                rule: Some(pardon.as_str().to_owned()),
                ..named("release")
            },
            Decision::Kick(kick) => LoggedEvent {
                rule: Some(kick.origin.to_string()),
                ..about(Some(&kick.whom), "kick")
            },
            Decision::Notify(notice) => LoggedEvent {
                rule: Some(notice.origin.to_string()),
                ..about(notice.whom.as_ref(), "notice")
            },
        };
        self.push(now, shown);
    }

    /// Keeps that a source reached a limit, or is below it again, where that is no offence.
    pub(super) fn note_limit(&mut self, notice: &LimitNotice, at: SystemTime) {
        self.push(
            at,
            LoggedEvent {
                net: Some(notice.who),
                refused: Some(notice.refused),
                ..named(limit::name(notice.kind))
            },
        );
    }

    /// How often what happened.
    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Who misbehaves most.
    pub(super) const fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    fn push(&mut self, at: SystemTime, shown: LoggedEvent) {
        self.keep(at, What::Other(Box::new(shown)));
    }

    fn keep(&mut self, at: SystemTime, what: What) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(Entry { at, what });
        self.untold = (self.untold + 1).min(KEPT_MAX);
    }

    /// The newest `limit`, oldest first; all that are kept for 0.
    pub(super) fn newest(&self, limit: usize, clock: &Clock) -> Vec<LoggedEvent> {
        let limit = if limit == 0 { KEPT_MAX } else { limit };
        let skip = self.kept.len().saturating_sub(limit);
        self.kept
            .iter()
            .skip(skip)
            .map(|entry| entry.view(clock))
            .collect()
    }

    /// Adds a follower, and tells it of the newest `limit`.
    pub(super) fn follow(&mut self, follower: Reply, limit: usize, clock: &Clock) {
        let past = if limit == 0 {
            Vec::new()
        } else {
            self.newest(limit, clock)
        };
        if past
            .into_iter()
            .all(|event| follower.stream(Answer::Event(event)))
        {
            self.followers.push(follower);
        }
    }

    /// Tells the followers what is new. One that is gone, or reads too slowly, follows no longer.
    pub(super) fn tell(&mut self, clock: &Clock) {
        let untold = std::mem::take(&mut self.untold);
        if self.followers.is_empty() || untold == 0 {
            return;
        }
        let news = self.newest(untold, clock);
        self.followers.retain(|follower| {
            news.iter()
                .all(|event| follower.stream(Answer::Event(event.clone())))
        });
    }
}

impl Entry {
    fn view(&self, clock: &Clock) -> LoggedEvent {
        LoggedEvent {
            at: super::view::time(self.at, clock),
            ..self.what.view()
        }
    }
}

impl What {
    fn view(&self) -> LoggedEvent {
        match self {
            Self::Offence {
                address,
                kind,
                service,
                score,
                account,
                recipient,
                source,
            } => LoggedEvent {
                net: address.map(IpNet::from),
                service: Some(service.as_str().to_owned()),
                score: *score,
                account: account.as_deref().map(str::to_owned),
                recipient: recipient.as_deref().map(str::to_owned),
                source: Some(source.to_string()),
                ..named(kind.as_str())
            },
            Self::Other(shown) => (**shown).clone(),
        }
    }
}

fn of_ban(ban: &Ban, event: &str) -> LoggedEvent {
    LoggedEvent {
        net: Some(ban.net),
        rule: Some(ban.origin.to_string()),
        for_s: ban.end.remaining(ban.since).map(|length| length.as_secs()),
        ..named(event)
    }
}

fn about(whom: Option<&Whom>, event: &str) -> LoggedEvent {
    let (net, account) = match whom {
        Some(Whom::Net(net)) => (Some(*net), None),
        Some(Whom::Account(account)) => (None, Some(account.to_string())),
        None => (None, None),
    };
    LoggedEvent {
        net,
        account,
        ..named(event)
    }
}

fn named(event: &str) -> LoggedEvent {
    LoggedEvent {
        schema: SCHEMA,
        at: String::new(),
        event: event.to_owned(),
        net: None,
        service: None,
        score: 0.0,
        account: None,
        recipient: None,
        rule: None,
        for_s: None,
        source: None,
        refused: None,
    }
}
