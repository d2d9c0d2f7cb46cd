//! What is changed: what the agent is asked, and what is said about it.

use std::fs;

use expect_test::{Expect, expect};
use mailwall::control::protocol::{
    AllowAdded, AllowRemoved, Answer, BanAdded, BanRemoved, Refused, Reloaded, Request, SCHEMA,
};

use crate::agent::{Agent, command, mailwall};

fn added(added: usize, renewed: usize) -> Answer {
    Answer::BanAdded(BanAdded {
        schema: SCHEMA,
        added,
        renewed,
        ends: Some("2026-08-22T09:14:03Z".to_owned()),
        warnings: Vec::new(),
    })
}

#[track_caller]
fn check(answer: Answer, words: &str, expected: Expect) {
    let outcome = Agent::saying(answer).run(&words.split(' ').collect::<Vec<_>>());
    expected.assert_eq(&outcome.to_string());
}

/// What `words` ask of the agent, as JSON.
#[track_caller]
fn check_request(words: &[&str], expected: Expect) {
    let agent = Agent::saying(added(1, 0));
    agent.run(words);
    let asked: Vec<String> = agent
        .requests()
        .iter()
        .map(|request| serde_json::to_string(request).unwrap())
        .collect();
    expected.assert_eq(&asked.join("\n"));
}

#[test]
fn a_ban_is_for_an_hour_unless_something_else_is_said() {
    check_request(
        &["ban", "add", "203.0.113.7"],
        expect![[
            r#"{"request":"ban-add","nets":["203.0.113.7/32"],"for_s":3600,"reason":"by hand","caller":null,"wide":false}"#
        ]],
    );
    check_request(
        &["ban", "add", "2001:db8::1", "--for", "1h30m"],
        expect![[
            r#"{"request":"ban-add","nets":["2001:db8::1/128"],"for_s":5400,"reason":"by hand","caller":null,"wide":false}"#
        ]],
    );
    check_request(
        &[
            "ban",
            "add",
            "203.0.113.0/24",
            "--permanent",
            "--reason",
            "sold lists",
        ],
        expect![[
            r#"{"request":"ban-add","nets":["203.0.113.0/24"],"for_s":null,"reason":"sold lists","caller":null,"wide":false}"#
        ]],
    );
    check_request(
        &["ban", "add", "10.0.0.0/8", "--yes"],
        expect![[
            r#"{"request":"ban-add","nets":["10.0.0.0/8"],"for_s":3600,"reason":"by hand","caller":null,"wide":true}"#
        ]],
    );
}

#[test]
fn a_ban_names_where_the_callers_session_comes_from() {
    for (variable, value) in [
        ("SSH_CONNECTION", "2001:db8::9 51000 2001:db8::1 22"),
        ("SSH_CLIENT", "2001:db8::9 51000 22"),
    ] {
        let agent = Agent::saying(added(1, 0));
        let mut command = command(agent.dir());
        assert!(
            command
                .args(["-q", "ban", "add", "203.0.113.7"])
                .env(variable, value)
                .status()
                .unwrap()
                .success()
        );
        let Request::BanAdd { caller, .. } = &agent.requests()[0] else {
            panic!()
        };
        assert_eq!(*caller, Some("2001:db8::9".parse().unwrap()), "{variable}");
    }
}

