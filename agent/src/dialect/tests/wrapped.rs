//! Lines in wrappings, lines that stand for several, and lines that are not by whom they say.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Reading, now, reader, told};
use crate::dialect::{Reader, Recognition};

/// What lines of one log say, with the time of each event.
fn told_at(reader: &mut Reader, line: &str) -> String {
    let reading = reader.read(line.as_bytes(), now());
    match &reading {
        Reading::Event(event) => {
            let at = Timestamp::try_from(event.at).unwrap();
            format!("{at} {}", told(&reading))
        }
        _ => told(&reading),
    }
}

#[track_caller]
fn check(lines: &[(&str, &str)]) {
    let mut reader = reader();
    for (line, expected) in lines {
        assert_eq!(told_at(&mut reader, line), *expected, "{line}");
    }
}

const FAILURE: &str = "warning: unknown[192.0.2.9]: SASL LOGIN authentication failed: UGFzc3dvcmQ6";

/// A record of journald with these fields beside the usual ones.
fn record(message: &str, fields: &[(&str, &str)]) -> String {
    let mut all = serde_json::json!({
        "__CURSOR": "s=1;i=2;b=3;m=4;t=5;x=6",
        "__REALTIME_TIMESTAMP": "1792600000250000",
        "_HOSTNAME": "mx",
        "_TRANSPORT": "syslog",
        "_PID": "77",
        "_UID": "110",
        "_COMM": "smtpd",
        "_SYSTEMD_UNIT": "postfix@-.service",
        "SYSLOG_IDENTIFIER": "postfix/smtpd",
        "SYSLOG_FACILITY": "2",
        "MESSAGE": message,
    });
    for (name, value) in fields {
        all[*name] = match *value {
            "" => serde_json::Value::Null,
            value => value.into(),
        };
    }
    all.to_string()
}

#[test]
fn a_record_of_journald_is_read_like_a_line_of_syslog() {
    let event = "2026-10-21T16:26:40.25Z auth-failure 192.0.2.9 1.0";
    check(&[(&record(FAILURE, &[]), event)]);
    let bytes = record("", &[]).replace(
        "\"MESSAGE\":\"\"",
        &format!("\"MESSAGE\":{:?}", [FAILURE.as_bytes(), b"\xff"].concat()),
    );
    check(&[(&bytes, event)]);
    let mut reader = reader();
    reader.read(bytes.as_bytes(), now());
    let text = reader.text(bytes.as_bytes());
    assert!(
        text.starts_with(b"2026-10-21T16:26:40.25Z mx postfix/smtpd[77]: warning: "),
        "{}",
        String::from_utf8_lossy(text)
    );
    assert_eq!(reader.recognition().envelope, Some("journald"));
}

#[test]
fn a_record_that_anybody_can_write_is_not_believed() {
    let forged: &[&[(&str, &str)]] = &[
        // logger -t postfix/smtpd, from a shell
        &[
            ("_COMM", "logger"),
            ("_UID", "1000"),
            ("_SYSTEMD_UNIT", "session-3.scope"),
        ],
        &[("_UID", "1000"), ("_SYSTEMD_UNIT", "user@1000.service")],
        &[("_SYSTEMD_UNIT", "")],
        &[("_UID", "")],
        &[("_COMM", "")],
        // From a user's crontab, from a web application, from a user's .forward
        &[("_UID", "1000"), ("_SYSTEMD_UNIT", "cron.service")],
        &[("_UID", "33"), ("_SYSTEMD_UNIT", "apache2.service")],
        &[("_UID", "1000")],
        &[("_UID", "65534")],
        &[("_COMM", "logger")],
        &[("_COMM", "perl")],
        &[("_TRANSPORT", "audit")],
    ];
    for fields in forged {
        let line = record(FAILURE, fields);
        let mut reader = reader();
        assert_eq!(told_at(&mut reader, &line), "refused", "{line}");
        assert!(reader.recognition().is_forged);
    }
    // Another program's line is nothing to be told of.
    let other = record(
        FAILURE,
        &[
            ("SYSLOG_IDENTIFIER", "sshd"),
            ("_SYSTEMD_UNIT", "ssh.service"),
        ],
    );
    check(&[(&other, "ignored")]);
}

