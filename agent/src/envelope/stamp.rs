//! When a line was written, from what its stamp says and what it leaves out.

use std::{
    cell::Cell,
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// How far ahead of `now` a stamp without a year may lie before it is taken to be last year's: clocks differ, zones are set
/// wrong, but nothing is logged days ahead.
const AHEAD_MAX_S: i64 = 24 * 3600;
/// Within this distance of a change of the zone's offset each stamp is looked up by itself.
const NEAR_CHANGE_S: i64 = 2 * 24 * 3600;

/// A time stamp as it is written. Turning it into a time waits until an event needs it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stamp {
    /// Without year and zone (RFC 3164).
    Yearless(Civil),
    /// Without zone.
    Local(Civil),
    /// With the offset of its zone.
    Zoned {
        /// Date and time there.
        civil: Civil,
        /// How far its clocks are ahead of UTC.
        offset_s: i32,
    },
    /// As a point in time.
    Exact {
        /// Since 1970-01-01 UTC.
        since_epoch: Duration,
    },
}

/// Date and time of day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Civil {
    /// Year; 0 in [`Stamp::Yearless`].
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// Time of day.
    pub time: Duration,
}

/// Turns stamps into times, for logs of one time zone.
#[derive(Debug)]
pub struct Dater {
    zone: TimeZone,
    /// The offset that was looked up last, and the local seconds from and to which it holds for sure.
    offset: Cell<(i64, i64, i64)>,
    /// The stamp that was dated last, with the `now` it was dated at and what came out: many lines are of one second.
    last: Cell<Option<(Stamp, SystemTime, SystemTime)>>,
}

impl Dater {
    /// For logs whose stamps name no zone but are of this one.
    pub fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            offset: Cell::new((0, 0, 0)),
            last: Cell::new(None),
        }
    }

    /// The time of a stamp that was read at `now`; `now` if it has none.
    pub fn time(&self, stamp: Option<Stamp>, now: SystemTime) -> SystemTime {
        let Some(stamp) = stamp else {
            return now;
        };
        if let Some((last, at, time)) = self.last.get()
            && last == stamp
            && at == now
        {
            return time;
        }
        let time = self.dated(stamp, now);
        self.last.set(Some((stamp, now, time)));
        time
    }

    fn dated(&self, stamp: Stamp, now: SystemTime) -> SystemTime {
        let (utc_s, time) = match stamp {
            Stamp::Exact { since_epoch } => {
                let at = SystemTime::UNIX_EPOCH.checked_add(since_epoch);
                return at.unwrap_or(now);
            }
            Stamp::Zoned { civil, offset_s } => (civil.seconds() - i64::from(offset_s), civil.time),
            Stamp::Local(civil) => (self.to_utc(civil.seconds()), civil.time),
            Stamp::Yearless(civil) => {
                let civil = self.with_year(civil, now);
                (self.to_utc(civil.seconds()), civil.time)
            }
        };
        let subsecond = Duration::from_nanos(u64::from(time.subsec_nanos()));
        let whole = match u64::try_from(utc_s) {
            Ok(after) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(after)),
            Err(_) => SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(utc_s.unsigned_abs())),
        };
        whole
            .and_then(|whole| whole.checked_add(subsecond))
            .unwrap_or(now)
    }

    /// The latest year in which the stamp does not lie ahead of `now` and which has its day.
    fn with_year(&self, civil: Civil, now: SystemTime) -> Civil {
        let now_s = match now.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX / 2),
            Err(_) => 0,
        };
        let now_local_s = now_s + self.offset_at(now_s);
        let this_year = year_of(now_local_s);
        let in_year = |year| Civil { year, ..civil };
        // Next year comes first: on the last evening of a year, a clock that is ahead writes that already.
        (this_year - 8..=this_year + 1)
            .rev()
            .map(in_year)
            .find(|civil| civil.exists() && civil.seconds() <= now_local_s + AHEAD_MAX_S)
            .unwrap_or(in_year(this_year))
    }

    fn to_utc(&self, local_s: i64) -> i64 {
        let (offset_s, from_s, to_s) = self.offset.get();
        if (from_s..to_s).contains(&local_s) {
            return local_s - offset_s;
        }
        // Local seconds taken for UTC are half a day off at most, which `NEAR_CHANGE_S` makes room for.
        self.offset_at(local_s);
        let (offset_s, from_s, to_s) = self.offset.get();
        if (from_s..to_s).contains(&local_s) {
            return local_s - offset_s;
        }
        self.looked_up(local_s)
            .map_or(local_s - offset_s, Timestamp::as_second)
    }

    /// The zone's offset at a time in UTC, remembered with the span in which it holds.
    fn offset_at(&self, utc_s: i64) -> i64 {
        let (offset_s, from_s, to_s) = self.offset.get();
        let local_s = utc_s + offset_s;
        if (from_s..to_s).contains(&local_s) {
            return offset_s;
        }
        let Ok(at) = Timestamp::from_second(utc_s) else {
            return 0;
        };
        let offset_s = i64::from(self.zone.to_offset(at).seconds());
        let before_s = self.zone.preceding(at).next().map_or(i64::MIN / 4, |it| {
            it.timestamp().as_second() + NEAR_CHANGE_S
        });
        let after_s = self.zone.following(at).next().map_or(i64::MAX / 4, |it| {
            it.timestamp().as_second() - NEAR_CHANGE_S
        });
        self.offset
            .set((offset_s, before_s + offset_s, after_s + offset_s));
        offset_s
    }

    fn looked_up(&self, local_s: i64) -> Option<Timestamp> {
        let local: DateTime = Timestamp::from_second(local_s)
            .ok()
            .map(|at| jiff::tz::Offset::UTC.to_datetime(at))?;
        self.zone.to_ambiguous_timestamp(local).compatible().ok()
    }
}

