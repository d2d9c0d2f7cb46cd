//! IMail: `MM:DD hh:mm SMTPD(SESSION) [ADDRESS] ...`, and `YYYYMMDD hhmmss HOST SMTPD (SESSION) [ADDRESS] ...` of its later versions.
//!
//! Where a session begins, the brackets hold the server's own address and the client follows `connect`; in its other lines they hold
//! the client's. So a session is of the client that it began with; of one whose beginning is not known the brackets are believed,
//! unless the server was seen to have that address. What a client said stands behind them. Lines that a mailer has wrapped are read
//! as far as they go.

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::{bracketed, leading},
    dates::{clock, date, two},
    sessions::{Key, Sessions},
    text::{after, before, number, starts_with_any, without_blanks},
};
use crate::{
    envelope::{Envelope, Stamp},
    event::{Event, EventKind, Score, Service, SessionId},
};

/// IMail.
pub(super) const DIALECT: Dialect = Dialect {
    name: "imail",
    speaks: |program| program == b"imail" || daemon(program).is_some(),
    bare_program: None,
    start: || Box::new(IMail::default()),
};

const FAILURES: &[&[u8]] = &[
    b"logon failure for ",
    b"logon failed for ",
    b"logon fail for ",
];

/// Most addresses of the server that are remembered.
const OWN_MAX: usize = 64;

#[derive(Default)]
struct IMail {
    sessions: Sessions<Session>,
    /// Addresses of the server.
    own: Vec<IpAddr>,
}

#[derive(Clone, Copy)]
struct Session {
    id: SessionId,
    address: IpAddr,
    /// Its last `MAIL FROM` was of a bounce.
    is_bounce: bool,
}

/// The service of a daemon; that of the client side of SMTP is of no interest.
fn daemon(name: &[u8]) -> Option<Service> {
    match name {
        b"SMTPD" | b"SMTPD32" => Some(Service::Smtp),
        b"POP3D" | b"POP3D32" => Some(Service::Pop),
        b"IMAP4D" | b"IMAP4D32" => Some(Service::Imap),
        _ => None,
    }
}

impl Interpreter for IMail {
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let (stamp, host, rest) = short_form(line).or_else(|| long_form(line))?;
        let end = rest
            .iter()
            .take(12)
            .position(|byte| !byte.is_ascii_alphanumeric())?;
        let (program, message) = rest.split_at(end);
        let message = without_blanks(message);
        (daemon(program).is_some() && message.starts_with(b"(")).then_some(Envelope {
            stamp: Some(stamp),
            host,
            program,
            pid: None,
            message,
        })
    }

    fn read(&mut self, line: &Line<'_>) -> Reading {
        let Some(service) = daemon(line.program) else {
            return Reading::Unknown;
        };
        let session = line.message.strip_prefix(b"(").and_then(|rest| {
            let end = rest.iter().take(24).position(|&byte| byte == b')')?;
            let (id, rest) = (&rest[..end], &rest[end + 1..]);
            id.iter().all(u8::is_ascii_hexdigit).then_some((id, rest))
        });
        let Some((id, text)) = session else {
            return Reading::Unknown;
        };
        let key = Key::new(&[line.host, line.program, id]);
        let text = without_blanks(text);
        match bracketed(text) {
            Some((brackets, text)) => {
                self.session(line, service, key, brackets, without_blanks(text))
            }
            None => match self.sessions.get(key).copied() {
                Some(session) => self.said(line, service, key, session, text),
                None => Reading::Ignored,
            },
        }
    }
}

/// `06:27 00:00 `
fn short_form(line: &[u8]) -> Option<(Stamp, &[u8], &[u8])> {
    let (&[m0, m1, b':', d0, d1, b' ', h0, h1, b':', n0, n1, b' '], rest) =
        line.split_first_chunk()?
    else {
        return None;
    };
    let time = clock(two(h0, h1)?, two(n0, n1)?, 0)?;
    let civil = date(0, two(m0, m1)?, two(d0, d1)?, time)?;
    Some((Stamp::Yearless(civil), b"", rest))
}

/// `20070627 000000 127.0.0.1       `
fn long_form(line: &[u8]) -> Option<(Stamp, &[u8], &[u8])> {
    let (
        &[
            y0,
            y1,
            y2,
            y3,
            m0,
            m1,
            d0,
            d1,
            b' ',
            h0,
            h1,
            n0,
            n1,
            s0,
            s1,
            b' ',
        ],
        rest,
    ) = line.split_first_chunk()?
    else {
        return None;
    };
    let year = i32::from(two(y0, y1)?) * 100 + i32::from(two(y2, y3)?);
    let time = clock(two(h0, h1)?, two(n0, n1)?, two(s0, s1)?)?;
    let civil = date(year, two(m0, m1)?, two(d0, d1)?, time)?;
    let host = before(rest, b" ");
    Some((
        Stamp::Local(civil),
        host,
        without_blanks(&rest[host.len()..]),
    ))
}

