//! smtpd: its sessions, and what each of its lines adds to them.
//!
//! A process serves one client after another, so a session is what it says between `connect` and `disconnect`. One failure is
//! told by several lines: the one with the most to say weighs, the others of the session weigh nothing.

mod refused;
mod session;
mod warned;

use self::session::{Auth, Session};
use super::{
    super::{
        Line, Reading, name,
        sessions::{Key, Sessions},
        text::{after, before, starts_with_any},
    },
    after_queue_id, after_stage,
    client::{self, Client, client},
    disconnect::Tally,
    queue::{self, Message, Queue},
    server_fault,
};
use crate::event::{Event, EventKind, Score, Service};

/// All processes of smtpd.
#[derive(Default)]
pub(super) struct Smtpd {
    sessions: Sessions<Session>,
}

/// Lines that say nothing about what a client does.
const SILENT: &[&[u8]] = &[
    b"< ",
    b"> ",
    b"Anonymous TLS ",
    b"Relaying allowed for certified client: ",
    b"Trusted TLS ",
    b"Untrusted TLS ",
    b"Verified TLS ",
    b"SSL_accept:",
    b"TLS SNI ",
    b"bcc: ",
    b"certificate ",
    b"delay: ",
    b"discard: ",
    b"discarding EHLO ",
    b"fingerprint=",
    b"filter: ",
    b"hold: ",
    b"info: ",
    b"initializing the server-side TLS engine",
    b"issuer=",
    b"milter-discard: ",
    b"milter-hold: ",
    b"name_mask: ",
    b"permit: ",
    b"prepend: ",
    b"proxy-accept: ",
    b"redirect: ",
    b"replace: ",
    b"setting up TLS connection ",
    b"statistics: ",
    b"subject_CN=",
    b"table ",
    b"using backwards-compatible ",
    b"warn: ",
];

impl Smtpd {
    pub(super) fn read(&mut self, line: &Line<'_>, message: &[u8], queue: &mut Queue) -> Reading {
        let (queue_id, text) = after_queue_id(message);
        let then = |head: &[u8]| text.strip_prefix(head);
        match text.first() {
            Some(b'c') => {
                if let Some(rest) = then(b"connect from ") {
                    return self.connect(line, rest);
                }
                if let Some(rest) = then(b"client=") {
                    return self.begun(line, queue, queue_id, rest);
                }
            }
            Some(b'd') => {
                if let Some(rest) = then(b"disconnect from ") {
                    return self.disconnect(line, rest);
                }
            }
            Some(b'w') => {
                if let Some(rest) = then(b"warning: ") {
                    return self.warning(line, rest);
                }
            }
            Some(b'r') => {
                if let Some(rest) = then(b"reject: ") {
                    return self.reject(line, rest);
                }
                if let Some(rest) = then(b"reject_warning: ") {
                    return self.reject_warning(line, rest);
                }
            }
            Some(b'm') => {
                if let Some(rest) = then(b"milter-reject: ") {
                    return self.reject(line, rest);
                }
                if let Some(reading) = self.chunk(line, text) {
                    return reading;
                }
            }
            Some(b'l' | b't' | b'i') => {
                if let Some(reading) = self.after_command(line, text) {
                    return reading;
                }
            }
            Some(b'p') => {
                if let Some(rest) = then(b"proxy-reject: ") {
                    return self.proxy_reject(line, rest);
                }
            }
            Some(b'n' | b'B') => {
                if let Some(reading) = self.chunk(line, text) {
                    return reading;
                }
            }
            Some(b'S' | b'a') => {
                if let Some(rest) = then(b"SSL_accept error from ").or(then(b"abort: TLS from ")) {
                    return self.from(line, rest, EventKind::TlsFailure, Score::ZERO);
                }
            }
            _ => {}
        }
        other(line, text)
    }

    fn connect(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((client, [])) = client(text) else {
            return client::no_client(text);
        };
        let mut session = Session::new(line, client.address);
        session.is_whole = true;
        if let Some(process) = process(line) {
            self.sessions.insert(process, session);
        }
        told(line, &session, EventKind::Connect, Score::ZERO)
    }

    fn disconnect(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((client, rest @ ([] | [b' ', ..]))) = client(text) else {
            return client::no_client(text);
        };
        let session = process(line)
            .and_then(|process| self.sessions.remove(process))
            .filter(|session| session.is_of(client))
            .unwrap_or_else(|| Session::new(line, client.address));
        let (kind, score) = session.conclusion(Tally::read(rest));
        told(line, &session, kind, score)
    }

    /// `client=NAME[ADDRESS], sasl_method=PLAIN, sasl_username=joe`, written with the first recipient that is accepted. The
    /// message is not accepted before qmgr has it: the client may still go away, or be refused for what it sends.
    fn begun(
        &mut self,
        line: &Line<'_>,
        queue: &mut Queue,
        queue_id: &[u8],
        text: &[u8],
    ) -> Reading {
        let Some((client, rest @ ([] | [b',', ..]))) = client(text) else {
            return client::no_client(text);
        };
        let account = after(rest, b", sasl_username=").map(|account| {
            [
                b", sasl_sender=".as_slice(),
                b", orig_queue_id=",
                b", orig_client=",
            ]
            .iter()
            .fold(account, |account, next| before(account, next))
        });
        let session = self.update(line, client, |session| {
            session.has_authenticated |= account.is_some();
        });
        let account = account.and_then(name);
        queue.begin(
            Key::new(&[line.host, queue_id]),
            Message {
                address: client.address,
                account: account.clone(),
                session: session.id,
                process: process(line),
                is_accepted: queue_id == b"NOQUEUE",
            },
            queue::Forwarded::read(line, rest),
        );
        if account.is_none() {
            return Reading::Ignored;
        }
        let kind = EventKind::AuthSuccess;
        Reading::Event(Event {
            account,
            port: client.port,
            ..event_of(line, &session, kind, kind.score())
        })
    }

