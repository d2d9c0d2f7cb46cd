//! What a configuration may say, and what is answered to what it may not.

mod patterns;
mod rules;
mod sources;

use std::{fs, time::Duration};

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::rule::{Distinct, Length, Measure, Per};

const FULL: &str = r#"
[filter]
interfaces = ["eth0", "wan-0.7"]
ports = [25, 0x1d1]
attach = "generic"
mode = "observe"
ipv6_prefix = 56
[allow]
networks = ["192.0.2.0/24", "203.0.113.7", "2001:db8::/32"]
[[source]]
file = "/var/log/mail \"x\".log"
time_zone = "UTC"
[[source]]
file = "/srv/b.log"
[[limit]]
per_minute = 30
concurrent = 10
[[limit]]
network = "198.51.100.0/24"
concurrent = 100
counts = "network"
[[limit]]
network = "2001:db8::/32"
per_minute = 0
[patterns]
use = ["sogo", "roundcube"]
[[pattern]]
name = "mine"
program = ["mined", "mine"]
match = 'login (?<event>\w+) "of" (?<account>.*) from (?<address>)'
event = { bad = "auth-failure", "so so" = "auth-aborted" }
service = "imap"
score = 1.5
sole_address = true
[[pattern]]
name = "mine"
stamp = "[%Y-%m-%d %H:%M]"
match = '(?<stamp>) .*'
event = "ignored"
[ban]
first = "1h30m"
factor = 2
[control]
group = "postmasters"
[policy]
listen = "unix:/run/x/policy.sock"
group = "mail"
mode = "0600"
banned = "reject"
over_limit = "450"
held_account = "450"
sleepers = 20
when_full = "421"
bad_recipients = 2
bad_recipient_delay = "2s"
recipients = 10
[[rule]]
name = "dictionary"
count = "unknown-recipient"
per = "network"
distinct = "address"
measure = "score"
limit = 20
window = "1d"
service = ["smtp", "imap"]
bad_share = 80
then = { ban = "30d" }
[[rule]]
name = "mine"
count = ["auth", "auth-failure", "non-smtp"]
per = "session"
limit = 1
"#;

#[test]
fn every_setting_is_read() {
    let config = Config::parse(FULL, "f").unwrap();
    assert_eq!(
        config.filter.interfaces,
        Interfaces::Named(vec!["eth0".into(), "wan-0.7".into()])
    );
    assert_eq!(config.filter.ports, [25, 465]);
    assert_eq!(config.filter.attach, Attach::Generic);
    assert_eq!(config.filter.mode, Mode::Observe);
    assert_eq!(config.filter.ipv6_prefix, 56);
    let allowed: Vec<String> = config.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["192.0.2.0/24", "203.0.113.7/32", "2001:db8::/32"]);
    assert_eq!(config.sources.len(), 2);
    assert_eq!(config.sources[0].time_zone.as_deref(), Some("UTC"));
    assert_eq!(config.control.group.as_deref(), Some("postmasters"));
    let limits: Vec<String> = config.limits.iter().map(ToString::to_string).collect();
    assert_eq!(
        limits,
        [
            "30 a minute, 10 open for each source",
            "100 open for 198.51.100.0/24 as a whole",
            "no limit for each source in 2001:db8::/32"
        ]
    );
    assert_eq!(config.ban.first, Length::For(Duration::from_secs(5400)));
    assert_eq!(config.ban.at_most, Duration::from_secs(7 * 86_400));

    let (rule, origin) = &config.rules.rules[0];
    assert_eq!(
        (rule.name.as_str(), *origin),
        ("dictionary", RuleOrigin::Config)
    );
    assert_eq!(
        (rule.per, rule.distinct),
        (Per::Network, Some(Distinct::Address))
    );
    assert_eq!(
        (rule.measure, rule.limit, rule.bad_share),
        (Measure::Score, 20, 80)
    );
    let penalty = rule.then.ban.unwrap();
    assert_eq!(penalty.first, Length::For(Duration::from_secs(30 * 86_400)));
    assert_eq!(
        Length::For(penalty.at_most),
        penalty.first,
        "no shorter than the first"
    );
    assert_eq!(penalty.factor, 2, "as [ban] says");

    let (rule, _) = config.rules.rules.last().unwrap();
    let counted: Vec<&str> = rule.count.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(
        counted,
        [
            "auth-failure",
            "auth-not-offered",
            "auth-aborted",
            "non-smtp"
        ]
    );
    assert_eq!(rule.window, Duration::from_secs(86_400));
}

