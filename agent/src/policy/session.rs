//! The sessions that Postfix asked about: what a client did in one, as far as the requests tell.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use super::{Recent, Request, State, answer::Reply, request::Place};

/// Most sessions that are remembered. Postfix has at most as many as it has processes, 100 by default; the rest are over.
const SESSIONS_MAX: usize = 16_384;
/// A session about which nothing was asked for so long is over; Postfix waits five minutes for a command.
const IDLE: Duration = Duration::from_secs(600);

/// One session. The port tells a client's sessions apart; where Postfix does not tell it, its process does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Key {
    client: IpAddr,
    of_client: u32,
}

/// What is known of a session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// When it was first asked about; `None` until then.
    pub(super) since: Option<SystemTime>,
    last: Option<SystemTime>,
    /// Whether more was asked about it than that the client had connected.
    has_spoken: bool,
    /// Over a limit from the start: every further command is answered so.
    pub(super) over: Option<Reply>,
    /// The message that `recipients` are of.
    instance: Box<str>,
    /// Its recipients so far, without those that were refused here.
    pub(super) recipients: u32,
    /// Recipients asked for before they were looked up...
    tried: u32,
    /// ... and after, so that the others are known to be bad.
    passed: u32,
}

impl Session {
    /// Notes what is asked now.
    pub(super) fn note(&mut self, request: &Request) {
        if request.state == State::Recipient {
            match request.place {
                Place::Before => self.tried = self.tried.saturating_add(1),
                Place::After => self.passed = self.passed.saturating_add(1),
                Place::Only => {}
            }
        }
        if self.instance != request.instance {
            self.instance = request.instance.clone();
            self.recipients = 0;
        }
    }

    /// Recipients of this session before the one asked about that did not exist, where both places of `main.cf` ask.
    pub(super) fn bad_recipients(&self) -> u32 {
        self.tried.saturating_sub(1).saturating_sub(self.passed)
    }
}

/// The sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    known: Recent<Key, Session>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            known: Recent::new(IDLE, SESSIONS_MAX),
        }
    }

    /// The session that a request belongs to, and whether it is new.
    pub(super) fn of(
        &mut self,
        request: &Request,
        client: IpAddr,
        now: SystemTime,
    ) -> (&mut Session, bool) {
        let of_client = match request.client_port {
            Some(port) => u32::from(port),
            // Beyond all ports.
            None => request.server().map_or(u32::MAX, |pid| pid | 1 << 31),
        };
        let session = self.known.touch(&Key { client, of_client }, now);
        let is_over = session
            .last
            .is_some_and(|last| now.duration_since(last).is_ok_and(|idle| idle >= IDLE));
        let is_another = session.has_spoken && request.state == State::Connect;
        if is_over || is_another {
            *session = Session::default();
        }
        session.last = Some(now);
        session.has_spoken |= request.state != State::Connect;
        let is_new = session.since.is_none();
        session.since.get_or_insert(now);
        (session, is_new)
    }
}
