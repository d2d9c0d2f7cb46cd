//! What the shipped presets say, as `mailwall rule show` says it.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use mailwall::config::{Config, PRESETS};

#[track_caller]
fn check(preset: &str, expected: &Expect) {
    let preset = PRESETS.iter().find(|known| known.name == preset);
    let config = Config::default().with_preset(preset.expect("a preset of that name"));
    let mut text = String::new();
    for (rule, _) in config.expect("presets are right").rules.rules {
        let _ = writeln!(text, "{}: {}", rule.name, rule.description());
    }
    expected.assert_eq(&text);
}

#[test]
fn balanced() {
    check(
        "balanced",
        &expect![[r#"
            dictionary: 10 different unknown recipients from an address in 10m, if at least 80% of what it did is bad: ban for 10m
            session-errors: 5 errors (the same account counts once) in one session, unless the host did anything good in 1d: ban for 10m
            logins: 10 failed logins (the same account counts once) from an address in 10m, if at least 80% of what it did is bad: ban for 10m
            logins-slow: 20 failed logins (the same account counts once) from an address in 1d, if at least 80% of what it did is bad: ban for 10m
            logins-one-account: 300 failed logins from an address in 1h, unless the host did anything good in 1h: ban for 10m
            relay: 5 relay attempts for different recipients from an address in 1h, if at least 80% of what it did is bad: ban for 10m
            early-talker: 1 talk before the greeting from an address in 1d, unless the host did anything good in 1d: ban for 1h
            non-smtp: 1 non-SMTP command from an address in 1d, unless the host did anything good in 1d: ban for 1h
            too-many-errors: 3 sessions closed for their errors from an address in 1h, if at least 80% of what it did is bad: ban for 10m
            offences: 20 points of offences from an address in 1d, if at least 90% of what it did is bad: ban for 10m
            network: 16 hosts with errors in a network (/24, IPv6 /48) in 1h, if at least 80% of what it did is bad: ban for 10m
        "#]],
    );
}

#[test]
fn strict() {
    check(
        "strict",
        &expect![[r#"
            dictionary: 5 different unknown recipients from an address in 10m, if at least 80% of what it did is bad: ban for 10m
            session-errors: 5 errors in one session, unless the host did anything good in 1d: ban for 10m
            logins: 5 failed logins (the same account counts once) from an address in 10m, if at least 80% of what it did is bad: ban for 10m
            logins-slow: 10 failed logins (the same account counts once) from an address in 1d, if at least 80% of what it did is bad: ban for 10m
            logins-one-account: 50 failed logins from an address in 10m, if at least 80% of what it did is bad: ban for 30m
            relay: 2 relay attempts for different recipients from an address in 10m, if at least 80% of what it did is bad: ban for 10m
            early-talker: 1 talk before the greeting from an address in 1d, if at least 80% of what it did is bad: ban for 1h
            non-smtp: 1 non-SMTP command from an address in 1d, if at least 80% of what it did is bad: ban for 1h
            too-many-errors: 2 sessions closed for their errors from an address in 1h, if at least 80% of what it did is bad: ban for 10m
            bad-sessions: 20 sessions without result from an address in 5m, if at least 80% of what it did is bad: ban for 5m
            offences: 15 points of offences from an address in 1d, if at least 80% of what it did is bad: ban for 10m
            network: 8 hosts with errors in a network (/24, IPv6 /48) in 1h, if at least 80% of what it did is bad: ban for 10m
        "#]],
    );
}

#[test]
fn imail() {
    check(
        "imail",
        &expect![[r#"
        soft-limit: 2 errors from an address in 10m: delay each further one by 5s more
        hard-limit: 5 errors from an address in 10m: ban for 2m
    "#]],
    );
}

#[test]
fn smartermail_relaxed() {
    check(
        "smartermail-relaxed",
        &expect![[r#"
        denial-of-service: 50 connections from an address in 5m: ban for 5m
        brute-force-by-address: 50 failed logins from an address in 10m: ban for 30m
    "#]],
    );
}

#[test]
fn smartermail_strict() {
    check(
        "smartermail-strict",
        &expect![[r#"
        denial-of-service: 50 connections from an address in 5m: ban for 5m
        brute-force-by-address: 50 failed logins from an address in 10m: ban for 30m
        harvesting: 20 sessions without result from an address in 5m on smtp: ban for 5m
    "#]],
    );
}

#[test]
fn stop_spammers() {
    check(
        "stop-spammers",
        &expect![[r#"
        session-errors: 5 errors in one session: ban until removed
    "#]],
    );
}
