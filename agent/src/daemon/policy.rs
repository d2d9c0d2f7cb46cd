//! Answers the questions of the policy service, from what is in force now.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::{Daemon, view};
use crate::{
    ban::Sort,
    clock::Clock,
    config::PolicyConfig,
    control::protocol::{PolicyAnswers, PolicyView},
    decision::{Decision, Pardon},
    event::{Event, EventKind},
    policy::{
        self, Desk, Holds, Kind, Listener, Question, Recent, Service, Standing, Tarpits,
        Whereabouts,
    },
};

/// Clients whose unknown recipients are remembered for the service.
const CLIENTS_MAX: usize = 16_384;
/// For how long at least: longer than a session takes.
const KEEP: Duration = Duration::from_secs(1800);

/// The policy service and what its answers are made of, beside what the judge knows.
pub(super) struct Policy {
    desk: Desk,
    service: Option<Service>,
    /// Where its socket is to be found.
    place: Option<Whereabouts>,
    questions: mpsc::Sender<Question>,
    /// Why nobody is served.
    problem: Option<String>,
    /// When clients named unknown recipients.
    bad_recipients: Recent<IpAddr, VecDeque<SystemTime>>,
    tarpits: Tarpits,
    holds: Holds,
}

impl Policy {
    pub(super) fn new(config: &PolicyConfig, questions: mpsc::Sender<Question>) -> Self {
        Self {
            desk: Desk::new(config.settings.clone()),
            service: None,
            place: None,
            questions,
            problem: None,
            bad_recipients: Recent::new(KEEP, CLIENTS_MAX),
            tarpits: Tarpits::default(),
            holds: Holds::default(),
        }
    }

    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.problem.as_ref()?;
        Some(format!("the policy service does not listen: {problem}"))
    }

    /// Begins to listen, or goes on, or ends, as the configuration says.
    fn listen(&mut self, config: &PolicyConfig, clock: Clock) {
        self.service = None;
        self.place = None;
        self.problem = None;
        let Some(listen) = &config.listen else {
            return;
        };
        let questions = self.questions.clone();
        let serve = |listener| policy::serve(listener, questions, clock);
        let opened = Listener::open(listen);
        let place = opened.as_ref().map(Listener::whereabouts).ok();
        match opened.and_then(serve) {
            Ok(service) => {
                info!(%listen, "serves policy clients");
                self.service = Some(service);
                self.place = place;
            }
            Err(err) => {
                let err: io::Error = err;
                error!(%listen, "the policy service does not listen: {err}");
                self.problem = Some(format!("{listen}: {err}"));
            }
        }
    }

    /// Takes over what the judge decided, also while nobody asks: the service may be configured later.
    pub(super) fn take_over(&mut self, decisions: &[Decision], now: SystemTime) {
        for decision in decisions {
            match decision {
                Decision::Tarpit(tarpit) => self.tarpits.put(tarpit, now),
                Decision::Unban { net, pardon } => {
                    if matches!(pardon, Pardon::Removed | Pardon::Allowed) {
                        self.tarpits.pardon(*net);
                    }
                }
                Decision::Hold(hold) => self.holds.put(hold),
                Decision::Release { account, .. } => self.holds.release(account),
                _ => {}
            }
        }
    }

    /// Remembers a recipient that does not exist.
    fn note(&mut self, event: &Event, most: u16, now: SystemTime) {
        let (EventKind::UnknownRecipient, Some(client)) = (event.kind, event.address) else {
            return;
        };
        if most == 0 || !event.is_offence() {
            return;
        }
        let times = self.bad_recipients.touch(&client, now);
        if times.len() >= usize::from(most) {
            times.pop_front();
        }
        times.push_back(now);
    }
}

impl Daemon {
    /// Takes over the holds that were in force before this start.
    pub(super) fn restore_policy(&mut self) {
        for hold in self.judge.holds() {
            self.policy.holds.put(hold);
        }
    }

    /// Serves policy clients as the configuration says, from here on.
    pub(super) fn serve_policy(&mut self) {
        self.policy.listen(&self.config.policy, self.clock);
    }

    /// Takes over a changed configuration; connections stay where the socket does.
    pub(super) fn renew_policy(&mut self, old: &PolicyConfig) {
        let new = &self.config.policy;
        self.policy.desk.reconfigure(new.settings.clone());
        if old.listen != new.listen {
            self.serve_policy();
        }
    }

    /// Tries again to listen, where that failed, or where the socket is gone: nobody finds it any more.
    pub(super) fn keep_policy(&mut self) {
        let is_lost = self
            .policy
            .place
            .as_ref()
            .is_some_and(|place| !place.is_there());
        if is_lost {
            warn!("the socket of the policy service was removed; it is made anew");
        }
        if is_lost || self.policy.problem.is_some() {
            self.serve_policy();
        }
    }

    /// What a log says about clients that the service must know.
    pub(super) fn tell_policy(&mut self, event: &Event) {
        if self.policy.service.is_some() {
            let most = self.config.policy.settings.bad_recipients;
            self.policy.note(event, most, self.clock.now());
        }
    }

    pub(super) fn handle_question(&mut self, question: Question) {
        let Question { request, reply } = question;
        // It has been answered by the time that it took to come here: a client must not be counted as waiting that does not.
        if reply.is_closed() {
            return;
        }
        let now = self.clock.now();
        let mut standing = Standing {
            observe: self.config.filter.mode.is_observe(),
            limits: &self.config.limits,
            ..Standing::default()
        };
        if let Some(client) = request.client {
            let bans = self.judge.bans();
            standing.allowed = self.judge.allowlist().covering(client).is_some();
            standing.banned = bans
                .covering(client)
                .any(|ban| ban.sort == Sort::Ban && !ban.end.is_over_at(now));
            standing.delay = self.policy.tarpits.delay_of(client, now);
            standing.bad_recipients = match self.policy.bad_recipients.get(&client) {
                Some(times) => times.iter().copied().collect(),
                None => Vec::new(),
            };
            let filter = self.filter.as_ref();
            standing.open = filter.and_then(|filter| filter.open_connections(client));
        }
        let account = request.account.as_deref();
        standing.account_held = account.is_some_and(|account| self.policy.holds.has(account, now));
        let verdict = self.policy.desk.answer(&request, &standing, now);
        // Whoever asked has gone on meanwhile: it is answered already.
        let _ = reply.send(verdict);
    }

    /// The service as `mailwall status` shows it.
    pub(super) fn policy_view(&self) -> Option<PolicyView> {
        let listen = self.config.policy.listen.as_ref()?;
        let now = self.clock.now();
        let stats = self.policy.service.as_ref().map(Service::stats);
        let is_listening = stats.is_some();
        let stats = stats.unwrap_or_default();
        let answers = Kind::ALL.iter().map(|kind| PolicyAnswers {
            action: kind.as_str().to_owned(),
            given: stats.answers[*kind as usize],
            observed: stats.would[*kind as usize],
        });
        Some(PolicyView {
            listen: listen.to_string(),
            listening: is_listening,
            connections: stats.connections,
            requests: stats.requests,
            answers: answers.collect(),
            held: self.policy.desk.held(now),
            refused: stats.refused,
            late: stats.late,
            garbage: stats.garbage,
            last_garbage: stats
                .last_garbage
                .map(|(at, text)| format!("{}: {text}", view::time(at, &self.clock))),
        })
    }
}
