//! What a ruleset refuses: `check_rcpt, arg1=<x@y>, relay=a [192.0.2.1], reject=550 5.7.1 <x@y>... Relaying denied` (`rscheck`).

use super::{
    super::{
        Line, Reading, name,
        reason::of_words,
        text::{after, before, starts_with_any, until},
    },
    Sendmail,
    client::{Found, between},
};
use crate::event::{EventKind, Score};

/// Rulesets that judge other servers, to which mail goes out.
const OUTBOUND: &[&[u8]] = &[
    b"check_compat",
    b"queuegroup",
    b"tls_rcpt",
    b"tls_server",
    b"try_tls",
];

impl Sendmail {
    /// What follows `ruleset=`.
    pub(super) fn ruleset(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let ruleset = before(text, b", ");
        if starts_with_any(ruleset, OUTBOUND) {
            return Reading::Ignored;
        }
        let tails: &[&[u8]] = &[b", reject=", b", discard", b", quarantine="];
        let (address, answer) = match between(text, b", relay=", tails) {
            Found::Client(address, answer) => (address, answer),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let (kind, score) = judge(ruleset, answer);
        let mut event = self
            .connections
            .event(line, address, kind, |session| match kind {
                EventKind::RelayDenied if session.has_authenticated => Score::ZERO,
                _ => score,
            });
        event.recipient = match ruleset {
            b"check_rcpt" => after(text, b", arg1=<")
                .and_then(|text| until(text, b'>'))
                .and_then(|(recipient, _)| name(recipient)),
            _ => None,
        };
        Reading::Event(event)
    }
}

/// `550 5.7.1 <x@y>... Relaying denied`.
pub(super) fn judge(ruleset: &[u8], answer: &[u8]) -> (EventKind, Score) {
    let is_temporary = answer.first() == Some(&b'4');
    let (code, text) = answer.split_at_checked(4).unwrap_or((b"", answer));
    let status = before(text, b" ");
    // What is refused stands before `... `, as the client wrote it.
    let reason = match until(text, b'>') {
        Some((_, rest)) if rest.starts_with(b"... ") => rest,
        _ => text,
    };
    let kind = match (ruleset, of_words(reason)) {
        (b"check_relay", Some(kind @ (EventKind::DnsblRejected | EventKind::RateLimited))) => kind,
        // `421 4.3.2 Too many open connections.` of conncontrol, and what its neighbours say.
        (b"check_relay", _) if code == b"421 " => EventKind::RateLimited,
        (b"check_relay" | b"tls_client", _) => EventKind::ClientRejected,
        (_, Some(kind)) => kind,
        (b"check_mail", None) => EventKind::SenderRejected,
        (b"check_rcpt", None) => match status {
            b"5.1.1" | b"5.1.0" => EventKind::UnknownRecipient,
            b"5.1.7" | b"5.1.8" => EventKind::SenderRejected,
            _ => EventKind::ClientRejected,
        },
        (b"check_vrfy" | b"check_expn" | b"check_etrn" | b"trust_auth", None) => {
            EventKind::ClientRejected
        }
        (_, None) => EventKind::ContentRejected,
    };
    let is_limit = kind == EventKind::RateLimited && ruleset == b"check_relay";
    let score = match is_temporary && !is_limit {
        true => Score::ZERO,
        false => kind.score(),
    };
    (kind, score)
}
