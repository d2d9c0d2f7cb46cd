//! The form of a time stamp, as `strftime` writes forms: `%Y-%m-%d %H:%M:%S`.

use std::time::Duration;

use super::PatternError;
use crate::envelope::{Civil, Stamp};

/// A form, ready to be read by.
#[derive(Clone, Debug)]
pub(super) struct StampForm {
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Text(u8),
    /// `%Y`
    Year,
    /// `%m`
    Month,
    /// `%b`
    MonthName,
    /// `%d`, padded with a blank, with a zero or not at all.
    Day,
    /// `%a`
    Weekday,
    /// `%H`
    Hour,
    /// `%M`
    Minute,
    /// `%S`
    Second,
    /// `%f`: a fraction of the second behind a dot or a comma, or nothing.
    Fraction,
    /// `%z`: `+0100`, `+01:00` or `Z`.
    Offset,
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

impl StampForm {
    pub(super) fn new(format: &str) -> Result<Self, PatternError> {
        let mut parts = Vec::new();
        let mut bytes = format.bytes();
        while let Some(byte) = bytes.next() {
            parts.push(match byte {
                b'%' => match bytes.next() {
                    Some(b'Y') => Part::Year,
                    Some(b'm') => Part::Month,
                    Some(b'b') => Part::MonthName,
                    Some(b'd') => Part::Day,
                    Some(b'a') => Part::Weekday,
                    Some(b'H') => Part::Hour,
                    Some(b'M') => Part::Minute,
                    Some(b'S') => Part::Second,
                    Some(b'f') => Part::Fraction,
                    Some(b'z') => Part::Offset,
                    Some(b'%') => Part::Text(b'%'),
                    other => {
                        let other = other.map(char::from).map_or_else(String::new, String::from);
                        return Err(PatternError::Stamp(format!(
                            "unknown %{other}; known: %Y %m %b %d %a %H %M %S %f %z %%"
                        )));
                    }
                },
                byte if byte.is_ascii_graphic() || byte == b' ' => Part::Text(byte),
                _ => return Err(PatternError::Stamp("only ASCII can be part of it".into())),
            });
        }
        let has = |part| parts.contains(&part);
        let has_date = has(Part::Day) && (has(Part::Month) || has(Part::MonthName));
        let has_part_of_date =
            has(Part::Year) || has(Part::Day) || has(Part::Month) || has(Part::MonthName);
        if !has(Part::Hour) || !has(Part::Minute) {
            return Err(PatternError::Stamp("it needs %H and %M".into()));
        }
        if has_part_of_date && !has_date {
            return Err(PatternError::Stamp(
                "a date needs %d and one of %m and %b".into(),
            ));
        }
        Ok(Self { parts })
    }

    /// The regex of its stamps.
    pub(super) fn regex(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(byte) => regex_syntax::escape(&char::from(*byte).to_string()),
            Part::Year => "[0-9]{4}".to_owned(),
            Part::Month | Part::Hour | Part::Minute | Part::Second => "[0-9]{2}".to_owned(),
            Part::Day => " ?[0-9]{1,2}".to_owned(),
            Part::MonthName | Part::Weekday => "[A-Z][a-z]{2}".to_owned(),
            Part::Fraction => "(?:[.,][0-9]{1,9})?".to_owned(),
            Part::Offset => "(?:Z|[+-][0-9]{2}:?[0-9]{2})".to_owned(),
        });
        parts.collect()
    }

    /// The stamp in a text that its regex matches; `None` where the form has no date, or there is no such time.
    pub(super) fn read(&self, text: &[u8]) -> Option<Stamp> {
        let mut rest = text;
        let mut year = None;
        let (mut month, mut day) = (0, 0);
        let (mut hour, mut minute, mut second) = (0, 0, 0);
        let mut fraction_ns = 0;
        let mut offset_s = None;
        for part in &self.parts {
            match part {
                Part::Text(byte) => rest = rest.strip_prefix(&[*byte])?,
                Part::Year => year = Some(digits(&mut rest, 4)?),
                Part::Month => month = digits(&mut rest, 2)?,
                Part::Hour => hour = digits(&mut rest, 2)?,
                Part::Minute => minute = digits(&mut rest, 2)?,
                Part::Second => second = digits(&mut rest, 2)?,
                Part::Day => {
                    rest = rest.strip_prefix(b" ").unwrap_or(rest);
                    let width = if rest.get(1).is_some_and(u8::is_ascii_digit) {
                        2
                    } else {
                        1
                    };
                    day = digits(&mut rest, width)?;
                }
                Part::Weekday => rest = rest.get(3..)?,
                Part::MonthName => {
                    let (name, after) = rest.split_first_chunk::<3>()?;
                    let at = MONTHS.iter().position(|month| *month == name)?;
                    month = u32::try_from(at).ok()? + 1;
                    rest = after;
                }
                Part::Fraction => {
                    if let Some((b'.' | b',', after)) = rest.split_first() {
                        rest = after;
                        fraction_ns = fraction(&mut rest);
                    }
                }
                Part::Offset => offset_s = Some(offset(&mut rest)?),
            }
        }
        if hour > 23 || minute > 59 || second > 60 || !(1..=12).contains(&month) {
            return None;
        }
        let seconds = u64::from(hour * 3600 + minute * 60 + second);
        let civil = Civil {
            year: year.map_or(Some(0), |year| i32::try_from(year).ok())?,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day)
                .ok()
                .filter(|day| (1..=31).contains(day))?,
            time: Duration::new(seconds, fraction_ns),
        };
        Some(match (year, offset_s) {
            (None, _) => Stamp::Yearless(civil),
            (Some(_), None) => Stamp::Local(civil),
            (Some(_), Some(offset_s)) => Stamp::Zoned { civil, offset_s },
        })
    }
}

