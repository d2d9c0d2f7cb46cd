//! spamdyke: `DENIED_RDNS_MISSING from: S to: R origin_ip: ADDRESS origin_rdns: N auth: U encryption: E reason: ...`.

use super::super::{
    Line, Reading,
    address::leading,
    text::{after, before, split_only, starts_with_any},
};
use crate::event::{EventKind, Score, Service};

/// Its short messages (`spamdyke.h`), what they tell of, and whether the answer is for good.
const VERDICTS: &[(&[u8], EventKind, bool)] = &[
    (b"ALLOWED", EventKind::MailAccepted, true),
    (b"ALLOWED_AUTHENTICATED", EventKind::AuthSuccess, true),
    (b"ALLOWED_TLS", EventKind::Connect, true),
    (b"ALLOWED_DATA", EventKind::MailAccepted, true),
    (b"DENIED_AUTH_REQUIRED", EventKind::ClientRejected, true),
    (b"DENIED_BLACKLIST_IP", EventKind::ClientRejected, true),
    (b"DENIED_BLACKLIST_NAME", EventKind::ClientRejected, true),
    (b"DENIED_EARLYTALKER", EventKind::EarlyTalker, true),
    (b"DENIED_GRAYLISTED", EventKind::ClientRejected, false),
    (
        b"DENIED_HEADER_BLACKLISTED",
        EventKind::ContentRejected,
        true,
    ),
    (
        b"DENIED_IDENTICAL_SENDER_RECIPIENT",
        EventKind::SenderRejected,
        true,
    ),
    (
        b"DENIED_INVALID_RECIPIENT",
        EventKind::UnknownRecipient,
        true,
    ),
    (b"DENIED_IP_IN_CC_RDNS", EventKind::ClientRejected, true),
    (b"DENIED_IP_IN_RDNS", EventKind::ClientRejected, true),
    (b"DENIED_OTHER", EventKind::ClientRejected, false),
    (b"DENIED_RBL_MATCH", EventKind::DnsblRejected, true),
    (b"DENIED_RDNS_MISSING", EventKind::ClientRejected, false),
    (b"DENIED_RDNS_RESOLVE", EventKind::ClientRejected, false),
    (
        b"DENIED_RECIPIENT_BLACKLISTED",
        EventKind::ClientRejected,
        true,
    ),
    (b"DENIED_REJECT_ALL", EventKind::ClientRejected, false),
    (b"DENIED_RELAYING", EventKind::RelayDenied, true),
    (b"DENIED_RHSBL_MATCH", EventKind::SenderRejected, true),
    (
        b"DENIED_SENDER_BLACKLISTED",
        EventKind::SenderRejected,
        true,
    ),
    (b"DENIED_SENDER_NOT_AUTH", EventKind::SenderRejected, true),
    (b"DENIED_SENDER_NOT_LOCAL", EventKind::SenderRejected, true),
    (b"DENIED_SENDER_NO_MX", EventKind::SenderRejected, false),
    (b"DENIED_TOO_MANY_RECIPIENTS", EventKind::RateLimited, false),
    (
        b"DENIED_UNAVAILABLE_RECIPIENT",
        EventKind::UnknownRecipient,
        false,
    ),
    (b"DENIED_UNPARSEABLE", EventKind::ProtocolError, false),
    (
        b"DENIED_UNQUALIFIED_RECIPIENT",
        EventKind::UnknownRecipient,
        true,
    ),
    (b"DENIED_ZERO_RECIPIENTS", EventKind::ProtocolError, false),
    (b"FAILED_AUTH", EventKind::AuthFailure, true),
    (b"FAILED_TLS", EventKind::TlsFailure, true),
    (b"TIMEOUT", EventKind::LostConnection, true),
    (b"UNKNOWN_AUTH", EventKind::AuthNotOffered, true),
];

/// What a line says. Addresses may be quoted and hold blanks: where one looks like the next field, nothing is certain.
pub(super) fn read(line: &Line<'_>, text: &[u8]) -> Reading {
    let word = before(text, b" ");
    let verdict = VERDICTS.iter().find(|(name, ..)| *name == word);
    let Some(&(_, kind, is_final)) = verdict else {
        return match starts_with_any(text, &[b"DENIED_", b"ALLOWED", b"FAILED_"]) {
            true => Reading::Unknown,
            false => Reading::Ignored,
        };
    };
    let Some(rest) = text
        .get(word.len()..)
        .and_then(|rest| rest.strip_prefix(b" from: "))
    else {
        return Reading::Unknown;
    };
    let Some((addresses, rest)) = split_only(rest, b" origin_ip: ") else {
        return Reading::Refused;
    };
    let Some((address, rest)) = leading(rest) else {
        return Reading::Unknown;
    };
    if !rest.is_empty() && !rest.starts_with(b" origin_rdns: ") {
        return Reading::Unknown;
    }
    let mut event = line.event_of(kind, Service::Smtp, address);
    let sender = before(addresses, b" to: ");
    let is_bounce =
        matches!(sender, b"(unknown)" | b"<>" | b"") && kind == EventKind::UnknownRecipient;
    if !is_final || is_bounce {
        event.score = Score::ZERO;
    }
    if let Some(recipient) = after(addresses, b" to: ").filter(|name| *name != b"(unknown)") {
        event = event.with_recipient(recipient);
    }
    if let Some(user) = after(rest, b" auth: ") {
        let user = before(user, b" encryption: ");
        if !matches!(user, b"(unknown)" | b"(none)") {
            event = event.with_account(user);
        }
    }
    Reading::Event(event)
}
