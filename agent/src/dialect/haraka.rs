//! Haraka, 2.x and 3.x: what its core and its plugins say about a connection.
//!
//! Lines are `[LEVEL] [UUID] [PLUGIN] TEXT` (`logger.js`), or the same as logfmt. Only the lines of the core that begin and
//! end a connection name its address, always as the first field, so others are joined to it by the connection's UUID, which
//! the server draws and puts before everything a client can choose.

mod hook;
mod record;
mod session;

use std::net::IpAddr;

use self::{
    hook::Denial,
    record::{Fields, Record},
    session::{Session, Summary},
};
use super::{
    Dialect, Interpreter, Line, Reading, address,
    address::literal,
    name,
    sessions::{Key, Sessions},
    text::{number, rfind, starts_with_any, until, without_blanks},
};
use crate::{
    envelope::{Envelope, own_stamp},
    event::{Event, EventKind, Score, Service},
};

/// Haraka.
pub(super) const DIALECT: Dialect = Dialect {
    name: "haraka",
    speaks: |program| matches!(program, b"haraka" | b"Haraka"),
    bare_program: None,
    start: || Box::new(Haraka::default()),
};

#[derive(Default)]
struct Haraka {
    sessions: Sessions<Session>,
}

impl Interpreter for Haraka {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        // With `log_timestamps` and a logger, there are two stamps.
        let message = match own_stamp(line.message) {
            Some((_, rest)) if line.message.first().is_some_and(u8::is_ascii_digit) => rest,
            _ => line.message,
        };
        match record::read(message) {
            Some(record) => self.said(line, &record),
            None => Reading::Unknown,
        }
    }

    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let (stamp, message) = match line.first() {
            Some(b'0'..=b'9') => own_stamp(line).map(|(stamp, rest)| (Some(stamp), rest))?,
            Some(b'[' | b'l') => (None, line),
            _ => return None,
        };
        record::read(message).map(|_| Envelope {
            stamp,
            host: b"",
            program: b"haraka",
            pid: None,
            message,
        })
    }
}

/// Lines of the core that tell of a connection, but nothing of its client.
const SILENT: &[&[u8]] = &[
    b"data after disconnect from ",
    b"deny(soft?) overriden by deny hook",
    b"DATA line length (",
    b"Incoming message reached maximum parsing limit of ",
    b"Plugin ",
    b"timeout, destroy socket",
];

impl Haraka {
    fn said(&mut self, line: &Line<'_>, record: &Record<'_>) -> Reading {
        if matches!(record.level, b"DATA" | b"PROTOCOL" | b"DEBUG") {
            return Reading::Ignored;
        }
        let Some(uuid) = record.connection() else {
            return match record.level {
                b"CRIT" | b"ALERT" | b"EMERG" => {
                    Reading::Event(line.event(EventKind::ServerFault, Service::Smtp))
                }
                _ => Reading::Ignored,
            };
        };
        let key = Key::new(&[line.host, uuid]);
        let text = without_blanks(record.text);
        if text.starts_with(b"delaying for ") && record.source.starts_with(b"auth") {
            return self.login_failed(line, key);
        }
        if let Some(rest) = text.strip_prefix(b"AUTH user=\"") {
            return self.proxied_login(line, key, rest);
        }
        if record.source != b"core" {
            return Reading::Ignored;
        }
        match record.fields_after(b"connect") {
            Some(fields) => return self.connected(line, key, &fields),
            None if text == b"connect" => return Reading::Unknown,
            None => {}
        }
        if let Some(fields) = record.fields_after(b"disconnect") {
            return self.ended(line, key, &fields);
        }
        if let Some(fields) = record.fields_after(b"message") {
            return self.received(line, key, &fields);
        }
        if let Some(fields) = record.fields_after(b"queue") {
            return self.queued(line, key, &fields);
        }
        if let Some(fields) = record
            .fields_after(b"HAProxy")
            .or_else(|| record.fields_after(b"HAProxy:"))
        {
            return self.proxied(line, key, &fields);
        }
        if let Some(rest) = text.strip_prefix(b"recipient <") {
            return self.named(line, key, record, b"rcpt", rest);
        }
        if let Some(rest) = text.strip_prefix(b"sender <") {
            return self.named(line, key, record, b"mail", rest);
        }
        if let Some(fields) = record.hook() {
            return match Denial::of_hook(&fields) {
                Some(denial) => self.denied(line, key, &denial, None),
                None => Reading::Ignored,
            };
        }
        if let Some(rest) = text.strip_prefix(b"client ") {
            return self.lost(line, key, record, rest);
        }
        self.misbehaved(line, key, record, text)
    }

