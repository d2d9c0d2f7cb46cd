//! Lines of before 0.9: `session{instance="NAME" protocol=NAME remote.ip="ADDRESS" remote.port=PORT}: MODULE: TEXT FIELDS`.

use std::net::IpAddr;

use super::super::{
    Line, Reading,
    address::literal,
    name,
    text::{after, before, find},
};
use crate::event::{Event, EventKind, Score, Service};

/// Whether `text` is of a session.
pub(super) fn is_session(text: &[u8]) -> bool {
    Session::read(text).is_some()
}

/// What a line says that has no event in parentheses.
pub(super) fn read(line: &Line<'_>, text: &[u8]) -> Reading {
    match Session::read(text) {
        Some(session) => session.told(line),
        // Of the server itself, or of a delivery.
        None if is_module(before(text, b": ")) || find(text, b"{").is_some() => Reading::Ignored,
        None => Reading::Unknown,
    }
}

struct Session<'a> {
    address: IpAddr,
    service: Service,
    /// What follows the module.
    text: &'a [u8],
}

impl<'a> Session<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let rest = text.strip_prefix(b"session{instance=\"")?;
        let instance = before(rest, b"\"");
        let rest = rest.get(instance.len() + 1..)?;
        let (protocol, rest) = match rest.strip_prefix(b" protocol=") {
            Some(rest) => {
                let protocol = before(rest, b" ");
                (protocol, &rest[protocol.len()..])
            }
            None => (instance, rest),
        };
        let rest = rest.strip_prefix(b" remote.ip=\"")?;
        let ip = before(rest, b"\"");
        let address = literal(ip)?;
        let rest = rest.get(ip.len() + 1..)?.strip_prefix(b" remote.port=")?;
        let port = before(rest, b"}");
        let rest = rest[port.len()..].strip_prefix(b"}: ")?;
        let module = before(rest, b": ");
        let text = rest.get(module.len() + 2..)?;
        (port.iter().all(u8::is_ascii_digit) && is_module(module)).then_some(Self {
            address,
            service: service(protocol),
            text,
        })
    }

    fn told(&self, line: &Line<'_>) -> Reading {
        let Some((kind, score)) = self.kind() else {
            return Reading::Ignored;
        };
        let recipient = match kind {
            EventKind::UnknownRecipient | EventKind::RelayDenied => {
                after(self.text, b" address=").and_then(|text| Some(super::value(text)?.0))
            }
            _ => None,
        };
        Reading::Event(Event {
            address: Some(self.address),
            score,
            recipient: recipient.and_then(name),
            ..line.event(kind, self.service)
        })
    }

    /// The text and the first fields are the program's; what a client chose comes after them.
    fn kind(&self) -> Option<(EventKind, Score)> {
        let said = |words: &[u8]| self.text.starts_with(words);
        let kind = if let Some(result) = self
            .text
            .strip_prefix(b"context=\"auth\" event=\"authenticate\" result=\"")
        {
            match before(result, b"\"") {
                b"success" => EventKind::AuthSuccess,
                b"failed" => EventKind::AuthFailure,
                b"banned" => EventKind::TooManyErrors,
                _ => return None,
            }
        } else if said(b"Mailbox does not exist.") {
            EventKind::UnknownRecipient
        } else if said(b"Relay not allowed.") {
            EventKind::RelayDenied
        } else if said(b"Too many authentication errors.") || said(b"Too many invalid RCPT ") {
            // Those that led to it are told of one by one.
            return Some((EventKind::TooManyErrors, Score::ZERO));
        } else {
            return None;
        };
        Some((kind, kind.score()))
    }
}

fn service(protocol: &[u8]) -> Service {
    match protocol {
        b"Imap" | b"imap" | b"imaptls" => Service::Imap,
        b"Pop3" | b"pop3" | b"pop3s" => Service::Pop,
        b"ManageSieve" | b"sieve" => Service::Sieve,
        _ => Service::Smtp,
    }
}

/// `smtp::inbound::auth`
fn is_module(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    find(text, b"::").is_some() && text.iter().all(is_part)
}
