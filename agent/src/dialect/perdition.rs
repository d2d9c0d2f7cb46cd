//! Perdition, a proxy of mailbox servers.
//!
//! Shapes are those of `perdition.c` and `perdition.h`. The connection, `CLIENT->SERVER`, stands before what the client said, except
//! in a few lines, where it is the program's own last words.

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::{bracketed, literal},
    text::{after, before, find, rfind, starts_with_any, without_blanks},
};
use crate::event::{EventKind, Service};

/// Perdition.
pub(super) const DIALECT: Dialect = Dialect {
    name: "perdition",
    speaks: |program| {
        program
            .strip_prefix(b"perdition")
            .is_some_and(|rest| matches!(rest, [] | [b'.', ..]))
    },
    bare_program: Some(b"perdition"),
    start: || Box::new(Perdition),
};

struct Perdition;

/// Lines about a client that left or was left, and what may follow its connection.
const LOST: &[(&[u8], &[&[u8]])] = &[
    (
        b"Fatal Error: Timeout reading authentication information from client",
        &[b": Exiting child"],
    ),
    (
        b"Fatal Error reading authentication information from client",
        &[b": Exiting child"],
    ),
    (
        b"Fatal error writing to client",
        &[b".Exiting child.", b". Exiting child."],
    ),
];

impl Interpreter for Perdition {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let text = line.message;
        let service = service(line.program);
        if let Some(rest) = text.strip_prefix(b"Auth:") {
            return login(line, rest);
        }
        for (head, kind) in [
            (b"Connect:".as_slice(), EventKind::Connect),
            (b"Close:", EventKind::Disconnect),
            (b"Closing NULL session:", EventKind::Disconnect),
        ] {
            if let Some(rest) = text.strip_prefix(head) {
                return match client(rest) {
                    Some((address, _)) => line.told(kind, service, address),
                    None => Reading::Unknown,
                };
            }
        }
        for (head, tails) in LOST {
            if let Some(rest) = text.strip_prefix(*head) {
                let tail = tails.iter().find_map(|tail| rest.strip_suffix(*tail));
                return match tail.and_then(client) {
                    Some((address, [])) => line.told(EventKind::LostConnection, service, address),
                    _ => Reading::Unknown,
                };
            }
        }
        if starts_with_any(
            text,
            &[
                b"Fatal error establishing SSL connection to client",
                b"Fatal error establishing TLS connection",
            ],
        ) {
            return Reading::Event(line.event(EventKind::TlsFailure, service));
        }
        if starts_with_any(text, &[b"Fatal ", b"fatal "]) {
            return line.fault(service);
        }
        if starts_with_any(
            text,
            &[
                b"Local authentication failure",
                b"Reopened ",
                b"Reloading ",
                b"Starting ",
                b"Exiting",
                b"perdition",
                b"__",
            ],
        ) {
            return Reading::Ignored;
        }
        Reading::Unknown
    }
}

/// `CLIENT->SERVER ... authentication_id="joe" server="..." ... status="failed: ..."`. The status is the last of it.
fn login(line: &Line<'_>, text: &[u8]) -> Reading {
    let Some((address, rest)) = client(text) else {
        return Reading::Unknown;
    };
    let service = match after(rest, b" protocol=").map(|rest| before(rest, b" ")) {
        Some(protocol) => service(protocol),
        None => service(line.program),
    };
    let status = rfind(rest, b" status=\"").map(|at| &rest[at + b" status=\"".len()..]);
    let event = |kind| {
        line.event_of(kind, service, address)
            .with_account(user(rest))
    };
    Reading::Event(match status.and_then(|status| status.strip_suffix(b"\"")) {
        Some(b"ok") => event(EventKind::AuthSuccess),
        Some(status) => match status.strip_prefix(b"failed: ") {
            Some(b"Login Disabled") => event(EventKind::AuthNotOffered),
            // No entry for the user, or no directory to look in.
            Some(b"Could not determine server") => event(EventKind::AuthFailure).excused(true),
            Some(
                b"Could not connect to server"
                | b"Connection Negotiation Failure"
                | b"TLS not present",
            ) => event(EventKind::ServerFault),
            Some(_) => event(EventKind::AuthFailure),
            None => return Reading::Unknown,
        },
        None => return Reading::Unknown,
    })
}

/// The name that a client logged in with; perdition writes the name it acts for in another field.
fn user(text: &[u8]) -> &[u8] {
    [b" authentication_id=\"".as_slice(), b" user=\""]
        .iter()
        .find_map(|field| after(text, field))
        .map_or(b"", |rest| before(rest, b"\" "))
}

/// `CLIENT->SERVER`, each an address with or without a port, and what follows it. IPv6 addresses with a port are told from those without
/// one only by brackets.
fn client(text: &[u8]) -> Option<(IpAddr, &[u8])> {
    const SIDE_MAX: usize = 64;
    let text = without_blanks(text);
    let end = find(&text[..text.len().min(SIDE_MAX)], b"->")?;
    let address = address(&text[..end])?;
    let server = &text[end + b"->".len()..];
    let length = server
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit() || b".:[]".contains(byte))
        .count();
    let mut rest = &server[length..];
    if server[..length].ends_with(b":") {
        // The colon is the sentence's.
        rest = &server[length - 1..];
    }
    Some((address, rest))
}

fn address(text: &[u8]) -> Option<IpAddr> {
    if let Some((address, rest)) = bracketed(text) {
        return is_port(rest).then_some(address);
    }
    let address = literal(text);
    if let Some(IpAddr::V4(_)) = address {
        return address;
    }
    let colon = text.iter().rposition(|&byte| byte == b':')?;
    match literal(&text[..colon])? {
        address @ IpAddr::V4(_) if is_port(&text[colon..]) => Some(address),
        _ => None,
    }
}

/// Nothing, or `:PORT`.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn service(name: &[u8]) -> Service {
    let lower = name.to_ascii_lowercase();
    if find(&lower, b"pop").is_some() {
        Service::Pop
    } else if find(&lower, b"sieve").is_some() {
        Service::Sieve
    } else {
        Service::Imap
    }
}