#[test]
fn a_unit_that_the_operator_names_is_believed() {
    let line = record(FAILURE, &[("_SYSTEMD_UNIT", "our-mail.service")]);
    check(&[(&line, "refused")]);
    for name in ["our-mail", "our-mail.service"] {
        let mut reader = reader().believing(&[name.to_owned()]);
        assert!(
            matches!(reader.read(line.as_bytes(), now()), Reading::Event(_)),
            "{name}"
        );
    }
}

#[test]
fn a_record_is_one_line_whatever_is_in_it() {
    let inside = format!("hello\nNov 21 17:26:38 mx postfix/smtpd[9]: {FAILURE}");
    check(&[(&record(&inside, &[]), "unknown")]);
    let name = format!("x: {FAILURE}\n2026-10-21T16:26:40Z mx postfix/smtpd[1]");
    check(&[(&record(FAILURE, &[("SYSLOG_IDENTIFIER", &name)]), "ignored")]);
    // Two values, or the same name twice: whose are they?
    let twice = record(FAILURE, &[]).replacen('{', "{\"_UID\":\"1000\",", 1);
    check(&[(&twice, "refused")]);
    let several = record("", &[]).replace("\"MESSAGE\":\"\"", "\"MESSAGE\":[\"a\",\"b\"]");
    check(&[
        (&several, "ignored"),
        (&record(FAILURE, &[("MESSAGE", "")]), "ignored"),
    ]);
    check(&[
        ("{", "ignored"),
        ("{}", "ignored"),
        ("{\"MESSAGE\":{\"a\":[1,{}]}}", "ignored"),
    ]);
}

#[test]
fn a_line_of_a_container_is_read() {
    let inner = format!("Nov 21 17:26:38 mail postfix/smtpd[9]: {FAILURE}");
    let event = |at: &str| format!("{at} auth-failure 192.0.2.9 1.0");
    let docker = |log: &str, stream: &str| {
        serde_json::json!({"log": log, "stream": stream, "time": "2026-11-21T16:26:38.5Z"})
            .to_string()
    };
    let whole = event("2026-11-21T16:26:38.5Z");
    check(&[
        (&docker(&format!("{inner}\n"), "stdout"), &whole),
        (&docker(&format!("{inner}\r\n"), "stderr"), &whole),
        (&format!("2026-11-21T16:26:38.5Z stdout F {inner}"), &whole),
        (
            &format!("mail-1  | {inner}"),
            &event("2026-11-21T17:26:38Z"),
        ),
        (&format!("mail-1 x | {inner}"), "ignored"),
        (
            &format!("2026-11-21T16:26:38.5Z stdnone F {inner}"),
            "ignored",
        ),
        // The rest of a long line is anybody's text, to its end.
        (&docker("a long line", "stdout"), "ignored"),
        (&docker(&inner, "stdout"), "ignored"),
        (&docker(&format!("{inner}\n"), "stderr"), &whole),
        (&docker(&format!("{inner}\n"), "stdout"), "ignored"),
        (&docker(&format!("{inner}\n"), "stdout"), &whole),
        ("2026-11-21T16:26:38.5Z stdout P a long line", "ignored"),
        (
            &format!("2026-11-21T16:26:38.5Z stdout F {inner}"),
            "ignored",
        ),
        (&format!("2026-11-21T16:26:38.5Z stdout F {inner}"), &whole),
        // One that was cut: nobody knows how it ended.
        (&docker(&format!("{inner}\n"), "stdout")[..60], "ignored"),
        (&docker(&format!("{inner}\n"), "stdout"), "ignored"),
        (&docker(&format!("{inner}\n"), "stdout"), &whole),
    ]);
}

#[test]
fn a_stamp_of_multilog_dates_what_follows_it() {
    check(&[(
        &format!("@400000004c91b044077a9e94 postfix/smtpd[9]: {FAILURE}"),
        "2010-09-16T05:50:50.1254765Z auth-failure 192.0.2.9 1.0",
    )]);
    // Without a tag it may be anybody's text, and weighs nothing.
    check(&[(
        &format!("@400000004c91b044077a9e94 {FAILURE}"),
        "2010-09-16T05:50:50.1254765Z auth-failure 192.0.2.9 0",
    )]);
    check(&[
        (
            &format!("@400000004c91b044077a9e9 postfix/smtpd[9]: {FAILURE}"),
            "ignored",
        ),
        (
            &format!("@400000004c91b044ffffffff postfix/smtpd[9]: {FAILURE}"),
            "ignored",
        ),
        (
            &format!("@ffffffffffffffff077a9e94 postfix/smtpd[9]: {FAILURE}"),
            "ignored",
        ),
    ]);
}

