//! Solid POP3.
//!
//! Shapes are those of `main.c`: where it was built to, a line ends in ` - ADDRESS` or ` - NAME (ADDRESS)`. Builds that do not
//! write it end in the user's name, which may look the same: once a line without it was seen, none is believed.

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::literal,
    text::{find, split_last, starts_with_any},
};
use crate::event::{Event, EventKind, Service};

/// Solid POP3.
pub(super) const DIALECT: Dialect = Dialect {
    name: "solid-pop3d",
    speaks: |program| matches!(program, b"solid-pop3d" | b"spop3d"),
    bare_program: Some(b"solid-pop3d"),
    start: || Box::new(SolidPop3d::default()),
};

#[derive(Default)]
struct SolidPop3d {
    /// A line was seen that lacks the address.
    is_terse: bool,
}

/// Longest user name that is written.
const USER_MAX: usize = 40;

const FAILURES: &[&[u8]] = &[
    b"authentication failed: no such user: ",
    b"authentication failed: can't map user name: ",
    b"authentication failed for mapped user ",
    b"authentication failed for user ",
    b"APOP authentication failed for user ",
    b"can't find APOP secret for user ",
];

impl Interpreter for SolidPop3d {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let text = line.message;
        if let Some(rest) = text.strip_prefix(b"connect from ") {
            return match client(rest) {
                Some(address) => line.told(EventKind::Connect, Service::Pop, address),
                None => Reading::Unknown,
            };
        }
        if let Some(rest) = text.strip_prefix(b"root login not allowed") {
            return self.login(line, EventKind::AuthFailure, rest, b"root");
        }
        if let Some(rest) = FAILURES.iter().find_map(|head| text.strip_prefix(*head)) {
            let user = split_last(rest, b" - ").map_or(rest, |(user, _)| user);
            return self.login(line, EventKind::AuthFailure, &rest[user.len()..], user);
        }
        let success = text
            .strip_prefix(b"user ")
            .or_else(|| text.strip_prefix(b"mapped user "));
        if let Some(rest) = success
            && let Some(at) = find(rest, b" authenticated")
        {
            let tail = &rest[at + b" authenticated".len()..];
            let tail = tail.strip_prefix(b" through APOP").unwrap_or(tail);
            return self.login(line, EventKind::AuthSuccess, tail, &rest[..at]);
        }
        if starts_with_any(
            text,
            &[
                b"peer address ",
                b"user ",
                b"mailbox: ",
                b"maildrop ",
                b"session ",
                b"expire",
                b"bulletin",
                b"starting",
                b"timed out",
                b"autologout",
                b"connection closed",
            ],
        ) {
            return Reading::Ignored;
        }
        Reading::Unknown
    }
}

impl SolidPop3d {
    /// What follows `user` is ` - ` and the client.
    fn login(&mut self, line: &Line<'_>, kind: EventKind, rest: &[u8], user: &[u8]) -> Reading {
        let address = rest.strip_prefix(b" - ").and_then(client);
        if address.is_none() {
            self.is_terse = true;
        }
        let event = Event {
            address,
            ..line.event(kind, Service::Pop)
        };
        match (address, self.is_terse) {
            (Some(_), true) => Reading::Refused,
            // Whatever the build, so long a name was not written.
            (Some(_), false) if user.len() > USER_MAX => Reading::Refused,
            _ => Reading::Event(event.with_account(user)),
        }
    }
}

/// `ADDRESS` or `NAME (ADDRESS)`.
fn client(text: &[u8]) -> Option<IpAddr> {
    let Some((name, inside)) = split_last(text, b" (") else {
        return literal(text);
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let inside = inside.strip_suffix(b")")?;
    name.iter().all(is_name).then(|| literal(inside)).flatten()
}
