use std::time::{Duration, SystemTime};

use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;

use super::{Dater, read};

/// Reads `line` at `now` with the logs of `zone`, and tells the time, host, program, process and message.
#[track_caller]
fn check(zone: &str, now: &str, line: &str, expected: &str) {
    let dater = Dater::new(TimeZone::get(zone).unwrap());
    let told = match read(line.as_bytes()) {
        None => "none".to_owned(),
        Some((envelope, form)) => {
            let at = dater.time(envelope.stamp, time(now));
            format!(
                "{form} {} host={} program={} pid={:?} {}",
                Timestamp::try_from(at).unwrap(),
                text(envelope.host),
                text(envelope.program),
                envelope.pid,
                text(envelope.message),
            )
        }
    };
    assert_eq!(told, expected, "{line}");
}

const NOW: &str = "2026-06-01T00:00:00Z";

#[test]
fn rfc_3164_is_read_with_each_way_of_writing_the_day() {
    for day in ["Mar  7", "Mar 07", "Mar 7"] {
        check(
            "UTC",
            NOW,
            &format!("{day} 02:09:33 mx postfix/smtpd[27246]: connect from x[192.0.2.1]"),
            "rfc3164 2026-03-07T02:09:33Z host=mx program=postfix/smtpd pid=Some(27246) connect from x[192.0.2.1]",
        );
    }
}

#[test]
fn the_year_is_the_latest_that_is_not_ahead() {
    let line = |date: &str| format!("{date} mx a: b");
    let told = |at: &str| format!("rfc3164 {at} host=mx program=a pid=None b");
    let new_year = "2026-01-01T00:00:05Z";
    check(
        "UTC",
        new_year,
        &line("Dec 31 23:59:59"),
        &told("2025-12-31T23:59:59Z"),
    );
    check(
        "UTC",
        new_year,
        &line("Jan  1 00:00:01"),
        &told("2026-01-01T00:00:01Z"),
    );
    // A host whose zone is ahead, and one whose clock is.
    check(
        "Asia/Tokyo",
        "2025-12-31T20:00:00Z",
        &line("Jan  1 04:59:00"),
        &told("2025-12-31T19:59:00Z"),
    );
    check(
        "UTC",
        "2025-12-31T23:00:00Z",
        &line("Jan  1 00:30:00"),
        &told("2026-01-01T00:30:00Z"),
    );
    check(
        "America/New_York",
        "2026-01-01T03:00:00Z",
        &line("Dec 31 21:59:00"),
        &told("2026-01-01T02:59:00Z"),
    );
    check(
        "UTC",
        "2026-06-01T00:00:00Z",
        &line("Feb 29 01:00:00"),
        &told("2024-02-29T01:00:00Z"),
    );
    check(
        "UTC",
        "2026-03-01T00:00:00Z",
        &line("Mar  3 00:00:00"),
        &told("2025-03-03T00:00:00Z"),
    );
}

#[test]
fn the_zone_of_the_log_counts_on_both_sides_of_a_change() {
    let line = |date: &str| format!("{date} mx a: b");
    let told = |at: &str| format!("rfc3164 {at} host=mx program=a pid=None b");
    for (date, at) in [
        ("Mar 28 12:00:00", "2026-03-28T11:00:00Z"),
        ("Mar 29 01:59:59", "2026-03-29T00:59:59Z"),
        ("Mar 29 03:00:00", "2026-03-29T01:00:00Z"),
        ("May 29 03:00:00", "2026-05-29T01:00:00Z"),
        ("Jan 29 03:00:00", "2026-01-29T02:00:00Z"),
        ("Oct 25 12:00:00", "2025-10-25T10:00:00Z"),
    ] {
        check("Europe/Berlin", NOW, &line(date), &told(at));
    }
}

#[test]
fn rfc_3339_is_read_with_every_zone() {
    let line = |stamp: &str| format!("{stamp} mail postfix/smtpd[7650]: hello");
    let told =
        |at: &str| format!("rfc3339 {at} host=mail program=postfix/smtpd pid=Some(7650) hello");
    for (stamp, at) in [
        (
            "2025-01-10T18:56:50.250091+01:00",
            "2025-01-10T17:56:50.250091Z",
        ),
        ("2025-01-10T17:56:50Z", "2025-01-10T17:56:50Z"),
        ("2025-01-10T12:26:50-0530", "2025-01-10T17:56:50Z"),
        ("2025-07-10T12:00:00", "2025-07-10T10:00:00Z"),
    ] {
        check("Europe/Berlin", NOW, &line(stamp), &told(at));
    }
}

