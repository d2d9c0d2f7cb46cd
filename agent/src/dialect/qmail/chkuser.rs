//! The chkuser patch of qmail-smtpd: `CHKUSER rejected rcpt: from <...> remote <helo:...|remotehostip:ADDRESS> rcpt <...> : REASON`.

use super::super::{
    Line, Reading,
    address::literal,
    text::{after, before, split_last, split_only},
};
use crate::event::{EventKind, Score, Service};

/// What a line says. Sender, HELO name and recipient are the client's: where one of them holds what parts the fields, nothing is certain.
pub(super) fn read(line: &Line<'_>, text: &[u8]) -> Reading {
    let Some((title, rest)) = text.strip_prefix(b"CHKUSER ").and_then(|rest| {
        let title = before(rest, b": from <");
        Some((title, rest.get(title.len() + b": from <".len()..)?))
    }) else {
        return Reading::Unknown;
    };
    let Some((sender, rest)) = split_only(rest, b"> remote <") else {
        return Reading::Refused;
    };
    let Some((remote, rest)) = split_only(rest, b"> rcpt <") else {
        return Reading::Refused;
    };
    // Older versions write `helo:name:address`.
    let parts = split_last(remote, b"|remotehostip:").or_else(|| split_last(remote, b":"));
    let Some(address) = parts.and_then(|(_, address)| literal(address)) else {
        return Reading::Unknown;
    };
    let Some((recipient, reason)) = split_last(rest, b"> : ") else {
        return Reading::Unknown;
    };
    let (kind, score) = match (title, reason) {
        (b"rejected rcpt", b"not existing recipient") => weighed(EventKind::UnknownRecipient),
        (b"rejected rcpt", b"temporary DNS problem") => (EventKind::ServerFault, Score::ZERO),
        (b"rejected rcpt", b"max number of recipients") => (EventKind::RateLimited, Score::ZERO),
        (b"rejected rcpt", b"max number of invalid recipients") => {
            (EventKind::UnknownRecipient, Score::ZERO)
        }
        (b"rejected rcpt", _) => weighed(EventKind::UnknownRecipient),
        (b"rejected relaying", _) => weighed(EventKind::RelayDenied),
        (b"intrusion threshold", _) => weighed(EventKind::TooManyErrors),
        // The same session goes on.
        (b"rejected intrusion", _) => (EventKind::TooManyErrors, Score::ZERO),
        (b"rejected sender", b"temporary DNS problem") => (EventKind::SenderRejected, Score::ZERO),
        (b"rejected sender", _) => weighed(EventKind::SenderRejected),
        (b"must auth", _) => weighed(EventKind::ClientRejected),
        (b"no auth resource" | b"mbx overquota", _) => (EventKind::ServerFault, Score::ZERO),
        _ if title.starts_with(b"accepted") || title == b"relaying rcpt" => {
            return Reading::Ignored;
        }
        _ => return Reading::Unknown,
    };
    let is_bounce = matches!(sender.first(), None | Some(b'|' | b':'));
    let mut event = line
        .event_of(kind, Service::Smtp, address)
        .with_score(score)
        .with_recipient(recipient)
        .excused(is_bounce && kind != EventKind::TooManyErrors);
    if let Some(user) = after(sender, b"|remoteinfo/auth:") {
        event = event.with_account(before(user, b"|"));
    }
    Reading::Event(event)
}

fn weighed(kind: EventKind) -> (EventKind, Score) {
    (kind, kind.score())
}
