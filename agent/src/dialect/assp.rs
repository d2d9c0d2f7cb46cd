//! ASSP, the Anti-Spam SMTP Proxy: its maillog, `Apr-27-13 02:25:10 m1-25391-06124 [Worker_1] [TLS-out] [Tag] ADDRESS <from> to: rcpt ...`.
//!
//! Shapes are those of `mlog` and of its callers in `assp.pl` 1.9 to 2.6. Before the address stand only the proxy's own words; the
//! addresses of a message, and what was said about it, follow it.

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::leading,
    dates::{date, month, two},
    reply::{self, Stage},
    text::{after, before, find, split_last, starts_with_any},
};
use crate::{
    envelope::{Envelope, Stamp, clock_time},
    event::{EventKind, Score, Service},
};

/// ASSP.
pub(super) const DIALECT: Dialect = Dialect {
    name: "assp",
    speaks: |program| program.eq_ignore_ascii_case(b"assp"),
    bare_program: None,
    start: || Box::new(Assp),
};

struct Assp;

impl Interpreter for Assp {
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let (head, rest) = line.split_first_chunk::<10>()?;
        let &[m0, m1, m2, b'-', d0, d1, b'-', y0, y1, b' '] = head else {
            return None;
        };
        let (time, rest) = clock_time(rest)?;
        let year = 2000 + i32::from(two(y0, y1)?);
        Some(Envelope {
            stamp: Some(Stamp::Local(date(
                year,
                month([m0, m1, m2])?,
                two(d0, d1)?,
                time,
            )?)),
            host: b"",
            program: b"assp",
            pid: None,
            message: rest.strip_prefix(b" ")?,
        })
    }

    fn read(&mut self, line: &Line<'_>) -> Reading {
        let (tag, text) = after_tags(line.message);
        let Some((address, rest)) = leading(text) else {
            return without_client(line, text);
        };
        let Some(rest) = rest.strip_prefix(b" ") else {
            return Reading::Ignored;
        };
        // The host that connected is a relay of ours then, and the other stands in a header.
        if rest.starts_with(b"[OIP: ") {
            return Reading::Refused;
        }
        let said = Said::of(rest);
        client(line, tag, address, &said)
    }
}

/// The last tag, and what follows the message's id and the tags. `[Worker_1]`, `[TLS-out]` and their like are none.
fn after_tags(text: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = text;
    if let Some(end) = rest.iter().take(32).position(|&byte| byte == b' ') {
        let word = &rest[..end];
        // `m1-25391-06124` or `25391-06124`.
        let is_id = word.contains(&b'-')
            && word
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && word.last().is_some_and(u8::is_ascii_digit);
        if is_id {
            rest = &rest[end + 1..];
        }
    }
    let mut tag = b"".as_slice();
    while let Some(inside) = rest.strip_prefix(b"[") {
        let Some(end) = inside.iter().take(48).position(|&byte| byte == b']') else {
            break;
        };
        let is_channel = starts_with_any(inside, &[b"Worker_", b"Main_", b"TLS-", b"SSL-"]);
        if !is_channel {
            tag = &inside[..end];
        }
        rest = inside[end + 1..]
            .strip_prefix(b" ")
            .unwrap_or(&inside[end + 1..]);
    }
    (tag, rest)
}

/// What follows the address.
struct Said<'a> {
    /// The recipient, if there is one.
    recipient: &'a [u8],
    /// The sender is empty.
    is_bounce: bool,
    /// A tag behind the address, as older versions write it.
    tag: &'a [u8],
    comment: &'a [u8],
}

impl<'a> Said<'a> {
    /// `<from> to: rcpt comment`, each of which may be missing. The senders' addresses have no blanks unless they are quoted;
    /// what is said of them only chooses among the kinds of events.
    fn of(text: &'a [u8]) -> Self {
        let mut rest = text;
        let mut is_bounce = rest.starts_with(b"to: ");
        if let Some(inside) = rest.strip_prefix(b"<") {
            is_bounce = inside.starts_with(b">");
            rest = after(inside, b"> ").unwrap_or_default();
        }
        let mut recipient = b"".as_slice();
        if let Some(inside) = rest.strip_prefix(b"to: ") {
            recipient = before(inside, b" ");
            rest = inside.get(recipient.len() + 1..).unwrap_or_default();
        }
        let mut tag = b"".as_slice();
        if let Some(inside) = rest.strip_prefix(b"[")
            && let Some(end) = inside.iter().take(48).position(|&byte| byte == b']')
        {
            tag = &inside[..end];
            rest = inside[end + 1..].strip_prefix(b" ").unwrap_or_default();
        }
        Self {
            recipient,
            is_bounce,
            tag,
            comment: rest,
        }
    }
}

/// Tags that tell what a line is about, in lower case.
const TAGS: &[(&[u8], EventKind)] = &[
    (b"relayattempt", EventKind::RelayDenied),
    (b"invalidaddress", EventKind::UnknownRecipient),
    (b"unknownaddress", EventKind::UnknownRecipient),
    (b"maxautherrors", EventKind::AuthFailure),
    (b"maxerrors", EventKind::TooManyErrors),
    (b"earlytalker", EventKind::EarlyTalker),
    (b"invalidhelo", EventKind::HeloRejected),
    (b"forgedhelo", EventKind::HeloRejected),
    (b"blackhelo", EventKind::HeloRejected),
    (b"validhelo", EventKind::HeloRejected),
    (b"spoofedsender", EventKind::SenderRejected),
    (b"blackdomain", EventKind::SenderRejected),
    (b"nomxa", EventKind::SenderRejected),
    (b"spf", EventKind::SenderRejected),
    (b"dnsbl", EventKind::DnsblRejected),
    (b"uribl", EventKind::ContentRejected),
    (b"bayesian", EventKind::ContentRejected),
    (b"attachment", EventKind::ContentRejected),
    (b"virus", EventKind::ContentRejected),
    (b"viruses", EventKind::ContentRejected),
    (b"penaltybox", EventKind::ClientRejected),
    (b"extreme", EventKind::ClientRejected),
    (b"denyip", EventKind::ClientRejected),
    (b"denystrict", EventKind::ClientRejected),
    (b"denyhost", EventKind::ClientRejected),
    (b"maxconnections", EventKind::RateLimited),
    (b"iplimit", EventKind::RateLimited),
    (b"limitingip", EventKind::RateLimited),
];

