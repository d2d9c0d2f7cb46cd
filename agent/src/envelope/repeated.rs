//! What a logger writes in place of lines that it left out: those that are the same again, and those that it lost.

use super::{
    bsd,
    stamp::Stamp,
    tag::{self, word},
};

/// Most that a line counts which stands for several.
pub const REPEATS_MAX: i16 = 100;

/// The message inside `message repeated 3 times: [ MESSAGE]`, as rsyslog reduces repeated messages, and how often it was
/// written, at most [`REPEATS_MAX`] times; any other message once.
pub fn repeated(message: &[u8]) -> (&[u8], i16) {
    if message.first() != Some(&b'm') {
        return (message, 1);
    }
    let inside = || {
        let (times, rest) = times(message.strip_prefix(b"message repeated ")?)?;
        Some((rest.strip_prefix(b" times: [ ")?.strip_suffix(b"]")?, times))
    };
    inside().unwrap_or((message, 1))
}

/// `Nov 21 17:26:38 mx last message repeated 3 times`, as the syslogd of the BSDs writes it: about the line before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repeat<'a> {
    /// When it was written.
    pub stamp: Stamp,
    /// The host; empty where the form names none.
    pub host: &'a [u8],
    /// How often, at most [`REPEATS_MAX`].
    pub times: i16,
}

/// Reads a line that says that the one before it was written again.
pub fn repeat(line: &[u8]) -> Option<Repeat<'_>> {
    let (stamp, rest) = bsd::stamp(line)?;
    let rest = tag::after_level(rest);
    if let Some(times) = last_repeated(rest) {
        let host = b"";
        return Some(Repeat { stamp, host, times });
    }
    let (host, rest) = word(rest)?;
    let rest = tag::after_level(rest);
    let rest = match rest.strip_prefix(b"syslogd") {
        Some(rest) => after_pid(rest).strip_prefix(b": ")?,
        None => rest,
    };
    let times = last_repeated(rest)?;
    Some(Repeat { stamp, host, times })
}

fn last_repeated(text: &[u8]) -> Option<i16> {
    let (times, rest) = times(text.strip_prefix(b"last message repeated ")?)?;
    matches!(rest, b" times" | b" time").then_some(times)
}

/// A number of times, and what follows it.
fn times(text: &[u8]) -> Option<(i16, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (times, rest) = text.split_at(digits);
    let times = tag::number(times)?;
    let times = i16::try_from(times).unwrap_or(REPEATS_MAX);
    Some((times.clamp(1, REPEATS_MAX), rest))
}

fn after_pid(text: &[u8]) -> &[u8] {
    let inside = || {
        let rest = text.strip_prefix(b"[")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        rest[digits..].strip_prefix(b"]")
    };
    inside().unwrap_or(text)
}

/// How many lines the logger says that it lost: journald and rsyslog limit the rate, most of all under attack.
pub fn lost(program: &[u8], message: &[u8]) -> u64 {
    let count = if program.starts_with(b"systemd-journal") {
        message
            .strip_prefix(b"Suppressed ")
            .filter(|rest| contains(rest, b" messages from "))
            .and_then(number_before_blank)
    } else if program.starts_with(b"rsyslogd") {
        rsyslog_lost(message)
    } else {
        None
    };
    count.map_or(0, u64::from)
}

/// `imjournal: 236 messages lost due to rate-limiting (20000 allowed within 600 seconds)`, `imuxsock[pid: 51, name: smtpd]: 17
/// messages lost due to rate-limiting`, and before version 8 `imuxsock lost 51 messages from pid 2132 due to rate-limiting`.
fn rsyslog_lost(message: &[u8]) -> Option<u32> {
    if let Some(rest) = message.strip_prefix(b"imuxsock lost ") {
        return number_before_blank(rest);
    }
    const SAYING: &[u8] = b" messages lost due to rate-limiting";
    let end = message
        .windows(SAYING.len())
        .position(|part| part == SAYING)?;
    let start = message[..end].iter().rposition(|&byte| byte == b' ')?;
    tag::number(&message[start + 1..end])
}

fn number_before_blank(text: &[u8]) -> Option<u32> {
    tag::number(word(text)?.0)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