    /// What happened after a command: the connection was lost, or the client made errors.
    fn after_command(&mut self, line: &Line<'_>, text: &[u8]) -> Option<Reading> {
        let lost = [b"lost connection after ".as_slice(), b"timeout after "];
        if let Some(rest) = lost.iter().find_map(|head| text.strip_prefix(*head)) {
            return Some(self.lost(line, rest));
        }
        if let Some(rest) = text.strip_prefix(b"too many errors after ") {
            return Some(self.too_many_errors(line, rest));
        }
        let rest = text.strip_prefix(b"improper command pipelining after ")?;
        let Some((stage, rest)) = after_stage(rest) else {
            return Some(Reading::Unknown);
        };
        let kind = match stage {
            b"CONNECT" => EventKind::EarlyTalker,
            _ => EventKind::ProtocolError,
        };
        Some(self.from(line, rest, kind, kind.score()))
    }

    /// What is wrong with a BDAT command (RFC 3030), said with or without `warning: `.
    pub(super) fn chunk(&mut self, line: &Line<'_>, text: &[u8]) -> Option<Reading> {
        const WRONG: [&[u8]; 2] = [
            b"null BDAT request from ",
            b"malformed BDAT command syntax from ",
        ];
        if let Some(rest) = WRONG.iter().find_map(|head| text.strip_prefix(*head)) {
            let (kind, score) = (EventKind::ProtocolError, Score::tenths(10));
            return Some(self.from(line, rest, kind, score));
        }
        // An honest mistake, as with other messages that are too large.
        let rest = text.strip_prefix(b"BDAT request from ")?;
        Some(self.from(line, rest, EventKind::ContentRejected, Score::ZERO))
    }

    fn lost(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((stage, rest)) = after_stage(text) else {
            return Reading::Unknown;
        };
        let Some((client, [])) = client(rest) else {
            return client::no_client(rest);
        };
        let session = self.update(line, client, |session| {
            session.has_lost_connection = true;
            match stage {
                b"AUTH" if session.auth == Auth::Untold => session.auth = Auth::Lost,
                b"DATA" | b"BDAT" | b"END-OF-MESSAGE" => session.has_lost_data = true,
                _ => {}
            }
        });
        told(line, &session, EventKind::LostConnection, Score::ZERO)
    }

    fn too_many_errors(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((_, rest)) = after_stage(text) else {
            return Reading::Unknown;
        };
        let Some((client, [])) = client(rest) else {
            return client::no_client(rest);
        };
        let mut score = EventKind::TooManyErrors.score();
        let session = self.update(line, client, |session| {
            // smtpd counts its 4xx answers too: a greylisted mailing list, or one that meets our own trouble, gets here.
            if session.is_excused && !session.is_scored {
                score = Score::ZERO;
            }
            session.weigh(score);
        });
        told(line, &session, EventKind::TooManyErrors, score)
    }

    /// An event of the client that `text` begins with.
    fn from(&mut self, line: &Line<'_>, text: &[u8], kind: EventKind, score: Score) -> Reading {
        match client(text) {
            Some((client, [] | [b' ' | b':', ..])) => self.weighs(line, client, kind, score),
            _ => client::no_client(text),
        }
    }

    fn weighs(
        &mut self,
        line: &Line<'_>,
        client: Client,
        kind: EventKind,
        score: Score,
    ) -> Reading {
        let session = self.update(line, client, |session| {
            session.is_scored |= score > Score::ZERO;
        });
        told(line, &session, kind, score)
    }

    /// An event of the client that the process serves, if the log told which.
    fn of_process(&mut self, line: &Line<'_>, kind: EventKind, score: Score) -> Reading {
        let session = process(line).and_then(|process| self.sessions.get(process));
        let Some(session) = session.filter(|session| session.is_whole) else {
            return Reading::Ignored;
        };
        session.weigh(score);
        told(line, session, kind, score)
    }

    /// The session that the line belongs to, after `change`.
    fn update(
        &mut self,
        line: &Line<'_>,
        client: Client,
        change: impl FnOnce(&mut Session),
    ) -> Session {
        self.sessions.update(
            process(line),
            |session| session.is_of(client),
            || Session::new(line, client.address),
            change,
        )
    }
}

fn other(line: &Line<'_>, text: &[u8]) -> Reading {
    if starts_with_any(text, SILENT) {
        Reading::Ignored
    } else if starts_with_any(text, &[b"fatal: ", b"panic: ", b"error: "]) {
        server_fault(line)
    } else if is_replacement(text) {
        Reading::Ignored
    } else {
        client::no_client(text)
    }
}

/// `NAME[ADDRESS]: replacing command "..." with "..."` (`smtpd_command_filter`).
fn is_replacement(text: &[u8]) -> bool {
    client(text).is_some_and(|(_, rest)| rest.starts_with(b": replacing command \""))
}

/// The process that wrote the line.
fn process(line: &Line<'_>) -> Option<Key> {
    let pid = line.pid?.to_le_bytes();
    Some(Key::new(&[line.host, line.program, &pid]))
}

#[inline]
fn told(line: &Line<'_>, session: &Session, kind: EventKind, score: Score) -> Reading {
    Reading::Event(event_of(line, session, kind, score))
}

#[inline]
fn event_of(line: &Line<'_>, session: &Session, kind: EventKind, score: Score) -> Event {
    Event {
        address: session.address,
        session: Some(session.id),
        score,
        ..line.event(kind, Service::Smtp)
    }
}
