//! Rules, and what a preset and a configuration make of them.

use super::*;

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
