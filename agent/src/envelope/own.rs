//! The stamps that programs put at the head of the lines of their own log files, or have a logger such as `multilog` put
//! there.

use std::time::Duration;

use jiff::{Timestamp, tz::Offset};

use super::{
    bsd, dated,
    stamp::{Civil, Stamp},
};

/// Seconds of a TAI64 label at the beginning of 1970, as `multilog` counts: ten seconds ahead of UTC, without leap seconds.
const TAI64_EPOCH: u64 = (1 << 62) + 10;

/// The stamp that `line` begins with, and what follows the blank after it: `Feb 10 13:26:34`, `2025-01-10 18:56:50` (also with
/// `T`, a fraction and a zone) or `@400000004c91b044077a9e94`.
pub fn stamp(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let (stamp, rest) = match line.first()? {
        b'@' => tai64(&line[1..])?,
        b'0'..=b'9' => dated::stamp(line, b' ').or_else(|| dated::stamp(line, b'T'))?,
        _ => bsd::stamp(line)?,
    };
    Some((stamp, rest.strip_prefix(b" ")?))
}

/// 16 hexadecimal digits of seconds (TAI64), then eight of nanoseconds (TAI64N).
fn tai64(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let (seconds, rest) = text.split_first_chunk::<16>()?;
    let seconds = hexadecimal(seconds)?.checked_sub(TAI64_EPOCH)?;
    let (nanos, rest) = match rest.split_first_chunk::<8>() {
        Some((nanos, rest)) if hexadecimal(nanos).is_some() => (hexadecimal(nanos)?, rest),
        _ => (0, rest),
    };
    let at = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    let local = Offset::UTC.to_datetime(at);
    let of_day = seconds % 86_400;
    let civil = Civil {
        year: i32::from(local.year()),
        month: u8::try_from(local.month()).ok()?,
        day: u8::try_from(local.day()).ok()?,
        time: Duration::from_secs(of_day) + Duration::from_nanos(nanos.min(999_999_999)),
    };
    Some((Stamp::Zoned { civil, offset_s: 0 }, rest))
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some((value << 4) | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use jiff::{Timestamp, tz::TimeZone};

    use super::stamp;
    use crate::envelope::Dater;

    #[track_caller]
    fn check(line: &str, expected: Option<(&str, &str)>) {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let dater = Dater::new(TimeZone::get("Europe/Berlin").unwrap());
        let told = stamp(line.as_bytes()).map(|(stamp, rest)| {
            let at = dater.time(Some(stamp), SystemTime::from(now));
            let rest = std::str::from_utf8(rest).unwrap();
            (Timestamp::try_from(at).unwrap().to_string(), rest)
        });
        let told = told.as_ref().map(|(at, rest)| (at.as_str(), *rest));
        assert_eq!(told, expected, "{line}");
    }

    #[test]
    fn each_form_is_read() {
        check("Feb  3 13:26:34 x", Some(("2026-02-03T12:26:34Z", "x")));
        check("2025-01-10 18:56:50 x", Some(("2025-01-10T17:56:50Z", "x")));
        check(
            "2025-01-10T18:56:50.25+00:00 x",
            Some(("2025-01-10T18:56:50.25Z", "x")),
        );
        check(
            "@400000004c91b044077a9e94 x",
            Some(("2010-09-16T05:50:50.1254765Z", "x")),
        );
        check("@400000004c91b044 x", Some(("2010-09-16T05:50:50Z", "x")));
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        for line in [
            "",
            "@",
            "@400000004c91b04",
            "@0000000000000000 x",
            "@ffffffffffffffff x",
            "@400000004c91b044077a9e94",
            "2025-01-10 18:56 x",
            "2025-01-10_18:56:50 x",
            "Feb 30",
            "x",
        ] {
            check(line, None);
        }
    }
}