    /// `connect ip=ADDRESS port=PORT local_ip=ADDRESS local_port=PORT`
    fn connected(&mut self, line: &Line<'_>, key: Key, fields: &Fields<'_>) -> Reading {
        let Some(address) = fields.address() else {
            return Reading::Unknown;
        };
        let session = *self.sessions.insert(key, Session::new(line, Some(address)));
        told(line, &session, EventKind::Connect, Score::ZERO)
    }

    /// `HAProxy proto=TCP4 src_ip=ADDRESS:PORT dst_ip=ADDRESS:PORT`: only a proxy that is configured may say so.
    fn proxied(&mut self, line: &Line<'_>, key: Key, fields: &Fields<'_>) -> Reading {
        let client = fields
            .get(b"src_ip")
            .and_then(|text| literal(&text[..rfind(text, b":")?]));
        let Some(address) = client else {
            return Reading::Unknown;
        };
        let session = *self.sessions.insert(key, Session::new(line, Some(address)));
        told(line, &session, EventKind::Connect, Score::ZERO)
    }

    /// `delaying for N seconds`, before a login is refused.
    fn login_failed(&mut self, line: &Line<'_>, key: Key) -> Reading {
        let kind = EventKind::AuthFailure;
        let mut score = kind.score();
        let session = self.update(line, key, |session| {
            session.is_scored = true;
            if session.untold_failures > 0 {
                session.untold_failures -= 1;
                score = Score::ZERO;
            }
        });
        told(line, &session, kind, score)
    }

    /// `AUTH user="NAME" host="HOST:PORT" success=true|false`, by auth_proxy. The name is the client's, the rest is not.
    fn proxied_login(&mut self, line: &Line<'_>, key: Key, text: &[u8]) -> Reading {
        let Some(end) = rfind(text, b"\" host=\"") else {
            return Reading::Unknown;
        };
        let kind = match rfind(text, b" success=").map(|at| &text[at..]) {
            Some(b" success=true") => EventKind::AuthSuccess,
            Some(b" success=false") => EventKind::AuthFailure,
            _ => return Reading::Unknown,
        };
        let session = self.update(line, key, |session| match kind {
            EventKind::AuthSuccess => session.has_achieved = true,
            _ => {
                session.is_scored = true;
                session.untold_failures = session.untold_failures.saturating_add(1);
            }
        });
        Reading::Event(Event {
            account: name(&text[..end]),
            ..event_of(line, &session, kind, kind.score())
        })
    }

    /// `NAME> code=CODE msg="TEXT" sender=NAME`: the address of a sender or a recipient, and what became of it.
    fn named(
        &mut self,
        line: &Line<'_>,
        key: Key,
        record: &Record<'_>,
        hook: &[u8],
        text: &[u8],
    ) -> Reading {
        let Some((address, rest)) = until(text, b'>') else {
            return Reading::Unknown;
        };
        let fields = record.fields_or(rest);
        let Some(code) = fields.get(b"code") else {
            return Reading::Unknown;
        };
        let message = fields.get(b"msg").unwrap_or_default();
        match Denial::new(hook, b"", code, message) {
            Some(denial) => {
                let recipient = (hook == b"rcpt").then_some(address);
                self.denied(line, key, &denial, recipient)
            }
            // The core says `OK` too where no plugin wants the recipient; the end of the connection tells.
            None => Reading::Ignored,
        }
    }

    fn denied(
        &mut self,
        line: &Line<'_>,
        key: Key,
        denial: &Denial,
        recipient: Option<&[u8]>,
    ) -> Reading {
        let mut score = denial.score;
        let session = self.update(line, key, |session| {
            session.is_excused |= denial.is_temporary;
            if denial.kind == EventKind::RateLimited {
                if session.is_limited {
                    score = Score::ZERO;
                }
                session.is_limited = true;
            }
            session.is_scored |= score > Score::ZERO;
        });
        Reading::Event(Event {
            recipient: recipient.and_then(name),
            ..event_of(line, &session, denial.kind, score)
        })
    }

    /// `message mid=ID size=BYTES rcpts=A/T/R delay=SECONDS code=CODE msg=TEXT`. The id is the client's, and comes first.
    fn received(&mut self, line: &Line<'_>, key: Key, fields: &Fields<'_>) -> Reading {
        let denial = fields.get(b"code").and_then(|code| {
            let message = fields.get(b"msg").unwrap_or_default();
            Denial::new(b"data_post", b"", code, message)
        });
        if let Some(denial) = denial {
            return self.denied(line, key, &denial, None);
        }
        let bytes = fields.get(b"size").and_then(number);
        let recipients = fields
            .get(b"rcpts")
            .and_then(|text| session::counts(text)?.first().copied());
        self.update(line, key, |session| {
            session.bytes = bytes;
            session.recipients = recipients;
        });
        Reading::Ignored
    }

