//! Decides what Postfix is told. Pure: what is known of the client, the request and the time go in, an answer comes out.

use std::time::{Duration, SystemTime};

use super::{
    Answer, Kind, PolicySettings, Reply, Request, Response, State,
    answer::{SLEEP_MAX, whole_seconds},
    held::Held,
    rates::Rates,
    request::Place,
    session::{Session, Sessions},
    settings::limit_of,
};
use crate::limit::LimitRule;

/// Highest [`PolicySettings::bad_recipients`]: as many times of each host have to be remembered.
pub const BAD_RECIPIENTS_MAX: u16 = 100;

const MISBEHAVED: &str = "4.7.1 Too many errors from your network address, try again later";
const REFUSED: &str = "5.7.1 Too many errors from your network address";
const HELD: &str = "mailwall: the account's mail is held";
const HELD_LATER: &str = "4.7.1 Mail of this account is not taken now, ask your postmaster";
const HELD_REFUSED: &str = "5.7.1 Mail of this account is not taken, ask your postmaster";
/// As Sendmail words it.
const RATE: &str = "4.3.2 Connection rate limit exceeded.";
/// As Sendmail words it.
const OPEN: &str = "4.3.2 Too many open connections.";
/// As Sendmail words it.
const RECIPIENTS: &str = "4.5.3 Too many recipients";
const FULL: &str = "4.7.0 Too busy for clients with errors, try again later";

/// What is known of the client and of the account of a request.
#[derive(Clone, Debug, Default)]
pub struct Standing<'a> {
    /// Nothing is to be enforced: it is only counted.
    pub observe: bool,
    /// The client is on the allowlist.
    pub allowed: bool,
    /// A ban of the client is in force.
    pub banned: bool,
    /// How long the judge wants each of its commands delayed.
    pub delay: Option<Duration>,
    /// What the account sends is to be held.
    pub account_held: bool,
    /// When the client named recipients that do not exist, as the log tells; the newest, at most [`BAD_RECIPIENTS_MAX`].
    pub bad_recipients: Vec<SystemTime>,
    /// The limits on connections.
    pub limits: &'a [LimitRule],
    /// Connections that the client (or its network, where that is counted) has open; `None` where nobody counts them.
    pub open: Option<u32>,
}

/// What Postfix is told, and what it would be told if this were not only observed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// What it would be, where that differs.
    pub would: Option<Kind>,
}

/// Answers requests. What it remembers is bounded.
#[derive(Debug)]
pub struct Desk {
    settings: PolicySettings,
    sessions: Sessions,
    rates: Rates,
    held: Held,
}

impl Desk {
    /// One that has seen nothing.
    pub fn new(settings: PolicySettings) -> Self {
        Self {
            settings,
            sessions: Sessions::new(),
            rates: Rates::new(),
            held: Held::default(),
        }
    }

    /// Answers by `settings` from here on.
    pub fn reconfigure(&mut self, settings: PolicySettings) {
        self.settings = settings;
    }

    /// Sessions that wait now.
    pub fn held(&self, now: SystemTime) -> usize {
        self.held.count(now)
    }

    /// Answers a request.
    pub fn answer(
        &mut self,
        request: &Request,
        standing: &Standing<'_>,
        now: SystemTime,
    ) -> Verdict {
        let answer = self.decide(request, standing, now);
        match standing.observe {
            true if answer != Answer::Dunno => Verdict {
                answer: Answer::Dunno,
                would: Some(answer.kind()),
            },
            _ => Verdict {
                answer,
                would: None,
            },
        }
    }

    /// What the client did comes before what its account did, and what ends the session before what delays it.
    fn decide(&mut self, request: &Request, standing: &Standing<'_>, now: SystemTime) -> Answer {
        let of_client = match request.client {
            Some(client) if !standing.allowed => self.decide_client(request, client, standing, now),
            _ => Answer::Dunno,
        };
        let of_account = match standing.account_held {
            true => held(self.settings.held_account),
            false => Answer::Dunno,
        };
        match (of_client, of_account) {
            (
                Answer::Dunno | Answer::Sleep(_),
                of_account @ (Answer::Hold(_) | Answer::Reply(_) | Answer::Reject(_)),
            ) => of_account,
            (Answer::Sleep(length), _) => self.sleep(length, standing, now),
            (of_client, _) => of_client,
        }
    }

