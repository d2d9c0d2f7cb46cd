//! Which lines are of one connection, and which of one message.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use super::super::{
    Line,
    sessions::{Key, Sessions},
};
use crate::event::{Event, EventKind, Score, Service, SessionId};

/// Longest pause within a connection whose first line was seen: sendmail waits an hour for a command.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Longest pause within a connection whose first line was not seen (it is logged from level 10): the system gives the number
/// of a process that has ended to another one.
const SHORT_PAUSE_MAX: Duration = Duration::from_secs(120);

/// One connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) address: IpAddr,
    at: SystemTime,
    /// Its first line was seen.
    is_whole: bool,
    /// Something of it weighed against the client.
    pub(super) is_scored: bool,
    pub(super) has_authenticated: bool,
    /// It began TLS with bytes that are no TLS.
    pub(super) has_sent_garbage: bool,
}

/// One message, or the attempt at one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Message {
    address: Option<IpAddr>,
    /// What its client did, told by lines that name no client: the kind, and how often.
    pub(super) untold: Option<(EventKind, i16)>,
    /// It did not come in whole.
    pub(super) is_broken: bool,
}

/// All connections and messages.
#[derive(Default)]
pub(super) struct Connections {
    sessions: Sessions<Session>,
    messages: Sessions<Message>,
    /// Accounts by process.
    logins: Sessions<Box<str>>,
    /// Accounts by message.
    accounts: Sessions<Box<str>>,
}

impl Connections {
    /// A connection that begins.
    pub(super) fn begin(&mut self, line: &Line<'_>, address: IpAddr) -> Event {
        if let Some(process) = process(line) {
            self.sessions.remove(process);
        }
        let event = self.event(line, address, EventKind::Connect, |_| Score::ZERO);
        if let Some(process) = process(line)
            && let Some(session) = self.sessions.get(process)
        {
            session.is_whole = true;
        }
        event
    }

    /// An event of the client that the line names. `weigh` tells what it weighs, and changes the session.
    pub(super) fn event(
        &mut self,
        line: &Line<'_>,
        address: IpAddr,
        kind: EventKind,
        weigh: impl FnOnce(&mut Session) -> Score,
    ) -> Event {
        let mut event = line.event(kind, Service::Smtp);
        let session = self.sessions.update(
            process(line),
            |session| session.address == address && session.is_near(event.at),
            || Session {
                id: line.new_session(),
                address,
                at: event.at,
                is_whole: false,
                is_scored: false,
                has_authenticated: false,
                has_sent_garbage: false,
            },
            |session| {
                session.at = event.at;
                event.score = weigh(session);
                session.is_scored |= event.score > Score::ZERO;
            },
        );
        event.address = Some(address);
        event.session = process(line).map(|_| session.id);
        event
    }

    /// The client of a line that names none: that of the message, or of the connection.
    pub(super) fn client(&mut self, line: &Line<'_>, queue_id: &[u8]) -> Option<IpAddr> {
        if let Some(message) = self.messages.get(message(line, queue_id))
            && message.address.is_some()
        {
            return message.address;
        }
        let at = line.event(EventKind::Connect, Service::Smtp).at;
        let session = self.sessions.get(process(line)?)?;
        session.is_near(at).then_some(session.address)
    }

    /// Changes what is known of a message.
    pub(super) fn update(
        &mut self,
        line: &Line<'_>,
        queue_id: &[u8],
        change: impl FnOnce(&mut Message),
    ) -> Message {
        let key = (!queue_id.is_empty()).then(|| message(line, queue_id));
        self.messages
            .update(key, |_| true, Message::default, change)
    }

    /// Keeps in mind whose a message is.
    pub(super) fn is_from(&mut self, line: &Line<'_>, queue_id: &[u8], address: IpAddr) -> Message {
        let mut before = Message::default();
        self.update(line, queue_id, |message| {
            before = *message;
            message.address = Some(address);
            message.untold = None;
        });
        before
    }

    /// Keeps in mind who logged in.
    pub(super) fn has_logged_in(&mut self, line: &Line<'_>, account: Box<str>) {
        if let Some(process) = process(line) {
            self.logins.insert(process, account);
        }
    }

    /// The account of the connection, which becomes that of the message.
    pub(super) fn account(&mut self, line: &Line<'_>, queue_id: &[u8]) -> Option<Box<str>> {
        let process = process(line)?;
        if !self.sessions.get(process)?.has_authenticated {
            return None;
        }
        let account = self.logins.get(process)?.clone();
        self.accounts
            .insert(message(line, queue_id), account.clone());
        Some(account)
    }

    /// The account that sent a message.
    pub(super) fn account_of(&mut self, line: &Line<'_>, queue_id: &[u8]) -> Option<Box<str>> {
        self.accounts.get(message(line, queue_id)).cloned()
    }
}

impl Session {
    fn is_near(&self, at: SystemTime) -> bool {
        let pause_max = if self.is_whole {
            PAUSE_MAX
        } else {
            SHORT_PAUSE_MAX
        };
        let pause = at
            .duration_since(self.at)
            .unwrap_or_else(|error| error.duration());
        pause <= pause_max
    }
}

fn process(line: &Line<'_>) -> Option<Key> {
    Some(Key::new(&[line.host, &line.pid?.to_le_bytes()]))
}

fn message(line: &Line<'_>, queue_id: &[u8]) -> Key {
    Key::new(&[line.host, queue_id])
}