impl Civil {
    /// Seconds from 1970 to it, were it UTC.
    fn seconds(self) -> i64 {
        days(self.year, self.month, self.day) * 86_400
            + i64::try_from(self.time.as_secs()).unwrap_or(0)
    }

    fn exists(self) -> bool {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        (self.month, self.day) != (2, 29) || leap
    }
}

/// `HH:MM:SS[.fraction]`. A leap second is taken for the second before it.
pub(crate) fn clock_time(text: &[u8]) -> Option<(Duration, &[u8])> {
    let (time, rest) = text.split_first_chunk::<8>()?;
    let &[h0, h1, b':', m0, m1, b':', s0, s1] = time else {
        return None;
    };
    let two = |tens: u8, ones: u8| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| u64::from(tens * 10 + ones))
    };
    let (hours, minutes, seconds) = (two(h0, h1)?, two(m0, m1)?, two(s0, s1)?);
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let whole = Duration::from_secs(hours * 3600 + minutes * 60 + seconds.min(59));
    let [b'.' | b',', fraction @ ..] = rest else {
        return Some((whole, rest));
    };
    let digits = fraction
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let mut nanos = 0;
    let mut unit = 100_000_000;
    for byte in &fraction[..digits] {
        nanos += u64::from(byte - b'0') * unit;
        unit /= 10;
    }
    Some((whole + Duration::from_nanos(nanos), &fraction[digits..]))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, counted in years that begin with March.
fn days(year: i32, month: u8, day: u8) -> i64 {
    let (year, month) = (i64::from(year), i64::from(month));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// The year in which a second after 1970 lies.
fn year_of(seconds: i64) -> i32 {
    let day = seconds.div_euclid(86_400);
    // 365.2425 days a year; a guess that is at most one off.
    let guess = 1970 + day.saturating_mul(10_000).div_euclid(3_652_425);
    let mut year = i32::try_from(guess).unwrap_or(1970);
    if days(year + 1, 1, 1) <= day {
        year += 1;
    } else if days(year, 1, 1) > day {
        year -= 1;
    }
    year
}
