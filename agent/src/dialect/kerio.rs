//! Kerio Connect: its security, mail, warning and error logs, `[18/Jan/2014 06:41:25] ...`.
//!
//! Shapes are those of Kerio's manuals and of its users' logs. Names of users, senders and recipients stand before the address in
//! many lines; the address is then the last of its kind.

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::{bracketed, leading, literal},
    dates::{date, four, month, two},
    text::{after, before, find, split_last, split_only, starts_with_any},
};
use crate::{
    envelope::{Envelope, Stamp, clock_time},
    event::{Event, EventKind, Score, Service},
};

/// Kerio Connect.
pub(super) const DIALECT: Dialect = Dialect {
    name: "kerio",
    speaks: |program| program == b"kerio",
    bare_program: None,
    start: || Box::new(Kerio),
};

struct Kerio;

impl Interpreter for Kerio {
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let (head, rest) = line.split_first_chunk::<13>()?;
        let &[b'[', d0, d1, b'/', m0, m1, m2, b'/', y0, y1, y2, y3, b' '] = head else {
            return None;
        };
        let (time, rest) = clock_time(rest)?;
        let month = month([m0, m1, m2])?;
        Some(Envelope {
            stamp: Some(Stamp::Local(date(
                four([y0, y1, y2, y3])?,
                month,
                two(d0, d1)?,
                time,
            )?)),
            host: b"",
            program: b"kerio",
            pid: None,
            message: rest.strip_prefix(b"] ")?,
        })
    }

    fn read(&mut self, line: &Line<'_>) -> Reading {
        let text = line.message;
        let readers = [login, attempt, spam, relay, recipient, session, received];
        for reader in readers {
            if let Some(reading) = reader(line, text) {
                return reading;
            }
        }
        if starts_with_any(text, &[b"SMTP ", b"IMAP", b"POP3", b"Failed "]) {
            return Reading::Unknown;
        }
        Reading::Ignored
    }
}

/// `Failed SMTP login from 192.0.2.1 with SASL method CRAM-MD5.`, `Failed IMAP login for joe from 192.0.2.1, ...`
fn login(line: &Line<'_>, text: &[u8]) -> Option<Reading> {
    let rest = text.strip_prefix(b"Failed ")?;
    let (service, rest) = protocol(rest)?;
    let rest = rest.strip_prefix(b" login ")?;
    let (user, rest) = match rest.strip_prefix(b"from ") {
        Some(rest) => (b"".as_slice(), rest),
        None => {
            let rest = rest.strip_prefix(b"for ")?;
            split_last(rest, b" from ")?
        }
    };
    let rest = rest.strip_prefix(b"IP address ").unwrap_or(rest);
    let Some((address, rest)) = leading(rest) else {
        return Some(Reading::Unknown);
    };
    let is_offer = |words: &[u8]| find(rest, words).is_some();
    let kind = if is_offer(b" is disabled") || is_offer(b"not supported") {
        EventKind::AuthNotOffered
    } else {
        EventKind::AuthFailure
    };
    let event = line.event_of(kind, service, address);
    Some(Reading::Event(event.with_account(user)))
}

/// `SMTP: User joe@example.org doesn't exist. Attempt from IP address 192.0.2.1.`, `IMAP: Invalid password for user joe. Attempt from ...`
fn attempt(line: &Line<'_>, text: &[u8]) -> Option<Reading> {
    let (service, rest) = protocol(text)?;
    let rest = rest.strip_prefix(b": ")?;
    if let Some(rest) = after_hammering(rest) {
        return Some(rest.map_or(Reading::Unknown, |address| {
            // The failures before it were told one by one.
            let event = line.event_of(EventKind::RateLimited, service, address);
            Reading::Event(event.with_score(Score::ZERO))
        }));
    }
    let (said, rest) = split_last(rest, b". Attempt from IP address ")?;
    let address = literal(rest.strip_suffix(b".").unwrap_or(rest));
    let Some(address) = address else {
        return Some(Reading::Unknown);
    };
    let user = said
        .strip_prefix(b"User ")
        .map(|user| before(user, b" doesn't exist"))
        .or_else(|| said.strip_prefix(b"Invalid password for user "))
        .or_else(|| after(said, b" for user "))
        .unwrap_or_default();
    let event = line.event_of(EventKind::AuthFailure, service, address);
    Some(Reading::Event(event.with_account(user)))
}

/// `AntiHammering - IP address 192.0.2.1 will be blocked for 5 minutes, ...`, `AntiHammering: connection from IP address 192.0.2.1 is blocked`.
fn after_hammering(text: &[u8]) -> Option<Option<IpAddr>> {
    let rest = text.strip_prefix(b"AntiHammering")?;
    let rest = rest
        .strip_prefix(b" - IP address ")
        .or_else(|| rest.strip_prefix(b": connection from IP address "));
    Some(rest.and_then(leading).map(|(address, _)| address))
}

