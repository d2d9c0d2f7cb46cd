//! vpopmail's vchkpw: `vchkpw-pop3: vpopmail user not found joe@example.org:ADDRESS`.

use super::{
    super::{
        Line, Reading,
        address::literal,
        text::{split_last, starts_with_any},
    },
    service,
};
use crate::event::EventKind;

const FAILURES: &[&[u8]] = &[
    b"password fail ",
    b"vpopmail user not found ",
    b"null user name given ",
    b"null password given ",
    b"null username given ",
    b"invalid user/domain characters ",
    b"user has no password ",
    b"system user not found ",
    b"system password fail ",
    b"system user shadow entry not found ",
    b"ip address not allowed ",
];

const NOT_OFFERED: &[&[u8]] = &[
    b"pop access denied ",
    b"smtp access denied ",
    b"imap access denied ",
    b"webmail access denied ",
    b"No pop access ",
    b"account disabled ",
];

/// What a line says. The user's name, and before it perhaps the password, are the client's; the address follows the last colon. One of
/// IPv6 cannot be told from the end of a name there.
pub(super) fn read(line: &Line<'_>, program: &[u8], text: &[u8]) -> Reading {
    let (program, text) = match text.starts_with(b"vchkpw") {
        true => {
            let end = text.iter().take(32).position(|&byte| byte == b':');
            let (name, rest) = text.split_at(end.unwrap_or(0));
            (name, rest.strip_prefix(b": ").unwrap_or(rest))
        }
        false => (program, text),
    };
    // `(PLAIN) login success ...`
    let mechanism = text.strip_prefix(b"(").and_then(|rest| {
        let end = rest.iter().take(16).position(|&byte| byte == b')')?;
        rest[end + 1..].strip_prefix(b" ")
    });
    let text = mechanism.unwrap_or(text);
    let (kind, rest) = if let Some(rest) = text.strip_prefix(b"login success ") {
        (EventKind::AuthSuccess, rest)
    } else if let Some(rest) = FAILURES.iter().find_map(|head| text.strip_prefix(*head)) {
        (EventKind::AuthFailure, rest)
    } else if let Some(rest) = NOT_OFFERED.iter().find_map(|head| text.strip_prefix(*head)) {
        (EventKind::AuthNotOffered, rest)
    } else if starts_with_any(text, &[b"vmysql", b"MySQL", b"no such file", b"error"]) {
        return line.fault(service(program));
    } else {
        return Reading::Ignored;
    };
    let Some((user, address)) = split_last(rest, b":") else {
        return Reading::Unknown;
    };
    let Some(address) = literal(address) else {
        return Reading::Unknown;
    };
    // `(pass: 'secret') joe@example.org`: the password is not kept.
    let user = match user.starts_with(b"(pass: ") {
        true => split_last(user, b") ").map_or(b"".as_slice(), |(_, user)| user),
        false => user,
    };
    let user = user.strip_suffix(b":::ffff").unwrap_or(user);
    Reading::Event(
        line.event_of(kind, service(program), address)
            .with_account(user),
    )
}