#[test]
fn bans_are_confirmed() {
    check(
        added(1, 0),
        "ban add 203.0.113.7",
        expect![[r#"
        banned 203.0.113.7 for 1h, until 2026-08-22 09:14:03 UTC
        [0]"#]],
    );
    check(
        added(0, 1),
        "ban add 203.0.113.7 --for 15m",
        expect![[r#"
        renewed the ban of 203.0.113.7 for 15m, until 2026-08-22 09:14:03 UTC
        [0]"#]],
    );
    check(
        added(2, 1),
        "ban add 203.0.113.7 203.0.113.8 203.0.113.9",
        expect![[r#"
            banned 2 networks, renewed 1 network for 1h, until 2026-08-22 09:14:03 UTC
            [0]"#]],
    );
    check(
        added(1, 0),
        "ban add 203.0.113.7 --permanent",
        expect![[r#"
            banned 203.0.113.7 until removed
            [0]"#]],
    );
    check(
        added(1, 0),
        "ban add 203.0.113.7 --plain",
        expect![[r#"
        1	0	2026-08-22T09:14:03Z
        [0]"#]],
    );
    check(
        added(1, 0),
        "ban add 203.0.113.7 --json",
        expect![[r#"
        {"schema":1,"added":1,"renewed":0,"ends":"2026-08-22T09:14:03Z","warnings":[]}
        [0]"#]],
    );
    check(added(1, 0), "ban add 203.0.113.7 -q", expect!["[0]"]);
}

#[test]
fn warnings_go_to_stderr() {
    let answer = Answer::BanAdded(BanAdded {
        schema: SCHEMA,
        added: 1,
        renewed: 0,
        ends: None,
        warnings: vec!["203.0.113.0/24 holds allowlisted 203.0.113.9/32".to_owned()],
    });
    let outcome = Agent::saying(answer).run(&["ban", "add", "203.0.113.0/24", "--permanent"]);
    expect![[r#"
        banned 203.0.113.0/24 until removed
    "#]]
    .assert_eq(&outcome.stdout);
    expect![[r#"
        warning: 203.0.113.0/24 holds allowlisted 203.0.113.9/32
    "#]]
    .assert_eq(&outcome.stderr);
}

#[test]
fn what_cannot_be_banned_is_refused_before_the_agent_is_asked() {
    let agent = Agent::new(|_| panic!("must not be asked"));
    for (words, expected) in [
        (
            "ban add 203.0.113.7/24",
            expect![[r#"
            error: 203.0.113.7/24 has host bits set
            hint: the network is 203.0.113.0/24, the address alone 203.0.113.7
            [2]"#]],
        ),
        (
            "ban add 2001:db8::1/64",
            expect![[r#"
            error: 2001:db8::1/64 has host bits set
            hint: the network is 2001:db8::/64, the address alone 2001:db8::1
            [2]"#]],
        ),
        (
            "ban add 203.0.0.0/15",
            expect![[r#"
            error: 203.0.0.0/15 is wider than /16
            hint: add --yes if all 131 072 addresses are meant
            [2]"#]],
        ),
        (
            "ban add 2001::/16",
            expect![[r#"
            error: 2001::/16 is wider than /32
            hint: add --yes if all of it is meant
            [2]"#]],
        ),
        (
            "ban add mail.example.org",
            expect![[r#"
            error: "mail.example.org" is neither an address nor a network
            hint: write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64
            [2]"#]],
        ),
        (
            "ban add 203.0.113.7 --for 0s",
            expect![[r#"
            error: invalid value '0s' for '--for <LENGTH>': a ban of no time
            [2]"#]],
        ),
        (
            "ban add 203.0.113.7 --for tomorrow",
            expect![[r#"
            error: invalid value 'tomorrow' for '--for <LENGTH>': "tomorrow" is not a duration; write it like 90s, 15m, 4h, 30d or 1h30m
            [2]"#]],
        ),
        (
            "ban add 203.0.113.7 --for 1h --permanent",
            expect![[r#"
            error: the argument '--for <LENGTH>' cannot be used with '--permanent'
            hint: usage: mailwall ban add --for <LENGTH> --run-dir <DIR> <NET>...
            [2]"#]],
        ),
        (
            "ban add 203.0.113.7 --reason a\nb",
            expect![[r#"
            error: invalid value 'a b' for '--reason <TEXT>': control characters are not for reasons
            [2]"#]],
        ),
        (
            "ban add",
            expect![[r#"
            error: the following required arguments were not provided: <NET>...
            hint: usage: mailwall ban add --run-dir <DIR> <NET>...
            [2]"#]],
        ),
        (
            "ban add --from missing.txt",
            expect![[r#"
            error: cannot read missing.txt: No such file or directory
            [1]"#]],
        ),
        (
            "ban check 203.0.113.0/24",
            expect![[r#"
            error: invalid value '203.0.113.0/24' for '<IP>': an address is wanted, not a network
            [2]"#]],
        ),
        (
            "allow add 0.0.0.0/0",
            expect![[r#"
            error: 0.0.0.0/0 is wider than /16
            hint: add --yes if all 4 294 967 296 addresses are meant
            [2]"#]],
        ),
    ] {
        expected.assert_eq(&agent.run(&words.split(' ').collect::<Vec<_>>()).to_string());
    }
}

#[test]
fn a_refusal_is_said_with_its_hint() {
    let refused = Answer::Refused(Refused {
        hint: Some("mailwall allow remove 203.0.113.0/24".to_owned()),
        ..Refused::failed(
            "203.0.113.7/32 is allowlisted by 203.0.113.0/24 (manual: office)".to_owned(),
        )
    });
    check(
        refused,
        "ban add 203.0.113.7",
        expect![[r#"
        error: 203.0.113.7/32 is allowlisted by 203.0.113.0/24 (manual: office)
        hint: mailwall allow remove 203.0.113.0/24
        [1]"#]],
    );
}

#[test]
fn networks_come_from_files_and_stdin_too() {
    let agent = Agent::saying(added(3, 0));
    fs::write(
        agent.dir().join("bans.txt"),
        "203.0.113.8 # seen\n\n2001:db8::/64\n",
    )
    .unwrap();
    agent.run(&["ban", "add", "203.0.113.7", "--from", "bans.txt"]);
    mailwall(
        agent.dir(),
        &["ban", "add", "--from", "-"],
        b"203.0.113.9\n",
    );
    let nets: Vec<String> = agent
        .requests()
        .iter()
        .map(|request| {
            let Request::BanAdd { nets, .. } = request else {
                panic!()
            };
            nets.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(
        nets,
        [
            "203.0.113.7/32 203.0.113.8/32 2001:db8::/64",
            "203.0.113.9/32"
        ]
    );
}

#[test]
fn a_wrong_line_of_a_file_is_named() {
    let agent = Agent::new(|_| panic!("must not be asked"));
    fs::write(agent.dir().join("bans.txt"), "203.0.113.8\n192.0.2.1/24\n").unwrap();
    expect![[r#"
        error: bans.txt:2: 192.0.2.1/24 has host bits set
        hint: the network is 192.0.2.0/24, the address alone 192.0.2.1
        [2]"#]]
    .assert_eq(&agent.run(&["ban", "add", "--from", "bans.txt"]).to_string());
    fs::write(agent.dir().join("none.txt"), "# nobody\n").unwrap();
    expect![[r#"
        error: no networks in none.txt
        [2]"#]]
    .assert_eq(&agent.run(&["ban", "add", "--from", "none.txt"]).to_string());
    let outcome = mailwall(agent.dir(), &["ban", "add", "--from", "-"], b"\xff\xfe\n");
    expect![[r#"
        error: stdin:1: "\xff\xfe" is neither an address nor a network
        hint: write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64
        [2]"#]]
    .assert_eq(&outcome.to_string());
}

#[test]
fn a_hundred_thousand_networks_from_a_file_go_out_in_one_request() {
    let agent = Agent::saying(added(100_000, 0));
    let list: String = (0..100_000u32)
        .map(|number| format!("{}\n", std::net::Ipv4Addr::from(0xc633_0000 + number)))
        .collect();
    fs::write(agent.dir().join("bans.txt"), list).unwrap();
    let outcome = agent.run(&["ban", "add", "--from", "bans.txt"]);
    expect![[r#"
        banned 100 000 networks for 1h, until 2026-08-22 09:14:03 UTC
        [0]"#]]
    .assert_eq(&outcome.to_string());
    let Request::BanAdd { nets, .. } = &agent.requests()[0] else {
        panic!()
    };
    assert_eq!(nets.len(), 100_000);
}

fn removed(removed: &[&str], unknown: &[&str], still_covered: &[&str]) -> Answer {
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Answer::BanRemoved(BanRemoved {
        schema: SCHEMA,
        removed: nets(removed),
        unknown: nets(unknown),
        still_covered: nets(still_covered),
    })
}

#[test]
fn bans_are_removed() {
    let one = || removed(&["203.0.113.7/32"], &[], &[]);
    check(
        one(),
        "ban remove 203.0.113.7",
        expect![[r#"
        removed the ban of 203.0.113.7
        [0]"#]],
    );
    check(
        one(),
        "ban remove 203.0.113.7 --plain",
        expect![[r#"
        203.0.113.7/32
        [0]"#]],
    );
    check(
        one(),
        "ban remove 203.0.113.7 --json",
        expect![[r#"
        {"schema":1,"removed":["203.0.113.7/32"],"unknown":[],"still_covered":[]}
        [0]"#]],
    );
    let two = removed(
        &["203.0.113.7/32", "2001:db8::/64"],
        &[],
        &["203.0.113.0/24"],
    );
    check(
        two,
        "ban remove 203.0.113.7 2001:db8::/64",
        expect![[r#"
            removed the bans of 2 networks
            warning: still covered by the ban of 203.0.113.0/24
            [0]"#]],
    );
}

#[test]
fn a_ban_that_is_not_there_is_exit_code_5() {
    check(
        removed(&[], &["203.0.113.7/32"], &[]),
        "ban remove 203.0.113.7",
        expect![[r#"
            error: no ban of 203.0.113.7
            hint: mailwall ban check 203.0.113.7 shows what covers it
            [5]"#]],
    );
    let some = removed(
        &["203.0.113.8/32"],
        &["203.0.113.7/32", "203.0.113.9/32"],
        &[],
    );
    check(
        some,
        "ban remove 203.0.113.7 203.0.113.8 203.0.113.9",
        expect![[r#"
            removed the ban of 203.0.113.8
            error: no bans of 2 networks
            hint: mailwall ban check 203.0.113.7 shows what covers it
            [5]"#]],
    );
}

#[test]
fn the_allowlist_is_changed() {
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let allowed = |added: &[&str], known: &[&str], unbanned: &[&str]| {
        Answer::AllowAdded(AllowAdded {
            schema: SCHEMA,
            added: nets(added),
            known: nets(known),
            unbanned: nets(unbanned),
        })
    };
    let new = allowed(&["198.51.100.0/24"], &[], &["198.51.100.7/32"]);
    check(
        new.clone(),
        "allow add 198.51.100.0/24 --reason office",
        expect![[r#"
            allowed 198.51.100.0/24; 1 ban ended
            [0]"#]],
    );
    check(
        new,
        "allow add 198.51.100.0/24 --plain",
        expect![[r#"
        1	0	1
        [0]"#]],
    );
    let known = allowed(&[], &["198.51.100.25/32"], &[]);
    check(
        known,
        "allow add 198.51.100.25",
        expect![[r#"
        allowed already: 198.51.100.25
        [0]"#]],
    );
    let some = allowed(&["198.51.100.26/32"], &["198.51.100.25/32"], &[]);
    check(
        some,
        "allow add 198.51.100.25 198.51.100.26 --json",
        expect![[r#"
            {"schema":1,"added":["198.51.100.26/32"],"known":["198.51.100.25/32"],"unbanned":[]}
            [0]"#]],
    );
    let gone = |removed: &[&str], unknown: &[&str]| {
        Answer::AllowRemoved(AllowRemoved {
            schema: SCHEMA,
            removed: nets(removed),
            unknown: nets(unknown),
        })
    };
    check(
        gone(&["198.51.100.0/24"], &[]),
        "allow remove 198.51.100.0/24",
        expect![[r#"
            allowed no longer: 198.51.100.0/24
            [0]"#]],
    );
    check(
        gone(&[], &["127.0.0.0/8"]),
        "allow remove 127.0.0.0/8 --yes",
        expect![[r#"
            error: unexpected argument '--yes' found
            hint: to pass '--yes' as a value, use '-- --yes'
            [2]"#]],
    );
    check(
        gone(&[], &["127.0.0.0/8"]),
        "allow remove 127.0.0.0/8",
        expect![[r#"
            error: no manual entry of the allowlist: 127.0.0.0/8
            hint: mailwall allow list shows the entries
            [5]"#]],
    );
}

#[test]
fn a_reload_says_what_changed() {
    let reloaded = |changes: &[&str], needs_restart: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Answer::Reloaded(Reloaded {
            schema: SCHEMA,
            changes: owned(changes),
            needs_restart: owned(needs_restart),
        })
    };
    check(
        reloaded(&[], &[]),
        "reload",
        expect![[r#"
        nothing changed
        [0]"#]],
    );
    let changed = reloaded(&["[filter] mode: observe"], &["[control] group"]);
    check(
        changed.clone(),
        "reload",
        expect![[r#"
        [filter] mode: observe
        warning: needs a restart: [control] group
        [0]"#]],
    );
    check(
        changed,
        "reload --json",
        expect![[r#"
        {"schema":1,"changes":["[filter] mode: observe"],"needs_restart":["[control] group"]}
        warning: needs a restart: [control] group
        [0]"#]],
    );
    let refused = Answer::Refused(Refused::failed(
        "/etc/mailwall/mailwall.toml:3:1: unknown key \"prots\" in [filter]".to_owned(),
    ));
    check(
        refused,
        "reload",
        expect![[r#"
        error: /etc/mailwall/mailwall.toml:3:1: unknown key "prots" in [filter]
        [1]"#]],
    );
}
