//! Dates as programs write them in log files of their own.

use std::time::Duration;

use super::text::number;
use crate::envelope::Civil;

/// The number of two digits.
pub(super) fn two(tens: u8, ones: u8) -> Option<u8> {
    number::<u32>(&[tens, ones]).and_then(|value| u8::try_from(value).ok())
}

/// The number of four digits.
pub(super) fn four(digits: [u8; 4]) -> Option<i32> {
    number::<u32>(&digits).and_then(|value| i32::try_from(value).ok())
}

/// A time of day.
pub(super) fn clock(hours: u8, minutes: u8, seconds: u8) -> Option<Duration> {
    (hours < 24 && minutes < 60 && seconds < 60).then(|| {
        let minutes = u64::from(hours) * 60 + u64::from(minutes);
        Duration::from_secs(minutes * 60 + u64::from(seconds))
    })
}

/// A date, if there may be one.
pub(super) fn date(year: i32, month: u8, day: u8, time: Duration) -> Option<Civil> {
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Civil {
        year,
        month,
        day,
        time,
    })
}

/// The month of an English name of three letters.
pub(super) fn month(name: [u8; 3]) -> Option<u8> {
    const NAMES: &[u8; 36] = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let name = name.map(|byte| byte.to_ascii_lowercase());
    let at = NAMES
        .as_chunks::<3>()
        .0
        .iter()
        .position(|own| *own == name)?;
    u8::try_from(at + 1).ok()
}
