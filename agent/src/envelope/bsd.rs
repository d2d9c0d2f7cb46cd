//! `Feb 10 13:26:34 mx postfix/smtpd[123]: MESSAGE` (RFC 3164): no year, no zone.

use std::time::Duration;

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
    padded(line).or_else(|| any(line))
}

/// As most loggers write it: the day padded, no fraction of the second. `Mmm dd h` and `h:mm:ss ` are looked at as two words.
fn padded(line: &[u8]) -> Option<(Stamp, &[u8])> {
    const BLANKS: u64 = u64::from_le_bytes(*b"\0\0\0 \0\0 \0");
    const COLONS: u64 = u64::from_le_bytes(*b"\0:\0\0:\0\0 ");
    const OF_DATE: u64 = u64::from_le_bytes([0, 0, 0, 0xff, 0, 0, 0xff, 0]);
    const OF_TIME: u64 = u64::from_le_bytes([0, 0xff, 0, 0, 0xff, 0, 0, 0xff]);
    let (&date, rest) = line.split_first_chunk::<8>()?;
    let (&time, rest) = rest.split_first_chunk::<8>()?;
    let (head, tail) = (u64::from_le_bytes(date), u64::from_le_bytes(time));
    if ((head & OF_DATE) ^ BLANKS) | ((tail & OF_TIME) ^ COLONS) != 0 {
        return None;
    }
    let [m0, m1, m2, _, d0, d1, _, h0] = date;
    let [h1, _, n0, n1, _, s0, s1, _] = time;
    let d0 = if d0 == b' ' { b'0' } else { d0 };
    let digits = u64::from_le_bytes([d0, d1, h0, h1, n0, n1, s0, s1]);
    let values = digits ^ u64::from_le_bytes([b'0'; 8]);
    // Of each byte the upper half is zero where it is a digit.
    if (values | values.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    // Each second byte becomes the number that it is with the one before it.
    let [_, day, _, hours, _, minutes, _, seconds] =
        (values + (values << 8).wrapping_mul(10)).to_le_bytes();
    if !(1..=31).contains(&day) || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    // A leap second is taken for the second before it.
    let seconds = u64::from(hours) * 3_600 + u64::from(minutes) * 60 + u64::from(seconds.min(59));
    let stamp = Stamp::Yearless(Civil {
        year: 0,
        month: month(&[m0, m1, m2])?,
        day,
        time: Duration::from_secs(seconds),
    });
    Some((stamp, rest))
}

fn any(line: &[u8]) -> Option<(Stamp, &[u8])> {
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
