//! The stamps that programs put at the head of the lines of their own log files, or have a logger such as `multilog` put
//! there.

use super::{bsd, dated, stamp::Stamp, tai};

/// The stamp that `line` begins with, and what follows the blank after it: `Feb 10 13:26:34`, `2025-01-10 18:56:50` (also with
/// `T`, a fraction and a zone) or `@400000004c91b044077a9e94`.
pub fn stamp(line: &[u8]) -> Option<(Stamp, &[u8])> {
    match line.first()? {
        b'@' => tai::stamp(line),
        b'0'..=b'9' => {
            let (stamp, rest) = dated::spaced(line).or_else(|| dated::stamp(line))?;
            Some((stamp, rest.strip_prefix(b" ")?))
        }
        _ => bsd::stamp(line),
    }
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
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        for line in [
            "",
            "@",
            "@400000004c91b04",
            "@000000000000000000000000 x",
            "@ffffffffffffffffffffffff x",
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