    fn decide_client(
        &mut self,
        request: &Request,
        client: std::net::IpAddr,
        standing: &Standing<'_>,
        now: SystemTime,
    ) -> Answer {
        let limit = limit_of(standing.limits, client);
        let (session, is_new) = self.sessions.of(request, client, now);
        session.note(request);
        if is_new && let Some(limit) = limit {
            session.over = if !self.rates.admit(limit, client, now) {
                over(self.settings.over_limit, RATE)
            } else if limit.concurrent > 0
                && standing.open.is_some_and(|open| open > limit.concurrent)
            {
                over(self.settings.over_limit, OPEN)
            } else {
                None
            };
        }
        if standing.banned
            && let Some(answer) = banned(self.settings.banned)
        {
            return answer;
        }
        if let Some(reply) = session.over {
            return Answer::Reply(reply);
        }
        // A person's mail program does not try again, and people who log in may make mistakes.
        let is_stranger = request.account.is_none();
        if is_stranger
            && request.state == State::Recipient
            && let Some(answer) = too_many_recipients(session, request.place, &self.settings)
        {
            return answer;
        }
        // Asked a second time, after `before` has delayed it.
        if request.place == Place::After {
            return Answer::Dunno;
        }
        let throttled = is_stranger
            && request.state == State::Recipient
            && is_throttled(session, &standing.bad_recipients, &self.settings);
        let throttle = throttled.then_some(self.settings.bad_recipient_delay);
        match standing.delay.max(throttle) {
            Some(length) => Answer::Sleep(length),
            None => Answer::Dunno,
        }
    }

    /// Makes a client wait, if not too many do already.
    fn sleep(&mut self, length: Duration, standing: &Standing<'_>, now: SystemTime) -> Answer {
        let length = Duration::from_secs(whole_seconds(length.min(SLEEP_MAX)));
        // Who is only observed waits for nothing.
        if standing.observe || self.held.hold(now + length, now, self.settings.sleepers) {
            return Answer::Sleep(length);
        }
        match self.settings.when_full {
            Response::Close => reply(421, FULL),
            Response::Defer => reply(450, FULL),
            Response::Dunno | Response::Reject | Response::Hold => Answer::Dunno,
        }
    }
}

fn reply(code: u16, text: &'static str) -> Answer {
    Answer::Reply(Reply { code, text })
}

fn banned(response: Response) -> Option<Answer> {
    match response {
        Response::Close => Some(reply(421, MISBEHAVED)),
        Response::Defer => Some(reply(450, MISBEHAVED)),
        Response::Reject => Some(Answer::Reject(REFUSED)),
        Response::Dunno | Response::Hold => None,
    }
}

fn held(response: Response) -> Answer {
    match response {
        Response::Hold => Answer::Hold(HELD),
        Response::Close => reply(421, HELD_LATER),
        Response::Defer => reply(450, HELD_LATER),
        Response::Reject => Answer::Reject(HELD_REFUSED),
        Response::Dunno => Answer::Dunno,
    }
}

/// With Sendmail's `terminate` 421, without 452 to every command.
fn over(response: Response, text: &'static str) -> Option<Reply> {
    match response {
        Response::Close => Some(Reply { code: 421, text }),
        Response::Defer => Some(Reply { code: 452, text }),
        Response::Dunno | Response::Reject | Response::Hold => None,
    }
}

/// Counts a recipient, where it is the place to; the answer to one too many, which is not counted.
fn too_many_recipients(
    session: &mut Session,
    place: Place,
    settings: &PolicySettings,
) -> Option<Answer> {
    if place == Place::Before {
        return None;
    }
    let most = u32::from(settings.recipients);
    if most > 0 && session.recipients >= most {
        return Some(reply(452, RECIPIENTS));
    }
    session.recipients = session.recipients.saturating_add(1);
    None
}

/// Whether so many recipients of the session were bad that all further ones wait. The log tells of all of the client's sessions,
/// and a moment later; where `main.cf` asks twice, the session's own are known at once.
fn is_throttled(session: &Session, told: &[SystemTime], settings: &PolicySettings) -> bool {
    let since = session.since.unwrap_or(SystemTime::UNIX_EPOCH);
    let told = told.iter().filter(|at| **at >= since).count();
    let bad = u32::try_from(told)
        .unwrap_or(u32::MAX)
        .max(session.bad_recipients());
    settings.bad_recipients > 0 && bad >= u32::from(settings.bad_recipients)
}
