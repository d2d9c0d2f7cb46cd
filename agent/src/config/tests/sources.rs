//! Where logs are, and where the policy service listens.

use super::*;

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
