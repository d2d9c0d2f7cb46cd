//! IMAP4 and POP3: one line for each command, with what it came to in its context.

use super::{
    super::{
        Line, Reading,
        text::{after, before, find},
    },
    columns::Values,
};
use crate::event::{EventKind, Service};

/// What a line says.
pub(super) fn read(line: &Line<'_>, values: &Values<'_>) -> Reading {
    let Some(address) = values.address else {
        return Reading::Unknown;
    };
    let command = values.data.trim_ascii().to_ascii_lowercase();
    let service = match values.port {
        143 | 993 => Service::Imap,
        110 | 995 => Service::Pop,
        _ if matches!(
            &command[..],
            b"user" | b"pass" | b"auth" | b"stat" | b"uidl" | b"list"
        ) =>
        {
            Service::Pop
        }
        _ => Service::Imap,
    };
    let event = |kind| line.event_of(kind, service, address);
    let context = &values.context[..];
    match &command[..] {
        b"opensession" => return Reading::Event(event(EventKind::Connect)),
        b"closesession" => return Reading::Event(event(EventKind::Disconnect)),
        b"login" | b"authenticate" | b"auth" | b"pass" | b"apop" => {}
        _ => return Reading::Ignored,
    }
    let result = after(context, b"R=").unwrap_or(context);
    let result = result.strip_prefix(b"\"").unwrap_or(result);
    // The tag of an IMAP command is the client's, but has no blanks.
    let answer = match result.first() {
        Some(b'+' | b'-') => result,
        _ => after(&result[..result.len().min(64)], b" ").unwrap_or(result),
    };
    let reason = after(context, b"ErrMsg=")
        .or(after(context, b"Msg="))
        .unwrap_or_default();
    let kind =
        if answer.starts_with(b"OK") || answer.starts_with(b"ok") || answer.starts_with(b"+OK") {
            EventKind::AuthSuccess
        } else if answer.starts_with(b"NO") || answer.starts_with(b"-ERR") {
            let is = |words: &[u8]| find(reason, words).is_some();
            if is(b"ProxyNotAuthenticated")
                || is(b"ProxyFailed")
                || is(b"UnableToConnect")
                || is(b"TransientError")
                || is(b"BackEnd")
            {
                EventKind::ServerFault
            } else {
                EventKind::AuthFailure
            }
        } else if answer.starts_with(b"BAD") {
            EventKind::AuthAborted
        } else {
            // A step of a login that goes on.
            return Reading::Ignored;
        };
    let user = match &values.user[..] {
        [] => after(context, b"User: ")
            .map_or(b"".as_slice(), |user| before(before(user, b"\""), b";")),
        user => user,
    };
    Reading::Event(event(kind).with_account(user))
}
