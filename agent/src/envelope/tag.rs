//! `HOST TAG[PID]: MESSAGE`, the part that the forms of syslog share.

use crate::lanes::{self, run};

/// Longest tag. Postfix's own are below 64 bytes, RFC 5424 allows 48.
const TAG_MAX: usize = 96;
/// Longest host name (RFC 1035).
const HOST_MAX: usize = 255;

/// Host, program, process and message.
pub(super) type Tagged<'a> = (&'a [u8], &'a [u8], Option<u32>, &'a [u8]);

/// What follows the stamp: the host (which what is read from `/dev/log` lacks), then the tag. FreeBSD's `syslogd -v` puts
/// `<facility.level>` before the host (in numbers, with a second `-v` in names), busybox `facility.level` after it; Solaris
/// begins the message with `[ID number facility.level]`.
pub(super) fn host_and_tag(text: &[u8]) -> Option<Tagged<'_>> {
    let text = match text {
        [b'<', ..] => without_level(text)?,
        _ => text,
    };
    // Most hosts are made of what both a tag and a host may have.
    let end = run(text, HOST_MAX + 1, |byte| {
        lanes::is_alphanumeric(byte) | lanes::between(byte, b'-', b'.') | (byte == b'_')
    });
    if (1..=HOST_MAX).contains(&end)
        && text.get(end) == Some(&b' ')
        && let Some((program, pid, message)) = tag(&text[end + 1..])
    {
        return Some((&text[..end], program, pid, message));
    }
    any_host_and_tag(text)
}

fn any_host_and_tag(text: &[u8]) -> Option<Tagged<'_>> {
    let end = tag_run(text);
    let (host, rest) = match text.get(end) {
        // What goes on with a blank is no tag; all but `:`, which addresses have, is in both sets.
        Some(b' ') => (&text[..end], &text[end + 1..]),
        _ => {
            if let Some((program, pid, message)) = tag_of(text, end) {
                return Some((b"", program, pid, message));
            }
            word(text)?
        }
    };
    // No other text may pass for a host: what stands before a forged tag is somebody's words.
    if host.is_empty() || host.len() > HOST_MAX || run(host, HOST_MAX, is_host_byte) < host.len() {
        return None;
    }
    let (program, pid, message) = match tag(rest) {
        Some(tagged) => tagged,
        None => tag(without_level(rest)?)?,
    };
    Some((host, program, pid, message))
}

/// `TAG: MESSAGE` or `TAG[PID]: MESSAGE`.
#[inline]
pub(super) fn tag(text: &[u8]) -> Option<(&[u8], Option<u32>, &[u8])> {
    tag_of(text, tag_run(text))
}

/// The same; the bytes of a tag end at `end`.
#[inline]
fn tag_of(text: &[u8], end: usize) -> Option<(&[u8], Option<u32>, &[u8])> {
    if end >= TAG_MAX {
        return None;
    }
    let (program, rest) = text.split_at_checked(end)?;
    if program.is_empty() {
        return None;
    }
    let (pid, rest) = match rest {
        [b'[', rest @ ..] if let Some((pid, rest)) = short_pid(rest) => (Some(pid), rest),
        [b'[', rest @ ..] => {
            let end = rest.iter().take(16).position(|&byte| byte == b']')?;
            (number(&rest[..end]), &rest[end + 1..])
        }
        _ => (None, rest),
    };
    match rest {
        [b':', b' ', message @ ..] => Some((program, pid, without_id(message))),
        [b':'] => Some((program, pid, b"")),
        _ => None,
    }
}

/// What follows Solaris' `[ID 801593 mail.info] `.
#[inline]
fn without_id(message: &[u8]) -> &[u8] {
    match message {
        [b'[', b'I', b'D', b' ', ..] => without_any_id(message),
        _ => message,
    }
}

fn without_any_id(message: &[u8]) -> &[u8] {
    let inside = || {
        let rest = message.strip_prefix(b"[ID ")?;
        let (id, rest) = word(rest)?;
        number(id)?;
        let end = rest.iter().take(24).position(|&byte| byte == b']')?;
        is_level(&rest[..end]).then_some(())?;
        rest[end..].strip_prefix(b"] ")
    };
    inside().unwrap_or(message)
}

