//! Lengths of time as fail2ban writes them: seconds, or numbers with units, such as `1h 30m`, `1d`, `2weeks`.

use std::time::Duration;

use crate::duration::DURATION_MAX;

/// A length of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Time {
    /// At least a second.
    For(Duration),
    /// Below zero.
    Ever,
}

/// Names of units and their seconds. A month is the twelfth part of a year.
const UNITS: [(&[&str], f64); 7] = [
    (&["", "s", "ss", "se", "sec", "second", "seconds"], 1.0),
    (&["m", "mm", "mi", "min", "minute", "minutes"], 60.0),
    (&["h", "hh", "ho", "hou", "hour", "hours"], 3_600.0),
    (&["d", "dd", "da", "day", "days"], 86_400.0),
    (&["w", "ww", "we", "wee", "week", "weeks"], 604_800.0),
    (&["mo", "mon", "month", "months"], 2_629_800.0),
    (&["y", "yy", "ye", "yea", "year", "years"], 31_557_600.0),
];

/// Reads it; what is longer than any duration here is cut.
pub(super) fn time(text: &str) -> Option<Time> {
    let text = text.trim();
    if text
        .strip_prefix('-')
        .is_some_and(|rest| rest.parse::<f64>().is_ok())
    {
        return Some(Time::Ever);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let behind = behind.trim_start();
        let letters = behind
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let number: f64 = number.parse().ok()?;
        let unit = unit.to_lowercase();
        let (_, of_unit) = UNITS
            .iter()
            .find(|(names, _)| names.contains(&unit.as_str()))?;
        seconds += number * of_unit;
        rest = behind.trim_start();
    }
    let seconds = seconds.min(DURATION_MAX.as_secs_f64());
    (seconds >= 1.0).then(|| Time::For(Duration::from_secs(seconds as u64)))
}
