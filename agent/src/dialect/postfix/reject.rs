//! Why smtpd or postscreen refused a command: `550 5.1.1 <x@y>: Recipient address rejected: User unknown; from=<a@b> to=...`.
//!
//! The code and the status stand before anything that a client can write, the reason right after what it is about.

use super::super::text::{after, before, starts_with, starts_with_any};
use crate::event::{EventKind, Score};

/// A refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reject<'a> {
    pub(super) kind: EventKind,
    pub(super) score: Score,
    /// The recipient that it is about.
    pub(super) recipient: Option<&'a [u8]>,
}

/// Reads what follows the client's `: `. `stage` is the command that was refused.
pub(super) fn read<'a>(stage: &[u8], text: &'a [u8]) -> Option<Reject<'a>> {
    let (&[class, tens, ones, b' '], rest) = text.split_first_chunk()? else {
        return None;
    };
    if !matches!(class, b'4' | b'5') || !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return None;
    }
    let (status, rest) = status(rest);
    let temporary = class == b'4';
    let (about, reason) = about_and_reason(rest);
    let kind = kind(stage, status, reason, temporary);
    let recipient = match kind {
        EventKind::UnknownRecipient | EventKind::RelayDenied => {
            about.or_else(|| field(rest, b" to=<"))
        }
        _ if matches!(stage, b"RCPT" | b"VRFY") => field(rest, b" to=<"),
        _ => None,
    };
    Some(Reject {
        kind,
        score: score(kind, status, temporary, rest),
        recipient,
    })
}

/// The enhanced status (RFC 3463) that `text` begins with, without its class.
fn status(text: &[u8]) -> (&[u8], &[u8]) {
    let word = before(&text[..text.len().min(12)], b" ");
    match word {
        [b'4' | b'5', b'.', detail @ ..]
            if detail
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'.')
                && text.len() > word.len() =>
        {
            (detail, &text[word.len() + 1..])
        }
        _ => (b"", text),
    }
}

/// Splits `<x@y>: Recipient address rejected: ...` into what it is about and why. A client may write a reason into what it
/// is about, and then is blamed for that one: no reason that comes with 5xx is an excuse.
fn about_and_reason(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let Some(quoted) = text.strip_prefix(b"<") else {
        return (None, text);
    };
    let mut rest = quoted;
    let mut first = None;
    while let Some(reason) = after(rest, b">: ") {
        let about = &quoted[..quoted.len() - reason.len() - b">: ".len()];
        if REASONS.iter().any(|(head, _)| starts_with(reason, head)) {
            return (Some(about), reason);
        }
        first.get_or_insert((Some(about), reason));
        rest = reason;
    }
    first.unwrap_or((None, text))
}

/// What the fixed texts of `smtpd_check.c`, `smtpd.c` and `postscreen_smtpd.c` mean.
const REASONS: &[(&[u8], Because)] = &[
    (b"Relay access denied", Because::Is(EventKind::RelayDenied)),
    (b"Recipient address rejected: ", Because::Recipient),
    (
        b"Sender address rejected: ",
        Because::Is(EventKind::SenderRejected),
    ),
    (
        b"Helo command rejected: ",
        Because::Is(EventKind::HeloRejected),
    ),
    (
        b"Client host rejected: ",
        Because::Is(EventKind::ClientRejected),
    ),
    (b"Service unavailable; ", Because::List),
    (
        b"Service currently unavailable",
        Because::Is(EventKind::ClientRejected),
    ),
    (b"User unknown", Because::Is(EventKind::UnknownRecipient)),
    (b"Data command rejected: ", Because::Data),
    (
        b"End-of-data rejected: ",
        Because::Is(EventKind::ContentRejected),
    ),
    (b"Command rejected", Because::Is(EventKind::ContentRejected)),
    (
        b"Message size exceeds fixed limit",
        Because::Is(EventKind::ContentRejected),
    ),
    (b"Protocol error", Because::Is(EventKind::ProtocolError)),
    (b"Error: bare <", Because::Is(EventKind::ProtocolError)),
    (b"Error: too many ", Because::Is(EventKind::RateLimited)),
    (b"Error: too much ", Because::Is(EventKind::RateLimited)),
    (
        b"Service unavailable - try again later",
        Because::Is(EventKind::ServerFault),
    ),
    (
        b"Server configuration ",
        Because::Is(EventKind::ServerFault),
    ),
    (b"Insufficient system ", Because::Is(EventKind::ServerFault)),
    (
        b"Temporary lookup failure",
        Because::Is(EventKind::ServerFault),
    ),
];

#[derive(Clone, Copy)]
enum Because {
    Is(EventKind),
    /// What follows tells: a table's or a policy's word on the recipient.
    Recipient,
    /// `Client host [192.0.2.1] blocked using ...`, or a milter that is out of order.
    List,
    /// What follows tells: a breach of protocol, or a policy's word on the message.
    Data,
}

