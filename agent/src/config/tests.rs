//! What a configuration may say, and what is answered to what it may not.

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
fn every_preset_is_read() {
    for preset in PRESETS {
        let text = format!("[rules]\npreset = {:?}", preset.name);
        let config = Config::parse(&text, "f").unwrap();
        assert!(!config.rules.rules.is_empty(), "{}", preset.name);
        assert_eq!(Config::parse(&config.to_toml(), "shown").unwrap(), config);
    }
}

#[test]
fn the_group_of_offences_is_what_scores() {
    let (_, kinds) = GROUPS.iter().find(|(name, _)| *name == "offences").unwrap();
    for kind in crate::event::EventKind::ALL {
        let offence = kind.score() > crate::event::Score::ZERO;
        assert_eq!(kinds.contains(kind), offence, "{kind}");
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
fn what_makes_no_sense_of_accounts_is_refused() {
    let of_account = |rest: &str| {
        rule(&format!(
            "per = \"account\"\nlimit = 1\nthen = {{ notify = true }}\n{rest}"
        ))
    };
    check(
        &of_account("count = \"offences\"\nbad_share = 80\nwindow = \"1h\""),
        expect![[
            r#"f:7:13: "bad_share" in [[rule]] is for hosts; a rule per account has its limit, and "baseline""#
        ]],
    );
    check(
        &of_account("count = \"auth\"\nmeasure = \"recipients\"\nwindow = \"1h\""),
        expect![[
            r#"f:7:11: "measure" in [[rule]] counts what messages have: put "mail-accepted" into count"#
        ]],
    );
    check(
        &of_account("count = \"mail-accepted\"\nbaseline = 500\nwindow = \"1h\""),
        expect![[
            r#"f:8:10: "window" in [[rule]] is a day where there is a "baseline": leave it out"#
        ]],
    );
    check(
        &of_account("count = \"unknown-recipient\"\nbaseline = 500"),
        expect![[
            r#"f:7:12: "baseline" in [[rule]] needs what is kept of each day: mail-accepted, auth-success, auth-failure or bounce-out, and no score"#
        ]],
    );
    check(
        &of_account("count = \"mail-accepted\"\nbaseline = 100"),
        expect![[r#"f:7:12: "baseline" in [[rule]] must be a number from 101 to 10000"#]],
    );
    check(
        &rule(
            "count = \"mail-accepted\"\nper = \"address\"\nlimit = 1\nwindow = \"1h\"\nmeasure = \"recipients\"",
        ),
        expect![[
            r#"f:7:11: "measure" in [[rule]] is for rules with per = "account": only of accounts is known what they send"#
        ]],
    );
    check(
        &rule(
            "count = \"mail-accepted\"\nper = \"address\"\nlimit = 1\nwindow = \"1h\"\nbaseline = 500",
        ),
        expect![[
            r#"f:7:12: "baseline" in [[rule]] needs per = "account": only accounts have a mean"#
        ]],
    );
}

#[test]
fn a_rule_of_accounts_is_read() {
    let text = rule(
        "count = \"mail-accepted\"\nper = \"account\"\nmeasure = \"recipients\"\nlimit = 100\nbaseline = 500\nthen = { notify = true }",
    );
    let config = Config::parse(&text, "f").unwrap();
    let (rule, _) = config.rules.rules.last().unwrap();
    assert_eq!(rule.baseline, Some(500));
    assert_eq!(rule.window, std::time::Duration::from_secs(86_400));
    assert_eq!(
        rule.description(),
        "100 recipients of messages of an account in a day, if that is 500% of its mean of 30 days: notify"
    );
}

#[test]
fn patterns_that_are_wrong_are_refused() {
    let pattern = |rest: &str| format!("[[pattern]]\nname = \"x\"\n{rest}");
    let full = |matches: &str| {
        pattern(&format!(
            "program = \"x\"\nevent = \"auth-failure\"\nservice = \"imap\"\nmatch = '{matches}'"
        ))
    };
    check(
        &pattern("programm = \"x\""),
        expect![[r#"f:3:1: unknown key "programm" in [[pattern]]; did you mean "program"?"#]],
    );
    check(
        &pattern("event = \"auth-failed\""),
        expect![[r#"f:3:9: unknown event "auth-failed"; did you mean "auth-failure"?"#]],
    );
    check(
        &pattern("event = { a = \"auth-failure\", b = \"conect\" }\nservice = \"imap\""),
        expect![[r#"f:3:35: unknown event "conect"; did you mean "connect"?"#]],
    );
    check(
        &pattern("event = \"auth-failure\"\nservice = \"imap\"\nmatch = 'x'"),
        expect![[
            r#"f:1:1: [[pattern]] needs either "program", for lines of syslog, or "stamp", for a log file without"#
        ]],
    );
    check(
        &full("from (?<adress>)"),
        expect![[
            r#"f:6:9: "match" in [[pattern]]: unknown part "adress"; known: address, account, recipient, event, stamp"#
        ]],
    );
    check(
        &full("user (?<account>.*) from (?<address>) .*"),
        expect![[
            r#"f:6:9: "match" in [[pattern]]: a client's text may stand on one side of (?<address>) only, or it could name another's: before it or after it use nothing but literal text and repeated classes without blank, "." and ":"; if the program writes exactly one address into each such line, sole_address = true refuses those with more"#
        ]],
    );
    check(
        &format!("{}\nscore = 1.25", full("from (?<address>)")),
        expect![[r#"f:7:9: "score" in [[pattern]] must be a number from 0 to 10 such as 1.5"#]],
    );
    check(
        "[patterns]\nuse = [\"rondcube\"]",
        expect![[r#"f:2:8: unknown patterns "rondcube"; did you mean "roundcube"?"#]],
    );
}

#[test]
fn a_policy_service_that_cannot_be_is_refused() {
    let policy = |rest: &str| format!("[policy]\n{rest}");
    check(
        &policy("listen = \"127.0.0.1:10040\""),
        expect![[
            r#"f:2:10: "127.0.0.1:10040" is no socket; write "unix:/run/mailwall/policy.sock" or "inet:127.0.0.1:10040""#
        ]],
    );
    check(
        &policy("listen = \"inet:0.0.0.0:10040\""),
        expect![[
            r#"f:2:10: 0.0.0.0:10040 can be reached by other hosts, who could ask who is banned; listen on a loopback address, or write allow_remote = true where a firewall lets only your mail servers through"#
        ]],
    );
    check(
        &policy("listen = \"unix:policy.sock\""),
        expect![[r#"f:2:10: "policy.sock" is not the absolute path of a socket"#]],
    );
    check(
        &policy("mode = \"0660\""),
        expect![[r#"f:2:8: "mode" in [policy] goes with listen = "unix:..." only"#]],
    );
    check(
        &policy("listen = \"unix:/run/p\"\nmode = \"rw\""),
        expect![[r#"f:3:8: "mode" in [policy] must be a mode in octal such as "0660""#]],
    );
    check(
        &policy("listen = \"unix:/run/p\"\nallow_remote = true"),
        expect![[r#"f:3:16: "allow_remote" in [policy] goes with listen = "inet:..." only"#]],
    );
    check(
        &policy("banned = \"hold\""),
        expect![[r#"f:2:10: unknown answer "hold"; known: 421, 450, reject, dunno"#]],
    );
    check(
        &policy("held_acount = \"450\""),
        expect![[r#"f:2:1: unknown key "held_acount" in [policy]; did you mean "held_account"?"#]],
    );
    check(
        &policy("bad_recipient_delay = \"31s\""),
        expect![[
            r#"f:2:23: "bad_recipient_delay" in [policy] is at most 30s: Postfix waits in it"#
        ]],
    );
    check(
        &policy("sleepers = 1001"),
        expect![[r#"f:2:12: "sleepers" in [policy] must be a number from 0 to 1000"#]],
    );
    let remote = policy("listen = \"inet:0.0.0.0:10040\"\nallow_remote = true");
    let config = Config::parse(&remote, "f").unwrap();
    assert_eq!(Config::parse(&config.to_toml(), "shown").unwrap(), config);
}

#[test]
fn patterns_are_read_from_files_and_folders() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[[pattern]]\nname = \"x\"\nprogram = \"x\"\nmatch = 'from (?<address>)'\nevent = \"connect\"\nservice = \"imap\"\n";
    fs::write(dir.path().join("a.toml"), text).unwrap();
    fs::write(dir.path().join("b.txt"), "no pattern").unwrap();
    let config = format!("[patterns]\nuse = []\nfiles = {:?}", dir.path());
    let config = Config::parse(&config, "f").unwrap();
    assert_eq!(config.patterns.set.settings().count(), 1);
    assert_eq!(Config::parse(&config.to_toml(), "shown").unwrap(), config);
    let wrong = dir.path().join("c.toml");
    fs::write(&wrong, text.replace("from", "^from")).unwrap();
    let text = format!("[patterns]\nfiles = {:?}", dir.path());
    let error = Config::parse(&text, "f").unwrap_err().to_string();
    let expected = format!(
        "{}:4:9: \"match\" in [[pattern]]: leave out ^",
        wrong.display()
    );
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn limits_that_contradict_are_refused() {
    check(
        "[[limit]]\nper_minutes = 30",
        expect![[r#"f:2:1: unknown key "per_minutes" in [[limit]]; did you mean "per_minute"?"#]],
    );
    check(
        "[[limit]]\nnetwork = \"192.0.2.0/24\"",
        expect![[
            r#"f:1:1: [[limit]] lacks "per_minute" and "concurrent"; name at least one, 0 for no limit"#
        ]],
    );
    check(
        "[[limit]]\nconcurrent = 0",
        expect![[r#"f:1:1: this [[limit]] has no network and no limit: leave it out"#]],
    );
    check(
        "[[limit]]\nconcurrent = 3\n[[limit]]\nper_minute = 3",
        expect![[
            r#"f:3:1: a second limit without a network, which is the one for everybody else; the first is on line 1"#
        ]],
    );
    check(
        "[[limit]]\nnetwork = \"192.0.2.7\"\nconcurrent = 3\n[[limit]]\nnetwork = \"192.0.2.7/32\"\nper_minute = 3",
        expect![[r#"f:4:1: a second limit for 192.0.2.7/32; the first is on line 1"#]],
    );
    check(
        "[[limit]]\nconcurrent = 3\ncounts = \"network\"",
        expect![[
            r#"f:3:10: counts = "network" needs a network: this would count all of the world as one source"#
        ]],
    );
    check(
        "[[limit]]\nnetwork = \"2001:db8::/80\"\nconcurrent = 3",
        expect![[
            r#"f:2:11: 2001:db8::/80 is narrower than an IPv6 source, which is a /64; write "2001:db8::/64""#
        ]],
    );
    check(
        "[[limit]]\nper_minute = 20000",
        expect![[r#"f:2:14: "per_minute" in [[limit]] must be a number from 0 to 10000"#]],
    );
    check(
        "[[limit]]\nconcurrent = 3\ncounts = \"net\"",
        expect![[r#"f:3:10: unknown way to count "net"; known: address, network"#]],
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
fn wrong_rules_are_refused() {
    check(
        "[[rule]]\nlimit = 3",
        expect![[r#"f:1:1: [[rule]] lacks "name""#]],
    );
    check(
        "[[rule]]\nname = \"My rule\"",
        expect![[
            r#"f:2:8: "My rule" cannot be the name of a rule: 1 to 32 lower-case letters, digits and hyphens, and neither "manual" nor "kernel""#
        ]],
    );
    check(
        &rule("count = \"auth\"\nper = \"address\"\nlimit = 1"),
        expect![[r#"f:1:1: [[rule]] lacks "window", such as "10m""#]],
    );
    check(
        &rule("count = \"auth\"\nper = \"network\"\nlimit = 1\nwindow = \"52w\""),
        expect![[r#"f:6:10: "window" in [[rule]] must be at most 31d"#]],
    );
    check(
        &rule("count = \"auth\"\nper = \"session\"\nlimit = 1\nthen = { kick = true }"),
        expect![[
            r#"f:6:17: "kick" in "then" needs "ban" beside it: who is only kicked is back at once"#
        ]],
    );
    check(
        &rule("count = \"auth\"\nper = \"session\"\nlimit = 0"),
        expect![[r#"f:5:9: "limit" in [[rule]] must be a number from 1 to 10000"#]],
    );
    let one = rule("count = \"auth\"\nper = \"session\"\nlimit = 1\n");
    check(
        &format!("{one}{one}"),
        expect![[r#"f:6:1: a second rule "x"; the first is on line 1"#]],
    );
}

#[test]
fn every_kind_of_source_is_read() {
    let text = r#"
        [[source]]
        file = "/var/log/mail/*.log"
        [[source]]
        journal = true
        units = ["postfix@-.service", "dovecot"]
        [[source]]
        syslog = "unix:/run/mailwall/log.sock"
        group = "syslog"
        [[source]]
        syslog = "unix-stream:/run/mailwall/stream.sock"
        [[source]]
        syslog = "udp:[::1]:5514"
        [[source]]
        syslog = "udp:192.0.2.1:514"
        allow_remote = true
        [[source]]
        stdin = true
        time_zone = "UTC"
    "#;
    let config = Config::parse(text, "f").unwrap();
    let names: Vec<String> = config
        .sources
        .iter()
        .map(|source| source.log.to_string())
        .collect();
    assert_eq!(
        names,
        [
            "/var/log/mail/*.log",
            "journal:postfix@-.service,dovecot",
            "unix:/run/mailwall/log.sock",
            "unix-stream:/run/mailwall/stream.sock",
            "udp:[::1]:5514",
            "udp:192.0.2.1:514",
            "stdin"
        ]
    );
    assert_eq!(Config::parse(&config.to_toml(), "f").unwrap(), config);
}

#[test]
fn a_source_is_one_log_and_says_no_more_than_it_needs() {
    for (source, expected) in [
        ("", r#"f:1:1: [[source]] lacks "file", the log to follow"#),
        (
            "file = \"/a\"\njournal = true",
            r#"f:3:11: a [[source]] is one log: "file" or "journal"; write a second [[source]]"#,
        ),
        (
            "journal = false",
            r#"f:2:11: "journal" in [[source]] can only be true; leave the [[source]] out"#,
        ),
        (
            "journal = true\nunits = [\"--root=/\"]",
            r#"f:3:10: "--root=/" is not the name of a unit, such as "postfix@-.service""#,
        ),
        (
            "file = \"/a\"\nunits = []",
            r#"f:3:9: "units" in [[source]] goes with journal = true only"#,
        ),
        (
            "file = \"/a/**/b\"",
            r#"f:2:8: "/a/**/b" is no pattern of file names: * and ? stand for what is between two slashes, 16 of them at most"#,
        ),
        (
            "syslog = \"udp:192.0.2.1:514\"",
            "f:2:10: 192.0.2.1:514 can be reached by other hosts, and anybody can forge a UDP packet; listen on a loopback \
             address, or write allow_remote = true where a firewall lets nobody else through",
        ),
        (
            "syslog = \"tcp:127.0.0.1:514\"",
            r#"f:2:10: "tcp:127.0.0.1:514" is no socket; write "unix:/run/mailwall/log.sock", "unix-stream:/path" or "udp:127.0.0.1:5514""#,
        ),
        (
            "syslog = \"udp:127.0.0.1:514\"\ngroup = \"x\"",
            r#"f:3:9: "group" in [[source]] goes with syslog = "unix:..." only"#,
        ),
        (
            "journal = true\n[[source]]\njournal = true\nunits = [\"postfix\"]",
            r#"f:3:1: "journal:postfix" is there twice in [[source]]"#,
        ),
        (
            "stdin = true\n[[source]]\nstdin = true",
            r#"f:3:1: "stdin" is there twice in [[source]]"#,
        ),
    ] {
        let error = Config::parse(&format!("[[source]]\n{source}"), "f").unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
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
