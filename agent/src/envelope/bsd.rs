//! `Feb 10 13:26:34 mx postfix/smtpd[123]: MESSAGE` (RFC 3164): no year, no zone.

use super::{
    Envelope,
    stamp::{Civil, Stamp, clock_time},
    tag::{self, host_and_tag},
};

pub(super) fn read(line: &[u8]) -> Option<Envelope<'_>> {
    let (stamp, rest) = stamp(line)?;
    let (host, program, pid, message) = host_and_tag(rest)?;
    Some(Envelope {
        stamp: Some(stamp),
        host,
        program,
        pid,
        message,
    })
}

/// The stamp, and what follows the blank after it.
pub(super) fn stamp(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let month = month(line.first_chunk()?)?;
    let rest = line[3..].strip_prefix(b" ")?;
    // The day is padded with a blank, with a zero or not at all.
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let (day, rest) = tag::word(rest)?;
    let day = tag::number(day).and_then(|day| u8::try_from(day).ok())?;
    if !(1..=31).contains(&day) {
        return None;
    }
    let (time, rest) = clock_time(rest)?;
    let stamp = Stamp::Yearless(Civil {
        year: 0,
        month,
        day,
        time,
    });
    Some((stamp, rest.strip_prefix(b" ")?))
}

fn month(name: &[u8; 3]) -> Option<u8> {
    Some(match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}
