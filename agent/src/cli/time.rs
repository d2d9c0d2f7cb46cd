//! Times as people read them: relative in lists, absolute and local where one thing is shown.

use std::time::{Duration, SystemTime};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{clock::Clock, duration, line};

/// Most characters of a time that is shown as it came, because it is none.
const ODD_TIME_MAX: usize = 40;

/// How long, in one unit: `45s`, `52m`, `22h`, `3d`.
pub fn coarse(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{}m", seconds / MINUTE),
        HOUR..DAY => format!("{}h", seconds / HOUR),
        _ => format!("{}d", seconds / DAY),
    }
}

/// `12m ago`.
pub fn ago(seconds: u64) -> String {
    format!("{} ago", coarse(seconds))
}

/// `in 52m`.
pub fn ahead(seconds: u64) -> String {
    format!("in {}", coarse(seconds))
}

/// How long ago an RFC 3339 time was, by this host's clock; as it is where it is none.
pub fn since(rfc3339: &str) -> String {
    match rfc3339.parse::<Timestamp>() {
        Ok(at) => ago(Clock::start().age(SystemTime::from(at)).as_secs()),
        Err(_) => line::escaped(rfc3339.as_bytes(), ODD_TIME_MAX),
    }
}

/// An RFC 3339 time in this host's zone: `2026-08-22 08:14:03`.
pub fn local(rfc3339: &str) -> String {
    shown(rfc3339, "%Y-%m-%d %H:%M:%S")
}

/// An RFC 3339 time in this host's zone, with the zone: `2026-08-22 08:14:03 CEST`.
pub fn local_with_zone(rfc3339: &str) -> String {
    shown(rfc3339, "%Y-%m-%d %H:%M:%S %Z")
}

/// How long ago it was, as an argument: a length (`2h`), a day of this host's calendar (`2026-08-21`) or a moment
/// (`2026-08-21T14:30`, or with a zone as RFC 3339 has it).
///
/// # Errors
///
/// When it is none of them, or lies ahead.
pub fn parse_since(text: &str) -> Result<Duration, String> {
    let now = Timestamp::now();
    let at = match duration::parse(text) {
        Ok(length) => return Ok(length),
        Err(_) => moment(text).ok_or("write it like 2h, 3d, 2026-08-21 or 2026-08-21T14:30")?,
    };
    Duration::try_from(now.duration_since(at)).map_err(|_| "it lies ahead".to_owned())
}

fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let civil = text.parse::<DateTime>().ok()?;
    let local = civil.to_zoned(TimeZone::system()).ok()?;
    Some(local.timestamp())
}

fn shown(rfc3339: &str, format: &str) -> String {
    match rfc3339.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime(format).to_string(),
        Err(_) => line::escaped(rfc3339.as_bytes(), ODD_TIME_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_is_enough() {
        let shown = [0, 59, 60, 3599, 3600, 86_399, 86_400, 864_000].map(coarse);
        assert_eq!(shown, ["0s", "59s", "1m", "59m", "1h", "23h", "1d", "10d"]);
    }

    #[test]
    fn a_time_ago_is_a_length_a_day_or_a_moment() {
        assert_eq!(parse_since("2h"), Ok(Duration::from_hours(2)));
        let day = Timestamp::now().to_zoned(TimeZone::system()).date();
        let today = parse_since(&day.to_string()).unwrap();
        assert!(today <= Duration::from_hours(25), "{today:?}");
        let yesterday = day.yesterday().unwrap();
        assert!(parse_since(&format!("{yesterday}T12:30")).unwrap() > Duration::from_hours(10));
        assert!(parse_since("2020-08-21T14:30:00Z").unwrap() > Duration::from_hours(24 * 365));
        assert_eq!(parse_since("9000-01-01"), Err("it lies ahead".to_owned()));
        for wrong in ["", "soon", "21.08.2026", "2026-13-01", "-2h"] {
            assert!(
                parse_since(wrong).unwrap_err().contains("2026-08-21T14:30"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_shown_escaped() {
        assert_eq!(local("\x1b[31mnoon"), "\\x1b[31mnoon");
        assert_eq!(since("noon"), "noon");
    }
}
