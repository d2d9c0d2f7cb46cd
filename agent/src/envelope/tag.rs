//! `HOST TAG[PID]: MESSAGE`, the part that the forms of syslog share.

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
    let end = run(text, TAG);
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
    if host.is_empty() || host.len() > HOST_MAX || run(host, HOST) < host.len() {
        return None;
    }
    let (program, pid, message) = match tag(rest) {
        Some(tagged) => tagged,
        None => tag(without_level(rest)?)?,
    };
    Some((host, program, pid, message))
}

/// `TAG: MESSAGE` or `TAG[PID]: MESSAGE`.
pub(super) fn tag(text: &[u8]) -> Option<(&[u8], Option<u32>, &[u8])> {
    tag_of(text, run(text, TAG))
}

/// The same; the bytes of a tag end at `end`.
fn tag_of(text: &[u8], end: usize) -> Option<(&[u8], Option<u32>, &[u8])> {
    if end >= TAG_MAX {
        return None;
    }
    let (program, rest) = text.split_at_checked(end)?;
    if program.is_empty() {
        return None;
    }
    let (pid, rest) = match rest {
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
fn without_id(message: &[u8]) -> &[u8] {
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
    let end = text.iter().position(|&byte| byte == b' ')?;
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
    SETS[byte as usize] & TAG != 0
}

/// Whether the name of a host may have this byte.
pub(super) const fn is_host_byte(byte: u8) -> bool {
    SETS[byte as usize] & HOST != 0
}

/// Bytes of a tag.
const TAG: u8 = 1;
/// Bytes of a host.
const HOST: u8 = 2;

/// The sets that each byte is in.
const SETS: [u8; 256] = {
    let mut sets = [0; 256];
    let mut byte = 0_u8;
    loop {
        let is_shared = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if is_shared || matches!(byte, b'/' | b'@' | b'+') {
            sets[byte as usize] |= TAG;
        }
        if is_shared || byte == b':' {
            sets[byte as usize] |= HOST;
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    sets
};

/// How many of the first bytes of `text` are in the set.
fn run(text: &[u8], set: u8) -> usize {
    let is_in = |byte: &u8| SETS[usize::from(*byte)] & set != 0;
    let end = text.iter().take(HOST_MAX + 1).position(|byte| !is_in(byte));
    end.unwrap_or(text.len().min(HOST_MAX + 1))
}