fn client(line: &Line<'_>, tag: &[u8], address: IpAddr, said: &Said<'_>) -> Reading {
    let comment = said.comment;
    let event = |kind| {
        line.event_of(kind, Service::Smtp, address)
            .with_recipient(said.recipient)
    };
    let say = |kind| Reading::Event(event(kind));
    let zero = |kind| Reading::Event(event(kind).with_score(Score::ZERO));
    // What older versions, and the common lines of sessions, say without a tag.
    if starts_with_any(comment, &[b"max sender authentication errors"]) {
        return after_reply(line, address, comment);
    }
    if comment.starts_with(b"SSL negotiation with client failed") {
        // Another protocol on the port of TLS.
        let is_garbage = find(comment, b"unknown protocol").is_some()
            || find(comment, b"http request").is_some();
        return say(if is_garbage {
            EventKind::NonSmtp
        } else {
            EventKind::TlsFailure
        });
    }
    if starts_with_any(comment, &[b"warning: SMTP authentication failed"]) {
        // The reply tells it again where there were too many.
        return zero(EventKind::AuthFailure);
    }
    if starts_with_any(comment, &[b"Connected:", b"connected", b"new connection"]) {
        return zero(EventKind::Connect);
    }
    if starts_with_any(
        comment,
        &[b"disconnected", b"Disconnected", b"finished message"],
    ) {
        return zero(EventKind::Disconnect);
    }
    if comment.starts_with(b"authenticated to ") {
        return say(EventKind::AuthSuccess);
    }
    let lower = |tag: &[u8]| tag.to_ascii_lowercase();
    for tag in [lower(tag), lower(said.tag)] {
        match &tag[..] {
            b"smtp error" | b"smtp reply" | b"smtp status" => return answer(line, address, said),
            b"messageok" => return say(EventKind::MailAccepted),
            b"whitelisted" | b"noprocessing" | b"local" => return Reading::Ignored,
            b"delay" | b"delayed" | b"collect" | b"trap" => return zero(EventKind::ClientRejected),
            _ => {}
        }
        if let Some((_, kind)) = TAGS.iter().find(|(name, _)| *name == &tag[..]) {
            // `[scoring:20]`, `[monitoring]`, `[testmode]`: nothing was refused.
            let noted: &[&[u8]] = &[b"scoring", b"monitor", b"testmode", b"passing"];
            let is_noted = starts_with_any(said.tag, noted) || starts_with_any(comment, noted);
            let is_bounce = said.is_bounce && *kind == EventKind::UnknownRecipient;
            return Reading::Event(event(*kind).excused(is_noted || is_bounce));
        }
    }
    if comment.starts_with(b"relay attempt blocked") {
        return say(EventKind::RelayDenied);
    }
    if starts_with_any(
        comment,
        &[
            b"invalid address rejected",
            b"user not found",
            b"recipient delayed",
        ],
    ) {
        return say(EventKind::UnknownRecipient);
    }
    Reading::Ignored
}

/// `max sender authentication errors (5) exceeded -- dropping connection - after reply: 535 5.7.8 Error: ...`
fn after_reply(line: &Line<'_>, address: IpAddr, comment: &[u8]) -> Reading {
    let reply = after(comment, b" - after reply: ").unwrap_or_default();
    let is_fault = says_fault(reply);
    let kind = if is_fault {
        EventKind::ServerFault
    } else {
        EventKind::AuthFailure
    };
    line.told(kind, Service::Smtp, address)
}

/// `535 5.7.8 Error: authentication failed: ...`, what the server behind the proxy answered.
fn answer(line: &Line<'_>, address: IpAddr, said: &Said<'_>) -> Reading {
    let reply = said.comment;
    if says_fault(reply) {
        return line.told(EventKind::ServerFault, Service::Smtp, address);
    }
    let stage = match said.recipient {
        [] => Stage::Other,
        _ => Stage::Rcpt,
    };
    match reply::refusal(stage, reply) {
        Some((kind, score)) => Reading::Event(
            line.event_of(kind, Service::Smtp, address)
                .with_score(score)
                .with_recipient(said.recipient)
                .excused(said.is_bounce),
        ),
        None => Reading::Ignored,
    }
}

fn says_fault(reply: &[u8]) -> bool {
    let is = |words: &[u8]| find(reply, words).is_some();
    is(b"Connection lost to authentication server") || is(b"emporary authentication failure")
}

/// Lines of no connection: `Blocking 192.0.2.1 - too much AUTH errors (10);`.
fn without_client(line: &Line<'_>, text: &[u8]) -> Reading {
    let Some((address, rest)) = text.strip_prefix(b"Blocking ").and_then(leading) else {
        return Reading::Ignored;
    };
    let Some(reason) = rest.strip_prefix(b" - ") else {
        return Reading::Unknown;
    };
    let kind = if reason.starts_with(b"too much AUTH errors") {
        EventKind::AuthFailure
    } else if split_last(reason, b"errors").is_some() {
        EventKind::TooManyErrors
    } else {
        EventKind::ClientRejected
    };
    line.told(kind, Service::Smtp, address)
}