fn kind(stage: &[u8], status: &[u8], reason: &[u8], temporary: bool) -> EventKind {
    let known = REASONS.iter().find(|(head, _)| starts_with(reason, head));
    let Some(&(head, because)) = known else {
        return kind_by_status(stage, status);
    };
    let detail = &reason[head.len()..];
    match because {
        // These come with 4xx; with 5xx they are somebody else's words.
        Because::Is(EventKind::ServerFault) if !temporary => kind_by_status(stage, status),
        Because::Is(kind) => kind,
        Because::Recipient if is_unknown_recipient(status, detail) => EventKind::UnknownRecipient,
        Because::Recipient if detail.starts_with(b"Relay access denied") => EventKind::RelayDenied,
        Because::Recipient if detail.starts_with(b"Domain not found") => {
            EventKind::UnknownRecipient
        }
        Because::Recipient => kind_by_status(b"", status),
        Because::List if is_listed(detail) => EventKind::DnsblRejected,
        Because::List if temporary => EventKind::ServerFault,
        Because::List => EventKind::ContentRejected,
        Because::Data if detail.starts_with(b"Improper use of SMTP command pipelining") => {
            EventKind::ProtocolError
        }
        Because::Data if detail.starts_with(b"Multi-recipient bounce") => EventKind::ProtocolError,
        Because::Data => EventKind::ContentRejected,
    }
}

/// A reason that a policy, a milter or an access table gave in words of its own.
fn kind_by_status(stage: &[u8], status: &[u8]) -> EventKind {
    match status {
        // Over quota, message too long for it: the mailbox's trouble. 2.1, disabled, is as good as unknown.
        b"2.2" | b"2.3" | b"2.4" => return EventKind::ServerFault,
        b"1.1" | b"1.0" | b"1.10" | b"2.1" => return EventKind::UnknownRecipient,
        // SPF, DKIM and DMARC (RFC 7372).
        b"7.20" | b"7.21" | b"7.22" | b"7.23" | b"7.24" | b"7.26" | b"1.7" | b"1.8" => {
            return EventKind::SenderRejected;
        }
        b"7.25" => return EventKind::ClientRejected,
        [b'3' | b'4', b'.', ..] => return EventKind::ServerFault,
        [b'5', b'.', ..] => return EventKind::ProtocolError,
        _ => {}
    }
    match stage {
        b"HELO" | b"EHLO" => EventKind::HeloRejected,
        b"MAIL" => EventKind::SenderRejected,
        b"DATA" | b"BDAT" | b"END-OF-MESSAGE" => EventKind::ContentRejected,
        _ => EventKind::ClientRejected,
    }
}

fn is_unknown_recipient(status: &[u8], detail: &[u8]) -> bool {
    const UNKNOWN: &[&[u8]] = &[
        b"User unknown",
        b"Unknown user",
        b"No such user",
        b"undeliverable address: ",
        b"unverified address: ",
    ];
    status == b"1.1" || starts_with_any(detail, UNKNOWN)
}

/// `Client host [192.0.2.1] blocked using zen.example; ...`, also `client`, `Sender address`, `Helo command` and so on.
fn is_listed(detail: &[u8]) -> bool {
    const LISTED: &[&[u8]] = &[
        b"Client host [",
        b"client [",
        b"Unverified Client host [",
        b"Sender address [",
        b"Helo command [",
        b"Recipient address [",
    ];
    starts_with_any(detail, LISTED)
}

fn score(kind: EventKind, status: &[u8], temporary: bool, text: &[u8]) -> Score {
    let is_harmless = match kind {
        // Some sites answer 454 to relaying (`relay_domains_reject_code`); it is no mistake of an honest client either way.
        EventKind::RelayDenied => false,
        _ if temporary => true,
        // A message that is too large for this server: an honest mistake.
        EventKind::ContentRejected => status == b"3.4",
        _ => false,
    };
    if is_harmless || is_bounce(text) {
        Score::ZERO
    } else {
        kind.score()
    }
}

/// Whether the sender is empty. A line with more than one sender holds one that the client made up, perhaps to pass for a
/// bounce.
pub(super) fn is_bounce(text: &[u8]) -> bool {
    const SENDER: &[u8] = b"; from=<";
    after(text, SENDER).is_some_and(|rest| rest.starts_with(b">") && after(rest, SENDER).is_none())
}

/// The field that begins with `head`, up to its `>`.
fn field<'a>(text: &'a [u8], head: &[u8]) -> Option<&'a [u8]> {
    let rest = after(text, head)?;
    let end = rest.iter().position(|&byte| byte == b'>')?;
    Some(&rest[..end])
}
