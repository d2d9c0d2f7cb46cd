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
            dictionary: 10 different unknown recipients from an address in 10m, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            session-errors: 5 errors (the same account counts once) in one session, unless the host did anything good in 1d or is a regular: ban for 10m
            logins: 10 failed logins (the same account counts once) from an address in 10m, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            logins-slow: 15 failed logins (the same account counts once) from an address in 1d, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            logins-one-account: 300 failed logins from an address in 1h, unless the host did anything good in 1d or is a regular: ban for 10m
            logins-steady: 15 failed logins (those within 4s count once) from an address in 5m, unless the host did anything good in 1d or is a regular: ban for 10m
            relay: 5 relay attempts for different recipients from an address in 1d, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            early-talker: 1 talk before the greeting from an address in 1d, unless the host did anything good in 1d or is a regular: ban for 1h
            non-smtp: 1 non-SMTP command from an address in 1d, unless the host did anything good in 1d or is a regular: ban for 1h
            too-many-errors: 3 sessions closed for their errors from an address in 1h, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            offences: 20 points of offences from an address in 1d, if at least 90% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            network: 16 hosts with errors in a network (/24, IPv6 /48) in 1h, unless the network did anything good in 1d or is a regular: ban for 10m
            account-addresses: 11 hosts with events of an account in 1d: notify
            account-unusual: 50 accepted messages of an account in a day, if that is 500% of its mean of 30 days: notify
            account-recipients: 1000 recipients of messages of an account in 1d: notify
            account-wrong-recipients: 100 events for different recipients of an account in 1h: hold until released, notify
            snowshoe: 16 hosts with offences in a network (/24, IPv6 /48) in 1d, if at least 33% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            snowshoe-recipients: 16 hosts with unknown recipients in a network (/24, IPv6 /48) in 1d, if at least 50% of that and of what it did well in 1d is bad and it is no regular: ban for 10m (only observed)
            honeypot: 1 use of a bot's name from an address in 1d, unless the host did anything good in 1d or is a regular: ban for 1h
        "#]],
    );
}

#[test]
fn strict() {
    check(
        "strict",
        &expect![[r#"
            dictionary: 5 different unknown recipients from an address in 10m, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            session-errors: 5 errors in one session, unless the host did anything good in 1d or is a regular: ban for 10m
            logins: 5 failed logins (the same account counts once) from an address in 10m, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            logins-slow: 10 failed logins (the same account counts once) from an address in 1d, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            logins-one-account: 50 failed logins from an address in 10m, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 30m
            relay: 2 relay attempts for different recipients from an address in 10m, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            early-talker: 1 talk before the greeting from an address in 1d, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 1h
            non-smtp: 1 non-SMTP command from an address in 1d, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 1h
            too-many-errors: 2 sessions closed for their errors from an address in 1h, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            bad-sessions: 20 sessions without result from an address in 5m, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 5m
            offences: 15 points of offences from an address in 1d, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
            network: 8 hosts with errors in a network (/24, IPv6 /48) in 1h, if at least 80% of that and of what it did well in 1d is bad and it is no regular: ban for 10m
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
            brute-force-by-account: 50 failed logins of an account in 10m: notify
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
            brute-force-by-account: 50 failed logins of an account in 10m: notify
            internal-spammer: 250 accepted messages of an account in 1h: notify
            bounces: 50 bounces sent for of an account in 1h: notify
        "#]],
    );
}

#[test]
fn stop_spammers() {
    check(
        "stop-spammers",
        &expect![[r#"
            session-errors: 5 errors in one session: ban until removed, end its connections
        "#]],
    );
}

#[test]
fn blockcracking() {
    check(
        "blockcracking",
        &expect![[r#"
        auth-quit: 7 sessions left after a failed login (the same account counts once) from an address in 5m on smtp: ban until removed (IPv6: the /56), notify
        auth-lost: 7 connections lost after a failed login (the same account counts once) from an address in 2h on smtp: ban until removed (IPv6: the /56), notify
        session-logins: 5 failed logins in one session on smtp: ban until removed (IPv6: the /56), notify
        honeypot: 1 use of a bot's name from an address in 1d: ban until removed (IPv6: the /56), notify
        account-wrong-recipients: 100 events for different recipients of an account in 1h: hold until released, notify
    "#]],
    );
}
