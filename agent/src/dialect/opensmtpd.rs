//! OpenSMTPD, 5.x to 7.x: what smtpd says about its sessions.
//!
//! Shapes are those of `smtp_session.c`. Since 6.4 the address is only on the line that begins a session, so later lines are
//! joined by the 16 hexadecimal digits they begin with; 6.0 writes the address on each. Commands are the client's, with
//! only what does not print escaped, and come after everything that is believed.

mod command;
mod old;
mod session;

use std::net::IpAddr;

use self::{command::Refusal, session::Session};
use super::{
    Dialect, Interpreter, Line, Reading,
    address::literal,
    name,
    sessions::{Key, Sessions},
    text::{after, before, find, rfind, starts_with_any},
};
use crate::event::{Event, EventKind, Score, Service};

/// OpenSMTPD.
pub(super) const DIALECT: Dialect = Dialect {
    name: "opensmtpd",
    speaks: |program| program == b"smtpd",
    bare_program: Some(b"smtpd"),
    start: || Box::new(OpenSmtpd::default()),
};

#[derive(Default)]
struct OpenSmtpd {
    sessions: Sessions<Session>,
}

/// Digits of a session's id.
const ID_LEN: usize = 16;

/// What smtpd says about itself, or about deliveries.
const SILENT: &[&[u8]] = &[
    b"debug: ",
    b"delivery: ",
    b"info: ",
    b"mda: ",
    b"mta: ",
    b"relay: ",
    b"scheduler: ",
    b"smtp-out: ",
    b"warn: ",
];

impl Interpreter for OpenSmtpd {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let message = line.message;
        if let Some(rest) = message.strip_prefix(b"smtp-in: ") {
            return self.old(line, rest);
        }
        if let Some((id, rest)) = id(message) {
            return match rest.strip_prefix(b" smtp ") {
                Some(rest) => self.smtp(line, id, rest),
                None if starts_with_any(rest, &[b" mda ", b" mta "]) => Reading::Ignored,
                None => Reading::Unknown,
            };
        }
        if starts_with_any(message, SILENT) {
            Reading::Ignored
        } else if message.starts_with(b"fatal: ") {
            Reading::Event(line.event(EventKind::ServerFault, Service::Smtp))
        } else {
            Reading::Unknown
        }
    }
}

impl OpenSmtpd {
    /// `VERB FIELDS`, in 5.9 to 6.3 `event=VERB FIELDS`.
    fn smtp(&mut self, line: &Line<'_>, id: &[u8], text: &[u8]) -> Reading {
        let text = text.strip_prefix(b"event=").unwrap_or(text);
        let verb = before(text, b" ");
        let fields = text.get(verb.len() + 1..).unwrap_or_default();
        let key = Key::new(&[line.host, id]);
        match verb {
            b"connected" => {
                let Some((address, _)) = client(fields) else {
                    return Reading::Unknown;
                };
                let session = Session::new(line, address);
                self.sessions.insert(key, session);
                told(line, &session, EventKind::Connect, Score::ZERO)
            }
            b"authentication" => self.authentication(line, key, fields),
            b"failed-command" | b"bad-input" => {
                let (address, fields) = match client(fields) {
                    Some((address, rest)) => (address, rest),
                    None => (None, fields),
                };
                let Some(refusal) = Refusal::read(fields) else {
                    return Reading::Unknown;
                };
                self.refused(line, key, address, &refusal)
            }
            b"message" => self.accepted(line, key, fields),
            b"disconnected" | b"closed" => self.ended(line, key, fields),
            b"cert-check" | b"envelope" | b"starttls" | b"tls" => Reading::Ignored,
            _ => Reading::Unknown,
        }
    }

    /// `user=NAME [address=ADDRESS host=HOST] result=ok|permfail|tempfail`; the name has no blanks.
    fn authentication(&mut self, line: &Line<'_>, key: Key, fields: &[u8]) -> Reading {
        let Some(user) = fields.strip_prefix(b"user=") else {
            return Reading::Unknown;
        };
        let account = before(user, b" ");
        let Some(result) = rfind(user, b" result=") else {
            return Reading::Unknown;
        };
        let address = user
            .get(account.len() + 1..)
            .and_then(client)
            .and_then(|(address, _)| address);
        let result = &user[result + b" result=".len()..];
        self.authenticated(line, key, address, account, result)
    }