/// The first word and what follows the blank after it.
pub(super) fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b' ', text)?;
    (end > 0).then(|| (&text[..end], &text[end + 1..]))
}

/// A decimal number of at most ten digits.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    let mut value = 0_u32;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u32::from(digit))?;
    }
    Some(value)
}

/// What follows `facility.level` or `<facility.level>`, if there is such a thing.
pub(super) fn after_level(text: &[u8]) -> &[u8] {
    without_level(text).unwrap_or(text)
}

/// What follows `facility.level` or `<facility.level>`.
fn without_level(text: &[u8]) -> Option<&[u8]> {
    let (first, rest) = word(text)?;
    let is_one = match first {
        [b'<', level @ .., b'>'] => is_level(level) || is_numeric_level(level),
        _ => is_level(first),
    };
    is_one.then_some(rest)
}

/// `facility.level`, by number.
fn is_numeric_level(word: &[u8]) -> bool {
    let mut parts = word.splitn(2, |&byte| byte == b'.');
    let mut is_below = |limit| {
        let part = parts.next().filter(|part| part.len() <= 2);
        part.and_then(number).is_some_and(|value| value < limit)
    };
    is_below(24) && is_below(8)
}

/// `facility.level`, by name.
fn is_level(word: &[u8]) -> bool {
    const FACILITIES: &[&[u8]] = &[
        b"auth",
        b"authpriv",
        b"console",
        b"cron",
        b"daemon",
        b"ftp",
        b"kern",
        b"lpr",
        b"mail",
        b"news",
        b"ntp",
        b"security",
        b"syslog",
        b"user",
        b"uucp",
    ];
    const LEVELS: &[&[u8]] = &[
        b"alert", b"crit", b"debug", b"emerg", b"err", b"error", b"info", b"notice", b"warn",
        b"warning",
    ];
    let Some(dot) = word.iter().take(10).position(|&byte| byte == b'.') else {
        return false;
    };
    let (facility, level) = (&word[..dot], &word[dot + 1..]);
    let is_local = matches!(facility, [b'l', b'o', b'c', b'a', b'l', b'0'..=b'7']);
    (is_local || FACILITIES.contains(&facility)) && LEVELS.contains(&level)
}

/// Whether a tag may have this byte.
pub(super) const fn is_tag_byte(byte: u8) -> bool {
    lanes::is_alphanumeric(byte)
        | lanes::between(byte, b'-', b'/')
        | (byte == b'_')
        | (byte == b'@')
        | (byte == b'+')
}

/// Whether the name of a host may have this byte.
pub(super) const fn is_host_byte(byte: u8) -> bool {
    lanes::is_alphanumeric(byte) | (byte == b'-') | (byte == b'.') | (byte == b'_') | (byte == b':')
}

/// How many of the first bytes of `text` may be of a tag.
#[inline]
fn tag_run(text: &[u8]) -> usize {
    run(text, HOST_MAX + 1, is_tag_byte)
}

/// A process of at most seven digits that `text` begins with, and what follows its `]`.
fn short_pid(text: &[u8]) -> Option<(u32, &[u8])> {
    let word = u64::from_le_bytes(*text.first_chunk()?);
    let values = word ^ u64::from_le_bytes([b'0'; 8]);
    // Of each byte the upper half is zero where it is a digit, up to the first that is none.
    let others = (values | values.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0;
    let digits = others.trailing_zeros() / 8;
    if digits == 0 || digits == 8 || text[digits as usize] != b']' {
        return None;
    }
    // The last digit comes highest. Neighbours are joined to twos, to fours and to the eight.
    let values = values << (64 - 8 * digits);
    let twos = (values.wrapping_mul(10).wrapping_add(values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos.wrapping_mul(100).wrapping_add(twos >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    // Seven digits fit.
    Some((eight as u32, &text[digits as usize + 1..]))
}