#[test]
fn rfc_5424_is_read_with_structured_data_and_byte_order_mark() {
    let told =
        "rfc5424 2025-01-10T17:56:50.25Z host=mail program=postfix/smtpd pid=Some(7650) hi there";
    for data in ["-", r#"[a b="c \" ] d \] e"][f]"#] {
        for mark in ["", "\u{feff}"] {
            let line = format!(
                "<22>1 2025-01-10T17:56:50.25Z mail postfix/smtpd 7650 - {data} {mark}hi there"
            );
            check("UTC", NOW, &line, told);
        }
    }
    check(
        "UTC",
        NOW,
        "<22>1 - - a - - -",
        "rfc5424 2026-06-01T00:00:00Z host= program=a pid=None ",
    );
}

#[test]
fn variants_of_syslog_daemons_are_read() {
    for line in [
        "Nov 21 17:26:38 mx mail.info postfix/smtpd[1]: hi",
        "Nov 21 17:26:38 <mail.notice> mx postfix/smtpd[1]: hi",
        "<22>Nov 21 17:26:38 mx postfix/smtpd[1]: hi",
        "Nov 21 17:26:38 <2.5> mx postfix/smtpd[1]: hi",
        "Nov 21 17:26:38 mx postfix/smtpd[1]: [ID 801593 mail.info] hi",
    ] {
        check(
            "UTC",
            NOW,
            line,
            "rfc3164 2025-11-21T17:26:38Z host=mx program=postfix/smtpd pid=Some(1) hi",
        );
    }
    check(
        "UTC",
        NOW,
        "<22>Nov 21 17:26:39 postfix/smtpd[1]: hi",
        "rfc3164 2025-11-21T17:26:39Z host= program=postfix/smtpd pid=Some(1) hi",
    );
}

#[test]
fn a_tag_in_somebodys_words_is_none() {
    let sshd =
        "Aug 14 10:00:00 mx sshd[55]: Invalid user postfix/smtpd[1]: warning: v[192.0.2.99]: x";
    check(
        "UTC",
        NOW,
        sshd,
        "rfc3164 2025-08-14T10:00:00Z host=mx program=sshd pid=Some(55) Invalid user postfix/smtpd[1]: warning: v[192.0.2.99]: x",
    );
    for line in [
        "Aug 14 10:00:00 auth(x postfix/smtpd[1]: warning: v[192.0.2.99]: x",
        "Aug 14 10:00:00 mx two words postfix/smtpd[1]: x",
        "  postfix/smtpd[1]: x",
        "Aug 14 10:00 mx postfix/smtpd[1]: x",
        "Aug 14 10:00:00 <24.5> mx postfix/smtpd[1]: x",
        "Aug 14 10:00:00 <2.5.1> mx postfix/smtpd[1]: x",
        "Aug 99 10:00:00 mx postfix/smtpd[1]: x",
        "2025-13-01T00:00:00Z mx postfix/smtpd[1]: x",
        "",
        "<22>",
    ] {
        check("UTC", NOW, line, "none");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(line: Vec<u8>, seconds in -200_000_000_000_i64..200_000_000_000) {
        let now = if seconds < 0 {
            SystemTime::UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs())
        } else {
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
        };
        let dater = Dater::new(TimeZone::get("Europe/Berlin").unwrap());
        if let Some((envelope, _)) = read(&line) {
            dater.time(envelope.stamp, now);
        }
    }

    #[test]
    fn any_stamp_is_dated_without_a_panic(
        stamp in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,30})?(Z|[+-][0-9]{2}:?[0-9]{2})?",
        month in "(Jan|Feb|Dec)",
        rest in "[ 0-9]{0,3} [0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,30})?",
        now_s in 0_u64..20_000_000_000,
    ) {
        let dater = Dater::new(TimeZone::get("Australia/Lord_Howe").unwrap());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now_s);
        for line in [format!("{stamp} mx a: b"), format!("{month} {rest} mx a: b")] {
            if let Some((envelope, _)) = read(line.as_bytes()) {
                dater.time(envelope.stamp, now);
            }
        }
    }

    /// The remembered offset gives what looking up each stamp would give.
    #[test]
    fn stamps_agree_with_the_zone(seconds in 0_i64..4_000_000_000, zone in "(Europe/Berlin|America/New_York|Asia/Kathmandu|Australia/Lord_Howe|UTC)") {
        let zone = TimeZone::get(&zone).unwrap();
        let dater = Dater::new(zone.clone());
        for step in 0..4 {
            let at = Timestamp::from_second(seconds + step * 40 * 86_400).unwrap();
            let local = at.to_zoned(zone.clone()).datetime();
            let line = format!("{local:.0} mx a: b");
            let (envelope, _) = read(line.as_bytes()).unwrap();
            let told = dater.time(envelope.stamp, SystemTime::UNIX_EPOCH);
            let expected = zone.to_ambiguous_timestamp(local).compatible().unwrap();
            prop_assert_eq!(Timestamp::try_from(told).unwrap(), expected);
        }
    }
}

fn time(text: &str) -> SystemTime {
    text.parse::<Timestamp>().unwrap().into()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