    fn authenticated(
        &mut self,
        line: &Line<'_>,
        key: Key,
        address: Option<IpAddr>,
        account: &[u8],
        result: &[u8],
    ) -> Reading {
        let kind = match result {
            b"ok" => EventKind::AuthSuccess,
            b"permfail" => EventKind::AuthFailure,
            b"tempfail" => EventKind::ServerFault,
            _ => return Reading::Unknown,
        };
        let session = self.update(line, key, address, |session| match kind {
            EventKind::AuthSuccess => session.has_achieved = true,
            EventKind::AuthFailure => {
                session.is_scored = true;
                session.untold_failures = session.untold_failures.saturating_add(1);
            }
            _ => session.is_excused = true,
        });
        let mut event = event_of(line, &session, kind, kind.score());
        event.account = name(account);
        Reading::Event(event)
    }

    fn refused(
        &mut self,
        line: &Line<'_>,
        key: Key,
        address: Option<IpAddr>,
        refusal: &Refusal<'_>,
    ) -> Reading {
        let (kind, mut score) = refusal.meaning();
        let session = self.update(line, key, address, |session| {
            session.errors = session.errors.saturating_add(1);
            session.is_excused |= refusal.is_temporary();
            match kind {
                // Too large a message is an honest mistake.
                EventKind::ContentRejected if score == Score::ZERO => session.is_excused = true,
                // The answer to what `authentication` has told of.
                EventKind::AuthFailure if session.untold_failures > 0 => {
                    session.untold_failures -= 1;
                    score = Score::ZERO;
                }
                EventKind::RateLimited if session.is_limited => score = Score::ZERO,
                EventKind::RateLimited => session.is_limited = true,
                _ => {}
            }
            session.is_scored |= score > Score::ZERO;
        });
        let mut event = event_of(line, &session, kind, score);
        event.recipient = refusal.recipient().and_then(name);
        Reading::Event(event)
    }

    fn accepted(&mut self, line: &Line<'_>, key: Key, fields: &[u8]) -> Reading {
        let address = client(fields).and_then(|(address, _)| address);
        let session = self.update(line, key, address, |session| session.has_achieved = true);
        let kind = EventKind::MailAccepted;
        told(line, &session, kind, kind.score())
    }

    fn ended(&mut self, line: &Line<'_>, key: Key, fields: &[u8]) -> Reading {
        let (address, fields) = match client(fields) {
            Some((address, rest)) => (address, rest),
            None => (None, fields),
        };
        let session = self.sessions.remove(key);
        let session = session.unwrap_or_else(|| Session::new(line, address));
        let reason = fields.strip_prefix(b"reason=").unwrap_or(fields);
        let (kind, score) = session.conclusion(reason);
        told(line, &session, kind, score)
    }

    /// The session after `change`; one that began before the log did has at most the address on the line.
    fn update(
        &mut self,
        line: &Line<'_>,
        key: Key,
        address: Option<IpAddr>,
        change: impl FnOnce(&mut Session),
    ) -> Session {
        self.sessions.update(
            Some(key),
            |session| address.is_none() || session.address == address,
            || Session::new(line, address),
            change,
        )
    }
}

/// The id that `text` begins with, and the rest.
fn id(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (id, rest) = text.split_at_checked(ID_LEN)?;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (id.iter().all(is_digit) && rest.first() == Some(&b' ')).then_some((id, rest))
}

/// `address=ADDRESS host=NAME REST`: what `text` begins with, and the rest. No address is local.
fn client(text: &[u8]) -> Option<(Option<IpAddr>, &[u8])> {
    let text = text.strip_prefix(b"address=")?;
    let address = before(text, b" ");
    let rest = text[address.len()..].strip_prefix(b" host=")?;
    let host = before(rest, b" ");
    let rest = rest.get(host.len() + 1..).unwrap_or_default();
    match address {
        b"local" => Some((None, rest)),
        address => Some((Some(bracketed(address)?), rest)),
    }
}

/// An address as `ss_to_text` writes it: IPv6 in brackets, of old after `IPv6:`.
fn bracketed(text: &[u8]) -> Option<IpAddr> {
    let inside = text
        .strip_prefix(b"[")
        .and_then(|text| text.strip_suffix(b"]"))
        .unwrap_or(text);
    literal(inside.strip_prefix(b"IPv6:").unwrap_or(inside))
}

/// The text between the first quote that follows `field` and the last one of the line.
fn quoted<'a>(text: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    let rest = after(text, field)?.strip_prefix(b"\"")?;
    let end = rfind(rest, b"\"")?;
    Some(&rest[..end])
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

/// Whether one of `words` is in `text`.
fn has_any(text: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|word| find(text, word).is_some())
}
