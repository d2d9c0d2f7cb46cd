//! qmail-smtpd with the patches that make it speak, and simscan.

use super::{
    super::{
        Line, Reading,
        address::{leading, literal},
        text::{after, before, find, split_last, starts_with_any},
    },
    chkuser,
};
use crate::event::{EventKind, Score, Service};

/// What qmail-smtpd says: `421 badiprbl: ip ADDRESS rbl: LIST`, chkuser's lines, and those of s/qmail.
pub(super) fn read(line: &Line<'_>, text: &[u8]) -> Reading {
    if text.starts_with(b"CHKUSER ") {
        return chkuser::read(line, text);
    }
    // s/qmail: `pid 4711 Reject::AUTH::...`
    let text = match text.strip_prefix(b"pid ") {
        Some(rest) => after(&rest[..rest.len().min(12)], b" ")
            .map_or(text, |head| &rest[rest.len().min(12) - head.len()..]),
        None => text,
    };
    if starts_with_any(text, &[b"Accept::", b"Reject::"]) {
        return verdict(line, text);
    }
    // `421 badiprbl: ip 192.0.2.1 rbl: bl.example`
    let reply = text.iter().take(3).all(u8::is_ascii_digit) && text.get(3) == Some(&b' ');
    let (is_temporary, said) = match reply {
        true => (
            text.first() != Some(&b'5'),
            text.get(4..).unwrap_or_default(),
        ),
        false => (false, text),
    };
    for head in [b"badiprbl: ip ".as_slice(), b"badrbl: ip ", b"badip: ip "] {
        if let Some(rest) = said.strip_prefix(head) {
            return match leading(rest) {
                Some((address, [] | [b' ', ..])) => Reading::Event(
                    line.event_of(EventKind::DnsblRejected, Service::Smtp, address)
                        .excused(is_temporary),
                ),
                _ => Reading::Unknown,
            };
        }
    }
    Reading::Ignored
}

/// `Reject::AUTH::User P:ESMTPA S:192.0.2.1:name H:helo F:from T:to`. The client stands before what it said.
fn verdict(line: &Line<'_>, text: &[u8]) -> Reading {
    let word = before(text, b" ");
    let Some(rest) = after(&text[..text.len().min(96)], b" S:") else {
        return Reading::Ignored;
    };
    let at = text.len().min(96) - rest.len();
    let Some(client) = text.get(at..) else {
        return Reading::Unknown;
    };
    // Of IPv6 the end cannot be told from the name.
    let Some(address) = literal(before(before(client, b" "), b":")) else {
        return Reading::Unknown;
    };
    let mut parts = word
        .split(|&byte| byte == b':')
        .filter(|part| !part.is_empty());
    let (verb, what) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let kind = match (verb, what) {
        (b"Accept", b"AUTH") => EventKind::AuthSuccess,
        (b"Accept", b"RCPT" | b"DATA") => EventKind::MailAccepted,
        (b"Accept", _) => return Reading::Ignored,
        (_, b"AUTH") => EventKind::AuthFailure,
        (_, b"RCPT") if find(word, b"Relay").is_some() || find(word, b"Rcpthosts").is_some() => {
            EventKind::RelayDenied
        }
        (_, b"RCPT") => EventKind::UnknownRecipient,
        (_, b"SNDR" | b"SPF") => EventKind::SenderRejected,
        (_, b"ORIG") => EventKind::ClientRejected,
        (_, b"DATA") => EventKind::ContentRejected,
        (_, b"TLS") => EventKind::TlsFailure,
        _ => return Reading::Unknown,
    };
    let mut event = line.event_of(kind, Service::Smtp, address);
    let is_bounce = find(client, b" F: ").is_some() || client.ends_with(b" F:");
    if is_bounce && kind == EventKind::UnknownRecipient {
        event.score = Score::ZERO;
    }
    Reading::Event(event)
}

/// What qmail-send says of its queue, under whose tag others may speak too.
pub(super) fn queue(line: &Line<'_>, text: &[u8]) -> Reading {
    match text.first() {
        Some(b'4' | b'5') => read(line, text),
        _ => Reading::Ignored,
    }
}

/// `[4711]:SPAM REJECT (13.2/12.0):3.9s:SUBJECT:ADDRESS:FROM:TO`. With a colon too many in what the client said, nothing is certain.
pub(super) fn simscan(line: &Line<'_>, text: &[u8]) -> Reading {
    let mut parts = text.split(|&byte| byte == b':');
    let _process = parts.next();
    let verdict = parts.next().unwrap_or_default();
    if !starts_with_any(
        verdict,
        &[
            b"SPAM REJECT",
            b"VIRUS",
            b"CLEAN",
            b"PASSTHRU",
            b"RELAYCLIENT",
            b"ATTACH",
        ],
    ) {
        return Reading::Ignored;
    }
    let (_time, _subject) = (parts.next(), parts.next());
    let Some(address) = parts.next() else {
        return Reading::Ignored;
    };
    let (from, to) = (parts.next(), parts.next());
    if from.is_none() || to.is_none() || parts.next().is_some() {
        return Reading::Refused;
    }
    let Some(address) = literal(address) else {
        return Reading::Unknown;
    };
    let kind = if starts_with_any(verdict, &[b"SPAM REJECT", b"VIRUS", b"ATTACH"]) {
        EventKind::ContentRejected
    } else if verdict.starts_with(b"CLEAN") {
        EventKind::MailAccepted
    } else {
        return Reading::Ignored;
    };
    let to = to.unwrap_or_default();
    let recipient = split_last(to, b" ").map_or(to, |(_, last)| last);
    let event = line
        .event_of(kind, Service::Smtp, address)
        .with_recipient(recipient);
    Reading::Event(event.excused(from == Some(b"")))
}
