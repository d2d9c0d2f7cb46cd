//! What the login processes say: `MESSAGE: user=<NAME>, method=PLAIN, rip=ADDRESS, lip=ADDRESS, TLS, session=<ID>`.
//!
//! The name is the client's and is not escaped, so it may hold `>, rip=`; but what Dovecot writes of the client comes after
//! it, so the last `rip=` is Dovecot's. The fields are configurable (`login_log_format_elements`): where the client's address
//! would come before the name, or not at all, a name that forges one leaves brackets or addresses that do not fit.

use super::{
    super::{
        Line, Reading,
        address::literal,
        name,
        text::{Needle, find, rfind, starts_with, starts_with_any},
    },
    ATTEMPTS_MAX, bracketed,
    live::Live,
    reason,
    session_id::port,
    told::{Client, Told},
};
use crate::event::{Event, EventKind, Score, Service};

/// The service of a login process.
pub(super) fn service(process: &[u8]) -> Option<Service> {
    Some(match process.strip_suffix(b"-login")? {
        b"imap" => Service::Imap,
        b"pop3" => Service::Pop,
        b"submission" => Service::Smtp,
        b"managesieve" | b"sieve" => Service::Sieve,
        _ => return None,
    })
}

/// What begins the fields of the client.
const FIELDS: &[&[u8]] = &[b": user=<", b": method=", b": rip=", b": lip="];

/// Words about a client that nothing can be held against, and what they are.
const HARMLESS: &[(&[u8], EventKind)] = &[
    // Told again when the client is gone.
    (b"Login failed: ", EventKind::AuthNotOffered),
    (b"Authentication failure", EventKind::AuthFailure),
    (b"proxy(", EventKind::Disconnect),
    (b"proxy: ", EventKind::Disconnect),
    (b"Error: ", EventKind::ServerFault),
];

/// Words of the process about itself.
const SILENT: &[&[u8]] = &[
    b"master(",
    b"Loading modules",
    b"Module loaded",
    b"SSL context",
    b"Generating ",
    b"net_connect",
    b"auth: ",
    b"Killed with signal",
    b"Dovecot v",
];

pub(super) fn read(
    (told, live): (&mut Told, &mut Live),
    line: &Line<'_>,
    service: Service,
    message: &[u8],
) -> Reading {
    if starts_with_any(message, SILENT) {
        return Reading::Ignored;
    }
    let Some((head, fields)) = split(message) else {
        return Reading::Unknown;
    };
    let client = match client(fields) {
        Ok(client) => client,
        Err(reading) => return reading,
    };
    let event = |kind: EventKind, score| Event {
        score,
        address: client.address,
        account: name(client.account),
        ..line.event(kind, service)
    };
    let is_proxied = head.starts_with(b"proxy(") && find(head, b" started proxying to ").is_some();
    if matches!(head, b"Login" | b"Logged in") || is_proxied {
        let (session, _) = told.end(line, &client);
        live.begin(line, client.session, session);
        let address = client.address;
        return Reading::Event(Event {
            session: Some(session),
            port: address.and_then(|address| port(client.session, address)),
            ..event(EventKind::AuthSuccess, EventKind::AuthSuccess.score())
        });
    }
    if let Some((_, kind)) = HARMLESS.iter().find(|(text, _)| starts_with(head, text)) {
        return Reading::Event(event(*kind, Score::ZERO));
    }
    let Some(reason) = reason::read(head) else {
        return Reading::Unknown;
    };
    let (session, of_auth) = told.end(line, &client);
    let untold = reason.attempts.saturating_sub(of_auth);
    let times = match reason.kind {
        EventKind::AuthFailure | EventKind::AuthNotOffered | EventKind::AuthAborted => untold,
        _ => 1,
    };
    let score = reason.score.times(times.clamp(0, ATTEMPTS_MAX));
    Reading::Event(Event {
        session: Some(session),
        ..event(reason.kind, score)
    })
}

/// Splits a message into Dovecot's words and the fields of the client.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut colons = memchr::memchr_iter(b':', message);
    if let Some(at) = colons.find(|&at| starts_with_any(&message[at..], FIELDS)) {
        return Some((&message[..at], &message[at + 1..]));
    }
    // Other fields come first: Dovecot's words end with a reason.
    let at = find(message, b"): ")?;
    Some((&message[..=at], &message[at + 2..]))
}

/// The client that `fields`, which begin with a blank, tell of.
fn client(fields: &[u8]) -> Result<Client<'_>, Reading> {
    const RIP: &[u8] = b" rip=";
    const SESSION: Needle<'_> = Needle::new(b", session=");
    let last = rfind(fields, RIP).ok_or(Reading::Unknown)?;
    let value = |at: usize| {
        let text = &fields[at + RIP.len()..];
        &text[..memchr::memchr2(b',', b' ', text).unwrap_or(text.len())]
    };
    let text = value(last);
    let tail = &fields[last + RIP.len() + text.len()..];
    let is_ours = is_outside_a_name(text) && is_outside_a_name(tail);
    if !is_ours {
        return Err(Reading::Refused);
    }
    // As by default, the name comes first.
    if !fields.starts_with(b" user=<") {
        let first = find(fields, RIP).unwrap_or(last);
        let is_before_the_name = find(fields, b"user=<").is_some_and(|name| first < name);
        if is_before_the_name && value(first) != text {
            return Err(Reading::Refused);
        }
    }
    let address = match text {
        // From a Unix socket.
        b"" => None,
        text => Some(literal(text).ok_or(Reading::Unknown)?),
    };
    let account = match fields[..last].strip_prefix(b" user=<") {
        Some(named) => rfind(named, b">").map_or(b"".as_slice(), |end| &named[..end]),
        None => b"",
    };
    let session = SESSION.after(tail).and_then(bracketed);
    Ok(Client {
        address,
        account,
        session: session.map_or(b"", |(id, _)| id),
    })
}

/// Whether `text`, which follows an address, closes no bracket that it did not open.
fn is_outside_a_name(text: &[u8]) -> bool {
    let first = memchr::memchr2(b'<', b'>', text);
    first.is_none_or(|at| text[at] == b'<')
}
