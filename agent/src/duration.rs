//! Durations as people write them: `90s`, `15m`, `4h`, `30d`, `1h30m`. Whole seconds, the largest unit first.

use std::{fmt::Write as _, time::Duration};

/// The longest duration that can be written: far beyond any use, and short enough to be added to any time.
pub const DURATION_MAX: Duration = Duration::from_secs(36_500 * 86_400);

/// Units, the largest first; what [`format()`] writes are all but the week.
const UNITS: [(char, u64); 5] = [
    ('w', 7 * 86_400),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

/// A text that is not a duration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DurationError {
    /// Not a number and a unit, or several with the largest unit first.
    #[error("{0:?} is not a duration; write it like 90s, 15m, 4h, 30d or 1h30m")]
    Syntax(String),
    /// A number without its unit.
    #[error("{0:?} lacks a unit; write it like {0}s, {0}m, {0}h or {0}d")]
    NoUnit(String),
    /// Longer than [`DURATION_MAX`].
    #[error("{0:?} is too long; at most 36500d")]
    TooLong(String),
}

/// Reads a duration.
///
/// # Errors
///
/// When `text` is none, or one beyond [`DURATION_MAX`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DurationError::NoUnit(text.to_owned()));
    }
    let syntax = || DurationError::Syntax(text.to_owned());
    let too_long = || DurationError::TooLong(text.to_owned());
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total_s: u64 = 0;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let unit = after.chars().next().ok_or_else(syntax)?;
        if number.is_empty() {
            return Err(syntax());
        }
        // Going on where the last unit was found refuses `30m1h` and `1h1h`.
        let (_, unit_s) = units.find(|(name, _)| *name == unit).ok_or_else(syntax)?;
        // What a u64 cannot hold is all digits.
        let number: u64 = number
            .parse()
            .map_err(|_: std::num::ParseIntError| too_long())?;
        total_s = number
            .checked_mul(*unit_s)
            .and_then(|s| s.checked_add(total_s))
            .filter(|s| *s <= DURATION_MAX.as_secs())
            .ok_or_else(too_long)?;
        rest = &after[unit.len_utf8()..];
        if rest.is_empty() {
            return Ok(Duration::from_secs(total_s));
        }
    }
}

/// Writes a duration, in days, hours, minutes and whole seconds; [`parse`] reads it back.
pub fn format(duration: Duration) -> String {
    let mut left_s = duration.as_secs();
    if left_s == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (name, unit_s) in &UNITS[1..] {
        if left_s >= *unit_s {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}{name}", left_s / unit_s);
            left_s %= unit_s;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("4h", 14_400),
            ("30d", 2_592_000),
            ("1w", 604_800),
            ("1h30m", 5_400),
            ("1d2h3m4s", 93_784),
            ("0s", 0),
            ("36500d", 36_500 * 86_400),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none_and_says_how() {
        for text in [
            "", "m", "10", "10 m", " 10m", "10m ", "-1s", "1.5h", "30m1h", "1h1h", "10min", "1d5",
            "10µ", "٣s", "1M",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            parse("10").unwrap_err().to_string(),
            r#""10" lacks a unit; write it like 10s, 10m, 10h or 10d"#
        );
        assert_eq!(
            parse("10 min").unwrap_err().to_string(),
            r#""10 min" is not a duration; write it like 90s, 15m, 4h, 30d or 1h30m"#
        );
    }

    #[test]
    fn refuses_what_is_too_long() {
        for text in ["36501d", "99999999999999999999d", "18446744073709551615w"] {
            assert_eq!(parse(text), Err(DurationError::TooLong(text.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0..=DURATION_MAX.as_secs()) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
