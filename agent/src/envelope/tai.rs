//! `@400000004c91b044077a9e94 imap-login: MESSAGE`: the stamps of `multilog` and `s6-log`.

use std::time::Duration;

use super::{Envelope, stamp::Stamp, tag};

/// What TAI64N calls 1970-01-01 00:00:00 UTC: 2^62, and the ten seconds by which TAI was ahead then. Programs on hosts whose clock
/// is UTC, which is nearly all, count no leap seconds; a table of them makes stamps 27 seconds later at most.
const EPOCH: u64 = (1 << 62) + 10;

pub(super) fn read(line: &[u8]) -> Option<Envelope<'_>> {
    let (stamp, rest) = stamp(line)?;
    // Never a host: `delivery 1: success` has none.
    let (program, pid, message) = tag::tag(rest)?;
    Some(Envelope {
        stamp: Some(stamp),
        host: b"",
        program,
        pid,
        message,
    })
}

/// The stamp, and what follows the blank after it.
pub(super) fn stamp(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let (digits, rest) = line.strip_prefix(b"@")?.split_first_chunk::<24>()?;
    let mut value: u128 = 0;
    for digit in digits {
        value = value << 4 | u128::from(char::from(*digit).to_digit(16)?);
    }
    let seconds = u64::try_from(value >> 32).ok()?.checked_sub(EPOCH)?;
    let nanos = u32::try_from(value & u128::from(u32::MAX)).ok()?;
    if nanos >= 1_000_000_000 || seconds > 1 << 40 {
        return None;
    }
    let since_epoch = Duration::new(seconds, nanos);
    Some((Stamp::Exact { since_epoch }, rest.strip_prefix(b" ")?))
}