impl IMail {
    fn session(
        &mut self,
        line: &Line<'_>,
        service: Service,
        key: Key,
        brackets: IpAddr,
        text: &[u8],
    ) -> Reading {
        if let Some(rest) = text.strip_prefix(b"connect ") {
            return self.connect(line, key, brackets, rest);
        }
        let known = self.sessions.get(key).copied();
        let session = match known {
            Some(session) if session.address == brackets => session,
            // The session's beginning names one client, the line another.
            Some(_) => return Reading::Refused,
            None if self.own.contains(&brackets) => return Reading::Ignored,
            None => *self.sessions.insert(
                key,
                Session {
                    id: line.new_session(),
                    address: brackets,
                    is_bounce: false,
                },
            ),
        };
        self.said(line, service, key, session, text)
    }

    /// `89.139.133.234 port 4085`, behind the server's own address.
    fn connect(&mut self, line: &Line<'_>, key: Key, own: IpAddr, text: &[u8]) -> Reading {
        let Some((address, rest)) = leading(text) else {
            return Reading::Unknown;
        };
        let is_port = matches!(rest, b"" | b" " | b" port")
            || rest
                .strip_prefix(b" port ")
                .is_some_and(|port| port.is_empty() || number::<u32>(port).is_some());
        if !is_port {
            return Reading::Unknown;
        }
        // A client may send these words as a command, within its session.
        if self
            .sessions
            .get(key)
            .is_some_and(|known| known.address == own)
        {
            return Reading::Ignored;
        }
        if !self.own.contains(&own) && self.own.len() < OWN_MAX {
            self.own.push(own);
        }
        let session = Session {
            id: line.new_session(),
            address,
            is_bounce: false,
        };
        self.sessions.insert(key, session);
        // Nor is it known whose words these are where the session's beginning was not seen: nothing is told of whom they name until
        // the session goes on with the same address in its brackets.
        Reading::Ignored
    }

    fn said(
        &mut self,
        line: &Line<'_>,
        service: Service,
        key: Key,
        session: Session,
        text: &[u8],
    ) -> Reading {
        if let Some(rest) = text.strip_prefix(b"ERR ") {
            return error(line, service, session, rest);
        }
        if text.len() >= 9 && text[..9].eq_ignore_ascii_case(b"MAIL FROM") {
            let sender = without_blanks(text[9..].strip_prefix(b":").unwrap_or(&text[9..]));
            self.sessions.insert(
                key,
                Session {
                    is_bounce: sender.starts_with(b"<>"),
                    ..session
                },
            );
            return Reading::Ignored;
        }
        // A client could send these words too, so they do not weigh for it.
        let success = text
            .strip_prefix(b"authenticated ")
            .or_else(|| text.strip_prefix(b"logon success for "));
        if let Some(rest) = success {
            let user = [b", session treated as local".as_slice(), b" from "]
                .iter()
                .fold(rest, |user, end| before(user, end));
            let event = event(line, service, EventKind::AuthSuccess, session);
            return Reading::Event(event.with_account(user).with_score(Score::ZERO));
        }
        if let Some(rest) = FAILURES.iter().find_map(|head| text.strip_prefix(*head)) {
            let event = event(line, service, EventKind::AuthFailure, session);
            return Reading::Event(event.with_account(before(rest, b" from ")));
        }
        if starts_with_any(
            text,
            &[
                b"SMTP-AUTH failed",
                b"authentication failed",
                b"AUTH failed",
            ],
        ) {
            return told(line, service, EventKind::AuthFailure, session);
        }
        // The dialogue.
        Reading::Ignored
    }
}

/// `example.org invalid user <joe@example.org>`: the domain is one of the server's.
fn error(line: &Line<'_>, service: Service, session: Session, text: &[u8]) -> Reading {
    let domain = before(text, b" ");
    let is_domain = !domain.is_empty()
        && domain.len() < text.len()
        && domain
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte));
    if !is_domain {
        return Reading::Unknown;
    }
    let said = &text[domain.len() + 1..];
    let kind = if said.starts_with(b"invalid user") || said == b"invalid" {
        EventKind::UnknownRecipient
    } else if starts_with_any(
        said,
        &[b"not a gateway", b"relay", b"not local", b"no relay"],
    ) {
        EventKind::RelayDenied
    } else {
        return Reading::Unknown;
    };
    let recipient = after(said, b" <").map_or(b"".as_slice(), |rest| before(rest, b">"));
    let event = event(line, service, kind, session)
        .with_recipient(recipient)
        .excused(session.is_bounce);
    Reading::Event(event)
}

fn event(line: &Line<'_>, service: Service, kind: EventKind, session: Session) -> Event {
    Event {
        session: Some(session.id),
        ..line.event_of(kind, service, session.address)
    }
}

fn told(line: &Line<'_>, service: Service, kind: EventKind, session: Session) -> Reading {
    Reading::Event(event(line, service, kind, session))
}
