//! The University of Washington's IMAP and POP servers: `imapd`, `ipop3d`, `ipop2d`.
//!
//! Shapes are those of `imapd.c`, `ipop3d.c`, `ipop2d.c` and `env_unix.c`. Each line ends in `host=NAME [ADDRESS]`, cut to 80
//! bytes; where a long name leaves no room for the address there is none. Users' names stand before it.

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::host,
    sessions::{Key, Sessions},
    text::{after, before, find, split_last, starts_with_any},
};
use crate::event::{EventKind, Service};

/// The University of Washington's servers.
pub(super) const DIALECT: Dialect = Dialect {
    name: "uw-imap",
    speaks: |program| service(program).is_some(),
    bare_program: Some(b"imapd"),
    start: || Box::new(UwImap::default()),
};

#[derive(Default)]
struct UwImap {
    /// Processes (one for each client) whose last login was told to have failed, and by whom.
    failed: Sessions<IpAddr>,
}

fn service(program: &[u8]) -> Option<Service> {
    match program {
        b"imapd" | b"imapsd" | b"uw-imapd" => Some(Service::Imap),
        b"ipop3d" | b"ipop2d" | b"ipop3sd" => Some(Service::Pop),
        _ => None,
    }
}

/// Beginnings of lines, and what they tell of.
const SHAPES: &[(&[u8], EventKind)] = &[
    (b"Login failed user=", EventKind::AuthFailure),
    (b"Login failure user=", EventKind::AuthFailure),
    (
        b"Login excessive login failures user=",
        EventKind::AuthFailure,
    ),
    (b"Excessive login failures user=", EventKind::AuthFailure),
    (b"Excessive login attempts user=", EventKind::AuthFailure),
    (b"Login disabled user=", EventKind::AuthNotOffered),
    (
        b"Login SYSTEM BREAK-IN ATTEMPT user=",
        EventKind::AuthFailure,
    ),
    (b"Login user=", EventKind::AuthSuccess),
    (b"Login anonymous=", EventKind::Connect),
    (b"Authenticated user=", EventKind::AuthSuccess),
    (b"Auth user=", EventKind::AuthSuccess),
    (b"APOP user=", EventKind::AuthSuccess),
    (b"Preauthenticated user=", EventKind::AuthSuccess),
    (b"Update user=", EventKind::Disconnect),
    (b"Logout user=", EventKind::Disconnect),
    (b"Autologout user=", EventKind::LostConnection),
    (b"Autologout host=", EventKind::LostConnection),
    (b"Killed ", EventKind::LostConnection),
    (b"Hangup user=", EventKind::LostConnection),
    (b"Command stream end of file", EventKind::LostConnection),
    (b"Connection reset by peer", EventKind::LostConnection),
    (b"Connection timed out", EventKind::LostConnection),
    (b"Broken pipe", EventKind::LostConnection),
    (b"No route to host", EventKind::LostConnection),
];

impl Interpreter for UwImap {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let text = line.message;
        let Some(service) = service(line.program) else {
            return Reading::Unknown;
        };
        if let Some((_, kind)) = SHAPES.iter().find(|(head, _)| text.starts_with(head)) {
            return self.session(line, service, *kind);
        }
        if let Some(rest) = text.strip_prefix(b"Failed ")
            && find(rest, b" override of user=").is_some()
        {
            return self.session(line, service, EventKind::AuthFailure);
        }
        if let Some(rest) = text.strip_prefix(b"Admin ")
            && find(rest, b" override of user=").is_some()
        {
            return self.session(line, service, EventKind::AuthSuccess);
        }
        let mechanism = text
            .strip_prefix(b"AUTHENTICATE ")
            .or_else(|| text.strip_prefix(b"AUTH "));
        if mechanism.is_some_and(|rest| find(rest, b" failure host=").is_some()) {
            return self.mechanism(line, service);
        }
        if let Some(rest) = after(text, b" service init from ") {
            // `imap service init from 192.0.2.1`, `imaps SSL service init from`, `port 4143 service init from`.
            let head = before(text, b" service init from ");
            let is_own = head.len() <= 16 && !head.contains(&b'=');
            return match super::address::leading(rest) {
                Some((address, [])) if is_own => line.told(EventKind::Connect, service, address),
                _ => Reading::Unknown,
            };
        }
        if starts_with_any(
            text,
            &[
                b"Unable to ",
                b"Error opening or locking INBOX",
                b"Trying to get mailbox lock",
            ],
        ) {
            return line.fault(service);
        }
        if starts_with_any(
            text,
            &[
                b"Mailbox is open by another process",
                b"Moved ",
                b"Expunged ",
                b"SSL error",
                b"SSL context",
            ],
        ) {
            return Reading::Ignored;
        }
        Reading::Unknown
    }
}

impl UwImap {
    fn session(&mut self, line: &Line<'_>, service: Service, kind: EventKind) -> Reading {
        let Some((head, address)) = client(line.message) else {
            return Reading::Unknown;
        };
        if let Some(key) = process(line) {
            if kind == EventKind::AuthFailure {
                self.failed.insert(key, address);
            } else {
                self.failed.remove(key);
            }
        }
        let mut event = line.event_of(kind, service, address);
        if let Some(user) = after(head, b"user=") {
            event = event.with_account(before(user, b" auth="));
        }
        Reading::Event(event)
    }

    /// `AUTHENTICATE PLAIN failure host=`: follows the line of the login that failed, if there was one.
    fn mechanism(&mut self, line: &Line<'_>, service: Service) -> Reading {
        let Some((_, address)) = client(line.message) else {
            return Reading::Unknown;
        };
        let is_told = process(line)
            .and_then(|key| self.failed.remove(key))
            .is_some_and(|told| told == address);
        let event = line.event_of(EventKind::AuthFailure, service, address);
        Reading::Event(event.excused(is_told))
    }
}

/// What stands before the host, and the host's address. ipop3d counts messages behind it: `nmsgs=2/3`.
fn client(text: &[u8]) -> Option<(&[u8], IpAddr)> {
    let (head, rest) = split_last(text, b"host=")?;
    let (address, rest) = host(rest)?;
    let is_tail = rest
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b" =/-_".contains(byte));
    is_tail.then(|| (head.strip_suffix(b" ").unwrap_or(head), address))
}

fn process(line: &Line<'_>) -> Option<Key> {
    let pid = line.pid?.to_le_bytes();
    Some(Key::new(&[line.host, line.program, &pid]))
}
