//! rspamd: what it found in messages, as its workers log each task.
//!
//! Shapes are those of `rspamd_task_write_log` with the default `log_format`, `id: <MESSAGE-ID>, qid: <QUEUE-ID>, ip: ADDRESS,
//! user: NAME, from: <SENDER>, (default: T (reject): ...`. The Message-ID comes before the address and the sender after it, and
//! both are the client's and may hold anything, so a line with more than one `ip: ` is refused.

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::literal,
    name,
    text::{after, before, find, rfind},
};
use crate::{
    envelope::{Envelope, own_stamp},
    event::{Event, EventKind, Score, Service},
};

/// rspamd.
pub(super) const DIALECT: Dialect = Dialect {
    name: "rspamd",
    speaks: |program| program == b"rspamd",
    bare_program: None,
    start: || Box::new(Rspamd),
};

struct Rspamd;

impl Interpreter for Rspamd {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        match task(line.message) {
            Some((b"rspamd_task_write_log", text)) => verdict(line, text),
            Some(_) => Reading::Ignored,
            None => Reading::Unknown,
        }
    }

    /// `2016-03-18 15:15:01 #29588(normal) <b120f6>; task; FUNCTION: MESSAGE`.
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        const PID_MAX: usize = 12;
        let (stamp, rest) = own_stamp(line)?;
        let rest = rest.strip_prefix(b"#")?;
        let digits = rest
            .iter()
            .take(PID_MAX)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let message = &rest[digits..];
        message.starts_with(b"(").then_some(Envelope {
            stamp: Some(stamp),
            host: b"",
            program: b"rspamd",
            pid: None,
            message,
        })
    }
}

/// Splits `(WORKER) <TAG>; MODULE; FUNCTION: MESSAGE`, of which only the last two need be there, into function and message.
fn task(message: &[u8]) -> Option<(&[u8], &[u8])> {
    const WORD_MAX: usize = 64;
    let mut rest = message;
    if let Some(inside) = rest.strip_prefix(b"(") {
        let end = find(&inside[..inside.len().min(WORD_MAX)], b") ")?;
        rest = &inside[end + 2..];
    }
    if rest.starts_with(b"<") {
        let end = find(&rest[..rest.len().min(WORD_MAX)], b">; ")?;
        rest = &rest[end + 3..];
    }
    let end = rest.iter().take(WORD_MAX).position(|&byte| byte == b';')?;
    let rest = rest[end..].strip_prefix(b"; ")?;
    let end = find(&rest[..rest.len().min(WORD_MAX)], b": ")?;
    Some((&rest[..end], &rest[end + 2..]))
}

/// What was done with a message.
fn verdict(line: &Line<'_>, text: &[u8]) -> Reading {
    let (address, rest) = match client(text) {
        Ok(found) => found,
        Err(reading) => return reading,
    };
    // `(default: T (reject): [99.00/15.00] [...])`; what a name before it holds is cut off by taking the last.
    let Some(at) = rfind(rest, b"(default: ") else {
        return Reading::Unknown;
    };
    let action = after(&rest[at..], b" (").map(|text| before(text, b")"));
    let score = match action {
        Some(b"reject") => EventKind::ContentRejected.score(),
        Some(b"no action" | b"greylist" | b"soft reject" | b"discard" | b"quarantine") => {
            return Reading::Ignored;
        }
        // It is marked, and goes its way.
        Some(b"add header" | b"rewrite subject") => Score::ZERO,
        _ => return Reading::Unknown,
    };
    let user = rest
        .strip_prefix(b", user: ")
        .map(|user| before(user, b", "));
    Reading::Event(Event {
        address,
        account: user.and_then(name),
        score,
        ..line.event(EventKind::ContentRejected, Service::Smtp)
    })
}

/// The address, which must be the only thing that calls itself one, and what follows it.
fn client(text: &[u8]) -> Result<(Option<IpAddr>, &[u8]), Reading> {
    const IP: &[u8] = b" ip: ";
    if !text.starts_with(b"id: <") {
        return Err(Reading::Unknown);
    }
    let at = find(text, IP).ok_or(Reading::Unknown)?;
    if rfind(text, IP) != Some(at) {
        return Err(Reading::Refused);
    }
    let rest = &text[at + IP.len()..];
    let word = before(rest, b",");
    let inside = word
        .strip_prefix(b"[")
        .and_then(|word| word.strip_suffix(b"]"))
        .unwrap_or(word);
    let address = match inside {
        b"undef" | b"unknown" => None,
        inside => Some(literal(inside).ok_or(Reading::Unknown)?),
    };
    Ok((address, &rest[word.len()..]))
}
