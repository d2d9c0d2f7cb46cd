//! Which lines are of one connection.
//!
//! With `log_selector = +incoming_port` a connection is its address and port, with `+pid` a process: Exim makes one for each.
//! By default a line has neither. Then lines of one address within a few seconds share what has been held against it, so
//! that one failure does not weigh twice, but nobody is told that they are one session.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use super::{
    super::{
        Line,
        sessions::{Key, Sessions},
    },
    client::Client,
};
use crate::event::{Event, EventKind, Score, Service, SessionId};

/// Longest pause within a connection: Exim waits 5 minutes for a command.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Longest time between two lines that tell of one failure, where nothing tells connections apart.
const NEAR: Duration = Duration::from_secs(10);

/// One connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// None if it may be several.
    id: Option<SessionId>,
    address: IpAddr,
    at: SystemTime,
    /// Something of it weighed against the client.
    pub(super) is_scored: bool,
    /// Something of it failed that is not held against the client.
    pub(super) is_excused: bool,
    /// It broke the protocol.
    pub(super) has_erred: bool,
    pub(super) has_authenticated: bool,
}

/// All connections.
#[derive(Default)]
pub(super) struct Connections {
    sessions: Sessions<Session>,
}

impl Connections {
    /// A connection that begins, as the daemon tells: the process that tells is not the one that serves it.
    pub(super) fn begin(&mut self, line: &Line<'_>, client: Client) -> Event {
        let mut event = line.event(EventKind::Connect, Service::Smtp);
        event.address = Some(client.address);
        if client.port.is_some() {
            let session = Session::new(Some(line.new_session()), client.address, event.at);
            event.session = session.id;
            self.sessions.insert(key(line, client).0, session);
        }
        event
    }

    /// An event of the connection that the line belongs to. `weigh` tells what it weighs, and changes the session.
    #[inline]
    pub(super) fn event(
        &mut self,
        line: &Line<'_>,
        client: Client,
        kind: EventKind,
        weigh: impl FnOnce(&mut Session) -> Score,
    ) -> Event {
        let at = line.at();
        let session = self.session(line, client, at);
        session.at = at;
        let score = weigh(session);
        session.is_scored |= score > Score::ZERO;
        Event {
            address: Some(client.address),
            port: client.port,
            session: session.id,
            score,
            ..line.event_at(at, kind, Service::Smtp)
        }
    }

    /// The connection that a line of that time belongs to.
    fn session(&mut self, line: &Line<'_>, client: Client, at: SystemTime) -> &mut Session {
        let (key, tells_apart) = key(line, client);
        let pause_max = if tells_apart { PAUSE_MAX } else { NEAR };
        self.sessions.entry(
            key,
            |session| session.address == client.address && session.is_near(at, pause_max),
            || Session::new(tells_apart.then(|| line.new_session()), client.address, at),
        )
    }
}

impl Session {
    fn new(id: Option<SessionId>, address: IpAddr, at: SystemTime) -> Self {
        Self {
            id,
            address,
            at,
            is_scored: false,
            is_excused: false,
            has_erred: false,
            has_authenticated: false,
        }
    }

    fn is_near(&self, at: SystemTime, pause_max: Duration) -> bool {
        let pause = at
            .duration_since(self.at)
            .unwrap_or_else(|error| error.duration());
        pause <= pause_max
    }
}

/// The key of a connection, and whether it is of one only.
fn key(line: &Line<'_>, client: Client) -> (Key, bool) {
    match (client.port, line.pid) {
        (Some(port), _) => {
            let address = octets(client.address);
            (Key::new(&[line.host, &address, &port.to_le_bytes()]), true)
        }
        (None, Some(pid)) => (Key::new(&[line.host, &pid.to_le_bytes()]), true),
        (None, None) => (Key::new(&[line.host, &octets(client.address)]), false),
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}
