//! Why an ACL or Exim itself refused something: `rejected RCPT <x@y>: relay not permitted` (`smtp_handle_acl_fail`).

use super::super::{
    reason::{is_about_dns, of_words},
    text::{after, before, until},
};
use crate::event::{EventKind, Score};

/// A refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reject<'a> {
    pub(super) kind: EventKind,
    pub(super) score: Score,
    pub(super) recipient: Option<&'a [u8]>,
}

/// Reads what follows `rejected ` or `temporarily rejected `.
pub(super) fn read(text: &[u8], is_temporary: bool) -> Reject<'_> {
    let verb = before(text, b" ");
    let argument = text.get(verb.len() + 1..).unwrap_or_default();
    let mut recipient = None;
    let mut reason = after(argument, b": ").unwrap_or_default();
    if matches!(verb, b"RCPT" | b"MAIL" | b"VRFY" | b"EXPN") {
        let (about, why) = about_and_reason(argument);
        reason = why;
        if matches!(verb, b"RCPT" | b"VRFY") {
            recipient = Some(about);
        }
    }
    let words = of_words(reason);
    let kind = match (verb, words) {
        (b"RCPT", words) => words.unwrap_or(EventKind::ClientRejected),
        (
            b"MAIL",
            Some(EventKind::UnknownRecipient | EventKind::RelayDenied | EventKind::ContentRejected)
            | None,
        ) => EventKind::SenderRejected,
        (b"VRFY", Some(EventKind::UnknownRecipient)) => EventKind::UnknownRecipient,
        (b"VRFY" | b"EXPN" | b"ETRN" | b"ATRN" | b"STARTTLS" | b"XCLIENT", _) => {
            EventKind::ClientRejected
        }
        (b"EHLO" | b"HELO", Some(kind @ (EventKind::DnsblRejected | EventKind::RateLimited))) => {
            kind
        }
        (b"EHLO" | b"HELO", _) => EventKind::HeloRejected,
        (b"connection", Some(kind @ (EventKind::DnsblRejected | EventKind::RateLimited))) => kind,
        (b"connection", _) => EventKind::ClientRejected,
        (b"AUTH", _) => EventKind::AuthNotOffered,
        (b"MAIL", Some(kind)) => kind,
        (
            _,
            Some(
                kind
                @ (EventKind::SenderRejected | EventKind::RateLimited | EventKind::ServerFault),
            ),
        ) => kind,
        _ => EventKind::ContentRejected,
    };
    let is_harmless = match kind {
        // A limit on connections says 4xx, and means the client.
        EventKind::RateLimited => is_temporary && verb != b"connection",
        EventKind::HeloRejected => is_temporary || is_about_dns(reason),
        EventKind::ContentRejected => is_temporary || reason.starts_with(b"message too big"),
        _ => is_temporary,
    };
    Reject {
        kind,
        score: if is_harmless {
            Score::ZERO
        } else {
            kind.score()
        },
        recipient,
    }
}

/// Splits `<x@y> NOTIFY=NEVER: relay not permitted`; the argument is as the client wrote it.
fn about_and_reason(text: &[u8]) -> (&[u8], &[u8]) {
    let bracketed = text.strip_prefix(b"<").and_then(|text| until(text, b'>'));
    match bracketed {
        Some((about, rest)) => (about, after(rest, b": ").unwrap_or_default()),
        None => {
            let about = before(text, b": ");
            (about, text.get(about.len() + 2..).unwrap_or_default())
        }
    }
}
