//! Envelopes with a whole date: `2025-01-10T18:56:50.250091+01:00 mail postfix/smtpd[7650]: MESSAGE`, as rsyslog writes it by
//! default on Debian 12 and later, and RFC 5424.

use super::{
    Envelope,
    stamp::{Civil, Stamp, clock_time},
    tag::{self, host_and_tag, word},
};

pub(super) fn read(line: &[u8]) -> Option<Envelope<'_>> {
    let (stamp, rest) = stamp(line)?;
    let (host, program, pid, message) = host_and_tag(rest.strip_prefix(b" ")?)?;
    Some(Envelope {
        stamp: Some(stamp),
        host,
        program,
        pid,
        message,
    })
}

/// `1 STAMP HOST APP PROCID MSGID STRUCTURED-DATA MESSAGE`, each of which may be `-`.
pub(super) fn read_rfc5424(line: &[u8]) -> Option<Envelope<'_>> {
    let rest = line.strip_prefix(b"1 ")?;
    let (stamp, rest) = match rest.strip_prefix(b"-") {
        Some(rest) => (None, rest),
        None => stamp(rest).map(|(stamp, rest)| (Some(stamp), rest))?,
    };
    let (host, rest) = word(rest.strip_prefix(b" ")?)?;
    let (program, rest) = word(rest)?;
    let (pid, rest) = word(rest)?;
    let (_id, rest) = word(rest)?;
    let message = after_structured_data(rest)?;
    Some(Envelope {
        stamp,
        host: if host == b"-" { b"" } else { host },
        program,
        pid: tag::number(pid),
        message: message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message),
    })
}

/// `-` or `[id name="value" ...]...`; in a value, `"`, `]` and `\` are escaped by `\`.
fn after_structured_data(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    if let Some(after) = rest.strip_prefix(b"-") {
        rest = after;
    } else {
        let mut quoted = false;
        let mut escaped = false;
        let mut open = false;
        let mut end = 0;
        for (at, &byte) in rest.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' if open => quoted = !quoted,
                b'[' if !open => open = true,
                b']' if open && !quoted => {
                    open = false;
                    end = at + 1;
                }
                _ if open => {}
                _ => break,
            }
        }
        if end == 0 || open {
            return None;
        }
        rest = &rest[end..];
    }
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix(b" ")
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction][Z|+HH:MM|+HHMM]`.
pub(super) fn stamp(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let (civil, rest) = civil(text, b'T')?;
    let (offset_s, rest) = match rest {
        [b'Z', rest @ ..] => (0, rest),
        _ => match offset(rest) {
            Some(offset) => offset,
            None => return Some((Stamp::Local(civil), rest)),
        },
    };
    Some((Stamp::Zoned { civil, offset_s }, rest))
}

/// `YYYY-MM-DD HH:MM:SS[.fraction][ +HHMM]`, as programs write it into log files of their own.
pub(super) fn spaced(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let (civil, rest) = civil(text, b' ')?;
    Some(match rest.strip_prefix(b" ").and_then(offset) {
        Some((offset_s, rest)) => (Stamp::Zoned { civil, offset_s }, rest),
        None => (Stamp::Local(civil), rest),
    })
}

/// Date and time, with `separator` between them.
fn civil(text: &[u8], separator: u8) -> Option<(Civil, &[u8])> {
    let (date, rest) = text.split_first_chunk::<11>()?;
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, between] = date else {
        return None;
    };
    if between != separator {
        return None;
    }
    let year = tag::number(&[y0, y1, y2, y3])?;
    let month = two_digits(m0, m1)?;
    let day = two_digits(d0, d1)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (time, rest) = clock_time(rest)?;
    let civil = Civil {
        year: i32::try_from(year).ok()?,
        month,
        day,
        time,
    };
    Some((civil, rest))
}

/// `+HH:MM` or `+HHMM`, in seconds.
fn offset(text: &[u8]) -> Option<(i32, &[u8])> {
    let ([sign @ (b'+' | b'-'), h0, h1, b':', m0, m1, rest @ ..]
    | [sign @ (b'+' | b'-'), h0, h1, m0, m1, rest @ ..]) = text
    else {
        return None;
    };
    let hours = i32::from(two_digits(*h0, *h1)?);
    let minutes = i32::from(two_digits(*m0, *m1)?);
    let offset_s = hours * 3600 + minutes * 60;
    Some((if *sign == b'-' { -offset_s } else { offset_s }, rest))
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    tag::number(&[tens, ones]).and_then(|value| u8::try_from(value).ok())
}