/// What the spam repellent and the filters say of a client.
fn spam(line: &Line<'_>, text: &[u8]) -> Option<Reading> {
    if let Some(rest) = text.strip_prefix(b"SMTP Spam attack detected from ") {
        let Some((address, rest)) = leading(rest) else {
            return Some(Reading::Unknown);
        };
        let has_spoken = find(rest, b"sent data before SMTP greeting").is_some();
        let kind = if has_spoken {
            EventKind::EarlyTalker
        } else {
            EventKind::LostConnection
        };
        // Whoever goes away before the greeting may be a probe.
        return Some(line.told(kind, Service::Smtp, address));
    }
    if let Some(rest) = text.strip_prefix(b"IP address ") {
        let Some((address, rest)) = leading(rest) else {
            return Some(Reading::Unknown);
        };
        let kind = if starts_with_any(
            rest,
            &[
                b" found in DNS blacklist",
                b" found in blacklist",
                b" found in blocklist",
            ],
        ) {
            EventKind::DnsblRejected
        } else if starts_with_any(
            rest,
            &[b" rejected: too many", b" is blocked", b" has reached"],
        ) {
            EventKind::RateLimited
        } else {
            return Some(Reading::Unknown);
        };
        return Some(line.told(kind, Service::Smtp, address));
    }
    if let Some(rest) = text.strip_prefix(b"Client with IP address ") {
        return Some(match leading(rest) {
            Some((address, rest)) if rest.starts_with(b" has no reverse DNS entry") => {
                line.told(EventKind::ClientRejected, Service::Smtp, address)
            }
            _ => Reading::Unknown,
        });
    }
    let rest = text.strip_prefix(b"Message from IP address ")?;
    let Some((address, rest)) = leading(rest) else {
        return Some(Reading::Unknown);
    };
    // `, sender <joe@example.net> rejected: sender domain does not exist`
    let kind = match split_last(rest, b" rejected: ").map(|(_, reason)| reason) {
        Some(reason) if reason.starts_with(b"sender") => EventKind::SenderRejected,
        _ => EventKind::ContentRejected,
    };
    let is_bounce = rest.starts_with(b", sender <> ");
    Some(Reading::Event(
        line.event_of(kind, Service::Smtp, address)
            .excused(is_bounce),
    ))
}

/// `Relay attempt from IP address 192.0.2.1, mail from <a> to <b> rejected`.
fn relay(line: &Line<'_>, text: &[u8]) -> Option<Reading> {
    let rest = text.strip_prefix(b"Relay attempt from IP address ")?;
    let Some((address, rest)) = leading(rest) else {
        return Some(Reading::Unknown);
    };
    let is_bounce = rest.starts_with(b", mail from <> ");
    let mut event = line.event_of(EventKind::RelayDenied, Service::Smtp, address);
    if let Some((_, rest)) = split_last(rest, b" to <") {
        event = event.with_recipient(before(rest, b">"));
    }
    Some(Reading::Event(event.excused(is_bounce)))
}

/// `Attempt to deliver to unknown recipient <joe@example.org>, from <a@example.net>, IP address 192.0.2.1`.
fn recipient(line: &Line<'_>, text: &[u8]) -> Option<Reading> {
    if let Some(rest) = text.strip_prefix(b"Directory harvest attack from ") {
        return Some(match leading(rest) {
            Some((address, _)) => line.told(EventKind::TooManyErrors, Service::Smtp, address),
            None => Reading::Unknown,
        });
    }
    let rest = text.strip_prefix(b"Attempt to deliver to unknown recipient ")?;
    let Some((said, address)) = split_last(rest, b", IP address ") else {
        return Some(Reading::Unknown);
    };
    let Some(address) = literal(address.strip_suffix(b".").unwrap_or(address)) else {
        return Some(Reading::Unknown);
    };
    let is_bounce = said.ends_with(b", from <>");
    let recipient = said.strip_prefix(b"<").unwrap_or(said);
    let event = line
        .event_of(EventKind::UnknownRecipient, Service::Smtp, address)
        .with_recipient(before(recipient, b">"));
    Some(Reading::Event(event.excused(is_bounce)))
}

/// `Connection attempt to service IMAP from IP address 192.0.2.1 rejected: too many connections.`
fn session(line: &Line<'_>, text: &[u8]) -> Option<Reading> {
    let rest = text.strip_prefix(b"Connection attempt to service ")?;
    let (service, rest) = protocol(rest).unwrap_or((Service::Smtp, after(rest, b" ")?));
    let rest = after(&rest[..rest.len().min(32)], b"from IP address ")
        .map(|head| &rest[rest.len().min(32) - head.len()..]);
    let client = rest.and_then(|rest| bracketed(rest).or_else(|| leading(rest)));
    Some(match client {
        Some((address, rest)) if rest.starts_with(b" rejected: ") => {
            let is_limit = find(rest, b"too many").is_some();
            let kind = if is_limit {
                EventKind::RateLimited
            } else {
                EventKind::ClientRejected
            };
            Reading::Event(Event {
                score: if is_limit { kind.score() } else { Score::ZERO },
                ..line.event_of(kind, service, address)
            })
        }
        _ => Reading::Unknown,
    })
}

/// `Recv: Queue-ID: ..., Service: SMTP, From: <a>, To: <b>, Size: 1024, Sender-Host: 192.0.2.1, ...`
fn received(line: &Line<'_>, text: &[u8]) -> Option<Reading> {
    let rest = after(text.strip_prefix(b"Recv: ")?, b", Service: SMTP")?;
    let Some((_, rest)) = split_only(rest, b", Sender-Host: ") else {
        return Some(Reading::Refused);
    };
    Some(match leading(rest) {
        Some((address, [] | [b',', ..])) => {
            line.told(EventKind::MailAccepted, Service::Smtp, address)
        }
        _ => Reading::Ignored,
    })
}

/// The protocol that `text` begins with, and what follows it.
fn protocol(text: &[u8]) -> Option<(Service, &[u8])> {
    const PROTOCOLS: &[(&[u8], Service)] = &[
        (b"SMTPS", Service::Smtp),
        (b"SMTP", Service::Smtp),
        (b"Submission", Service::Smtp),
        (b"IMAPS", Service::Imap),
        (b"IMAP", Service::Imap),
        (b"POP3S", Service::Pop),
        (b"POP3", Service::Pop),
        (b"LDAPS", Service::Ldap),
        (b"LDAP", Service::Ldap),
        (b"XMPP", Service::Xmpp),
    ];
    PROTOCOLS
        .iter()
        .find_map(|(name, service)| Some((*service, text.strip_prefix(*name)?)))
}
