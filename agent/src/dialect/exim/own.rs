//! Exim's own log file: `2026-11-21 17:11:23.881 +0100 [53] MESSAGE`, and what of that it also sends to syslog.

use super::{
    super::text::{before, starts_with_any},
    message, smtp,
};
use crate::envelope::{Envelope, own_stamp, tagged};

/// Takes a line out of it. Other programs begin lines with such a stamp, so what follows must be a line of Exim.
pub(super) fn envelope(line: &[u8]) -> Option<Envelope<'_>> {
    let (stamp, rest) = own_stamp(line)?;
    let of_exim = |pid, message| Envelope {
        stamp: Some(stamp),
        host: b"",
        program: b"exim",
        pid,
        message,
    };
    if !line.first().is_some_and(u8::is_ascii_digit) {
        // `Oct 14 19:45:05 [exim] MESSAGE`, of a syslog that was told to write the tag so.
        return Some(of_exim(None, rest.strip_prefix(b"[exim] ")?));
    }
    let (pid, message) = pid(rest);
    if is_exim(message) {
        return Some(of_exim(pid, message));
    }
    // `2019-10-22 03:39:17 mx exim[29786]: MESSAGE`
    tagged(stamp, rest).filter(|envelope| super::speaks(envelope.program))
}

/// What follows the stamp and the process that Exim writes into its message to syslog (`syslog_timestamp`, `+pid`).
pub(super) fn message(message: &[u8]) -> &[u8] {
    // The year is what a stamp of its own begins with; so may the id of a message.
    let is_stamped = matches!(message, [b'0'..=b'9', _, _, _, b'-', ..]);
    let stamp = if is_stamped { own_stamp(message) } else { None };
    let rest = stamp.map_or(message, |(_, rest)| rest);
    pid(rest).1
}

/// `[53] MESSAGE`
fn pid(text: &[u8]) -> (Option<u32>, &[u8]) {
    let inside = || {
        let rest = text.strip_prefix(b"[")?;
        let digits = before(&rest[..rest.len().min(12)], b"] ");
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let message = rest.get(digits.len()..)?.strip_prefix(b"] ")?;
        Some((number, message))
    };
    match inside() {
        Some((number, message)) => (Some(number), message),
        None => (None, text),
    }
}

fn is_exim(message: &[u8]) -> bool {
    message::after_id(message).is_some()
        || starts_with_any(message, HEADS)
        || starts_with_any(message, smtp::SILENT)
        || is_login(message)
}

/// `plain authenticator failed for ...`, whose first word is of the administrator's choice.
fn is_login(message: &[u8]) -> bool {
    let word = before(&message[..message.len().min(64)], b" ");
    message[word.len()..].starts_with(b" authenticator failed for ")
}

/// How lines of connections begin.
const HEADS: &[&[u8]] = &[
    b"Connection from ",
    b"ETRN ",
    b"H=",
    b"SMTP call from ",
    b"SMTP command timeout on",
    b"SMTP connection ",
    b"SMTP data timeout ",
    b"SMTP protocol ",
    b"SMTP syntax error in ",
    b"TLS error ",
    b"U=",
    b"no IP address found for host ",
    b"no MAIL in ",
    b"no host name found for IP address ",
    b"refused connection from ",
    b"rejected ",
    b"too many recipients: ",
    b"unexpected disconnection ",
    b"unqualified ",
];