fn digits(rest: &mut &[u8], width: usize) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(width)?;
    *rest = after;
    super::super::text::number(digits)
}

/// Nanoseconds, of at most nine digits.
fn fraction(rest: &mut &[u8]) -> u32 {
    let (mut fraction_ns, mut unit) = (0, 100_000_000);
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        fraction_ns += u32::from(digit - b'0') * unit;
        unit /= 10;
        *rest = after;
    }
    fraction_ns
}

fn offset(rest: &mut &[u8]) -> Option<i32> {
    let (&sign, after) = rest.split_first()?;
    *rest = after;
    if sign == b'Z' {
        return Some(0);
    }
    let hours = digits(rest, 2)?;
    *rest = rest.strip_prefix(b":").unwrap_or(rest);
    let seconds = i32::try_from(hours * 3600 + digits(rest, 2)? * 60).ok()?;
    Some(if sign == b'-' { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use jiff::tz::TimeZone;

    use super::StampForm;
    use crate::envelope::Dater;

    #[track_caller]
    fn check(format: &str, text: &str, expected: &str) {
        let form = StampForm::new(format).unwrap();
        let regex = regex::Regex::new(&format!("^{}$", form.regex())).unwrap();
        assert!(regex.is_match(text), "{text}: {}", form.regex());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let at = Dater::new(TimeZone::UTC).time(form.read(text.as_bytes()), now);
        assert_eq!(jiff::Timestamp::try_from(at).unwrap().to_string(), expected);
    }

    #[test]
    fn stamps_are_read_by_their_form() {
        check(
            "[%d-%b-%Y %H:%M:%S %z]",
            "[30-Dec-2014 13:02:34 -0500]",
            "2014-12-30T18:02:34Z",
        );
        check(
            "%Y-%m-%d %H:%M:%S%f",
            "2023-03-28 03:09:25,112",
            "2023-03-28T03:09:25.112Z",
        );
        check(
            "%Y-%m-%dT%H:%M:%S%z",
            "2014-01-13T05:02:22+01:00",
            "2014-01-13T04:02:22Z",
        );
        check(
            "%a %b %d %H:%M:%S %Y",
            "Sat Dec 28 19:05:38 2013",
            "2013-12-28T19:05:38Z",
        );
        check("%b %d %H:%M:%S", "Dec  5 08:59:59", "2026-12-05T08:59:59Z");
        // Without a date, or with one that there is not, it is now.
        check("%H:%M:%S%f", "08:59:59.123", "2027-01-15T08:00:00Z");
        check("%d/%m %H:%M", "31/13 08:59", "2027-01-15T08:00:00Z");
    }

    #[test]
    fn forms_that_tell_no_time_are_refused() {
        for format in ["", "%H", "%Y %H:%M", "%x", "%", "%H:%M ü", "%d %H:%M"] {
            assert!(StampForm::new(format).is_err(), "{format}");
        }
    }
}