#[test]
fn the_default_text_says_the_defaults() {
    let text = Config::default_text();
    assert_eq!(
        Config::parse(text, "default.toml").unwrap(),
        Config::default()
    );
    // Also when every setting that is shown as a comment is taken in.
    let uncommented: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest,
            _ => line,
        })
        .collect();
    let config = Config::parse(&uncommented.join("\n"), "default.toml").unwrap();
    assert_eq!(config.control.group.as_deref(), Some("mailwall"));
    assert!(
        config
            .rules
            .rules
            .iter()
            .any(|(_, origin)| *origin == RuleOrigin::Config)
    );
}

#[test]
fn what_is_shown_is_read_back() {
    for text in ["", "source = []", FULL, Config::default_text()] {
        let config = Config::parse(text, "f").unwrap();
        assert_eq!(Config::parse(&config.to_toml(), "shown").unwrap(), config);
    }
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    check(
        "[filter]\nmode = \"observe\"\n  prots = [25]",
        expect![[r#"f:3:3: unknown key "prots" in [filter]; did you mean "ports"?"#]],
    );
    check(
        "[filter]\ncolour = 1",
        expect![[
            r#"f:2:1: unknown key "colour" in [filter]; known: interfaces, ports, attach, mode, ipv6_prefix"#
        ]],
    );
    check(
        "[filtre]",
        expect![[r#"f:1:2: unknown key "filtre"; did you mean "filter"?"#]],
    );
    check(
        "[rules]\npreset = \"balancd\"",
        expect![[r#"f:2:10: unknown preset "balancd"; did you mean "balanced"?"#]],
    );
    check(
        "[filter]\nmode = \"watch\"",
        expect![[r#"f:2:8: unknown mode "watch"; known: enforce, observe"#]],
    );
    check(
        &rule("count = [\"auth-failed\"]\nper = \"address\"\nlimit = 1\nwindow = \"1m\""),
        expect![[r#"f:3:10: unknown event "auth-failed"; did you mean "auth-failure"?"#]],
    );
    check(
        &rule("count = \"offences\"\nper = \"acount\"\nlimit = 1\nwindow = \"1m\""),
        expect![[r#"f:4:7: unknown per "acount"; did you mean "account"?"#]],
    );
}

#[test]
fn wrong_types_are_named() {
    check(
        "[filter]\nports = \"25\"",
        expect![[r#"f:2:9: "ports" in [filter] must be a list in square brackets, not a string"#]],
    );
    check(
        "[filter]\nports = [25, \"smtp\"]",
        expect![[
            r#"f:2:14: each of "ports" in [filter] must be a number from 1 to 65535, not a string"#
        ]],
    );
    check(
        "filter = 3",
        expect![[r#"f:1:1: "filter" must be a table [filter], not a number"#]],
    );
    check(
        "[[filter]]",
        expect![[r#"f:1:3: "filter" is one table: write [filter], and only once"#]],
    );
    check(
        "[source]",
        expect![[r#"f:1:2: "source" must be tables [[source]], not a table"#]],
    );
    check(
        "[ban]\nfirst = 10",
        expect![[r#"f:2:9: "first" in [ban] must be a duration such as "10m", not a number"#]],
    );
    check(
        "[filter]\nports = [25",
        expect![[r#"f:2:12: unclosed array, expected `]`"#]],
    );
}

#[test]
fn wrong_values_are_refused_with_what_is_right() {
    check(
        "[filter]\nports = [25, 0]",
        expect![[r#"f:2:14: each of "ports" in [filter] must be a number from 1 to 65535"#]],
    );
    check(
        "[filter]\nports = [25, 25]",
        expect!["f:2:14: port 25 is there twice"],
    );
    check(
        "[filter]\nports = []",
        expect![[r#"f:2:9: "ports" in [filter] is empty; name at least one port"#]],
    );
    check(
        "[filter]\nipv6_prefix = 32",
        expect![[r#"f:2:15: "ipv6_prefix" in [filter] must be a number from 48 to 128"#]],
    );
    check(
        "[filter]\ninterfaces = [\"a-very-long-name\"]",
        expect![[r#"f:2:15: "a-very-long-name" is too long for an interface; at most 15 bytes"#]],
    );
    check(
        "[filter]\ninterfaces = [\"auto\", \"eth0\"]",
        expect![[r#"f:2:14: "auto" stands alone, or not at all"#]],
    );
    check(
        "[filter]\nattach = \"tcx\"",
        expect![[r#"f:2:10: unknown way to attach "tcx"; did you mean "tc"?"#]],
    );
    check(
        "[allow]\nnetworks = [\"192.0.2.1/24\"]",
        expect![[r#"f:2:13: "192.0.2.1/24" has bits set beyond its prefix; write "192.0.2.0/24""#]],
    );
    check(
        "[allow]\nnetworks = [\"::ffff:192.0.2.1\"]",
        expect![[
            r#"f:2:13: "::ffff:192.0.2.1" is an IPv4 network in disguise; write "192.0.2.1/32""#
        ]],
    );
    check(
        "[allow]\nnetworks = [\"mail.example.org\"]",
        expect![[
            r#"f:2:13: "mail.example.org" is neither a network such as "192.0.2.0/24" nor an address"#
        ]],
    );
    check(
        "[[source]]\nfile = \"mail.log\"",
        expect![[r#"f:2:8: "mail.log" is not the absolute path of a file"#]],
    );
    check(
        "[[source]]\nfile = \"/a\"\ntime_zone = \"CEST\"",
        expect![[
            r#"f:3:13: unknown time zone "CEST"; write its IANA name, such as "Europe/Berlin" or "UTC""#
        ]],
    );
    check(
        "[ban]\nfirst = \"1h\"\nat_most = \"10m\"",
        expect![[r#"f:3:11: "at_most" in [ban] is shorter than the first ban, 1h"#]],
    );
    check(
        "[ban]\nfirst = \"ten minutes\"",
        expect![[
            r#"f:2:9: "first" in [ban]: "ten minutes" is not a duration; write it like 90s, 15m, 4h, 30d or 1h30m"#
        ]],
    );
}

#[test]
fn only_the_default_file_may_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mailwall.toml");
    let error = Config::load(&path).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
    fs::write(&path, "[filter]\nmode = \"observe\"\n").unwrap();
    assert_eq!(Config::load(&path).unwrap().filter.mode, Mode::Observe);
    fs::write(&path, b"# \xc3\xbc\n# \xff\n").unwrap();
    let error = Config::load(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}:2:3: not UTF-8", path.display())
    );
    fs::write(&path, vec![b'#'; CONFIG_MAX as usize + 1]).unwrap();
    let error = Config::load(&path).unwrap_err();
    assert!(matches!(error, ConfigError::TooLong { .. }), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_answered_on_one_line(text in "(\\PC|[\\[\\]{}=\",.#\n]|filter|rule|ports|[0-9]){0,40}") {
        if let Err(error) = Config::parse(&text, "f") {
            prop_assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}

fn rule(rest: &str) -> String {
    format!("[[rule]]\nname = \"x\"\n{rest}")
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&Config::parse(text, "f").unwrap_err().to_string());
}