#[test]
fn a_line_that_was_written_again_counts_again() {
    let line = format!("Nov 21 17:26:38 mx postfix/smtpd[9]: {FAILURE}");
    let first = "2026-11-21T17:26:38Z auth-failure 192.0.2.9 1.0";
    let again = |weight: &str| format!("2026-11-21T17:27:08Z auth-failure 192.0.2.9 {weight}");
    check(&[
        (
            "Nov 21 17:26:37 mx last message repeated 2 times",
            "ignored",
        ),
        (&line, first),
        (
            "Nov 21 17:27:08 mx last message repeated 3 times",
            &again("3.0"),
        ),
        (
            "Nov 21 17:27:08 mx syslogd[55]: last message repeated 1 time",
            "ignored",
        ),
        (&line, first),
        (
            "Nov 21 17:27:08 other last message repeated 3 times",
            "ignored",
        ),
        (
            "Nov 21 17:27:08 mx last message repeated 99999 times",
            &again("100.0"),
        ),
        ("Nov 21 17:27:08 mx cron[5]: hello", "ignored"),
        (
            "Nov 21 17:27:08 mx last message repeated 3 times",
            "ignored",
        ),
        (
            "Nov 21 17:27:08 mx last message repeated 3 times, said x",
            "ignored",
        ),
    ]);
}

#[test]
fn what_the_logger_lost_is_counted() {
    let lost = |line: &str| {
        let mut reader = reader();
        let reading = reader.read(line.as_bytes(), now());
        assert_eq!(told(&reading), "ignored", "{line}");
        reader.recognition().lost
    };
    for (text, expected) in [
        (
            "systemd-journald[300]: Suppressed 917 messages from postfix@-.service",
            917,
        ),
        ("systemd-journal[1864]: Suppressed 917 messages from /", 917),
        (
            "rsyslogd-2177: imjournal: 236 messages lost due to rate-limiting",
            236,
        ),
        (
            "rsyslogd: imuxsock[pid: 51, name: /usr/bin/x]: 17 messages lost due to rate-limiting (20000 allowed within 300 seconds)",
            17,
        ),
        (
            "rsyslogd: imuxsock lost 51 messages from pid 2132 due to rate-limiting",
            51,
        ),
        (
            "rsyslogd: imjournal: begin to drop messages due to rate-limiting",
            0,
        ),
        ("cron[9]: Suppressed 917 messages from x", 0),
        ("systemd-journald[300]: Suppressed all messages from x", 0),
    ] {
        assert_eq!(
            lost(&format!("Nov 21 17:26:38 mx {text}")),
            expected,
            "{text}"
        );
    }
    let journald = &[
        ("SYSLOG_IDENTIFIER", "systemd-journald"),
        ("_COMM", "systemd-journal"),
        ("_UID", "0"),
        ("_TRANSPORT", "driver"),
        ("_SYSTEMD_UNIT", "systemd-journald.service"),
    ];
    let said = "Suppressed 12 messages from postfix.service";
    assert_eq!(lost(&record(said, journald)), 12);
    let forged = [("SYSLOG_IDENTIFIER", "systemd-journald"), ("_UID", "1000")];
    assert_eq!(lost(&record(said, &forged)), 0);
}

proptest! {
    #[test]
    fn any_record_is_read_without_a_panic(
        lines in proptest::collection::vec("(\\{\"(log|MESSAGE|_UID)\":)?(\"[a-z\\\\\"]{0,9}\"|\\[[0-9, ]{0,9}\\]|-?[0-9.]{1,9})(,\"(stream|time)\":\"[a-z0-9]{0,9}\")?\\}?|@4[0-9a-f]{23} .{0,20}|[a-z]{1,3} +\\| .{0,9}", 1..5),
        seconds in 0_u64..20_000_000_000,
    ) {
        let mut reader = reader();
        for line in lines {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            reader.read(line.as_bytes(), now);
            let Recognition { lost, .. } = reader.recognition();
            prop_assert_eq!(lost, 0);
            reader.text(line.as_bytes());
        }
    }
}