    /// `queue code=CODE msg=TEXT`
    fn queued(&mut self, line: &Line<'_>, key: Key, fields: &Fields<'_>) -> Reading {
        let Some(code) = fields.get(b"code") else {
            return Reading::Unknown;
        };
        let message = fields.get(b"msg").unwrap_or_default();
        if let Some(denial) = Denial::new(b"queue", b"", code, message) {
            return self.denied(line, key, &denial, None);
        }
        if code != b"OK" {
            return Reading::Ignored;
        }
        let session = self.update(line, key, |session| session.has_achieved = true);
        let kind = EventKind::MailAccepted;
        Reading::Event(Event {
            bytes: session.bytes,
            recipients: session.recipients,
            ..event_of(line, &session, kind, kind.score())
        })
    }

    /// `half closed connection ip=ADDRESS`, in 2.x `HOST [ADDRESS] half closed connection`.
    fn lost(&mut self, line: &Line<'_>, key: Key, record: &Record<'_>, text: &[u8]) -> Reading {
        const HOW: &[&[u8]] = &[
            b"connection error: ",
            b"connection timed out",
            b"dropped connection",
            b"half closed connection",
        ];
        let address = if starts_with_any(text, HOW) {
            // What goes wrong is said by the system, but a field is only believed where nothing is before it.
            HOW.iter()
                .find_map(|how| record.fields_or(text.strip_prefix(*how)?).address())
        } else {
            match address::host(text) {
                Some((address, rest)) if starts_with_any(without_blanks(rest), HOW) => {
                    Some(address)
                }
                _ => return Reading::Unknown,
            }
        };
        let session = self.update(line, key, |session| {
            session.address = session.address.or(address);
        });
        told(line, &session, EventKind::LostConnection, Score::ZERO)
    }

    /// `disconnect ip=ADDRESS rdns=NAME helo=NAME ... lr=REPLY time=SECONDS`
    fn ended(&mut self, line: &Line<'_>, key: Key, fields: &Fields<'_>) -> Reading {
        let Some(address) = fields.address() else {
            return Reading::Unknown;
        };
        let session = self.sessions.remove(key);
        let mut session = session.unwrap_or_else(|| Session::new(line, Some(address)));
        session.address = Some(address);
        let (kind, score) = session.conclusion(&Summary::read(fields));
        told(line, &session, kind, score)
    }

    /// What else the core says.
    fn misbehaved(
        &mut self,
        line: &Line<'_>,
        key: Key,
        record: &Record<'_>,
        text: &[u8],
    ) -> Reading {
        let kind = match text {
            _ if text.starts_with(b"Client sent bare line-feed") => EventKind::ProtocolError,
            _ if starts_with_any(
                text,
                &[
                    b"Incoming message exceeded max size of ",
                    b"Incoming message had too many Received headers",
                ],
            ) =>
            {
                EventKind::ContentRejected
            }
            _ if text.starts_with(b"Error: Invalid ") => EventKind::ProtocolError,
            _ if text.starts_with(b"Possible DoS attempt") => {
                let session = self.update(line, key, |session| session.is_scored = true);
                let kind = EventKind::ContentRejected;
                return told(line, &session, kind, kind.score());
            }
            _ if starts_with_any(text, SILENT) => return Reading::Ignored,
            _ if matches!(record.level, b"ERROR" | b"CRIT" | b"ALERT" | b"EMERG") => {
                EventKind::ServerFault
            }
            _ if record.level == b"INFO" => return Reading::Ignored,
            _ => return Reading::Unknown,
        };
        let session = self.update(line, key, |session| {
            session.is_excused |= kind == EventKind::ServerFault;
        });
        told(line, &session, kind, Score::ZERO)
    }

    /// The session after `change`; one that began before the log did has no address.
    fn update(&mut self, line: &Line<'_>, key: Key, change: impl FnOnce(&mut Session)) -> Session {
        self.sessions.update(
            Some(key),
            |_| true,
            || Session::new(line, None::<IpAddr>),
            change,
        )
    }
}

fn told(line: &Line<'_>, session: &Session, kind: EventKind, score: Score) -> Reading {
    Reading::Event(event_of(line, session, kind, score))
}

fn event_of(line: &Line<'_>, session: &Session, kind: EventKind, score: Score) -> Event {
    Event {
        address: session.address,
        session: Some(session.id),
        score,
        ..line.event(kind, Service::Smtp)
    }
}
