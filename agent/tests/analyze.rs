//! `mailwall analyze` as it is called: logs in, bans out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixListener,
    path::PathBuf,
    process::{Command, Output},
    thread,
};

use expect_test::{Expect, expect};
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Logs and a config in a folder of their own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, name: &str, text: &str) -> Self {
        fs::write(self.0.path().join(name), text).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        if !self.path("mailwall.toml").exists() {
            fs::write(self.path("mailwall.toml"), "").unwrap();
        }
        Command::new(env!("CARGO_BIN_EXE_mailwall"))
            .current_dir(self.0.path())
            .env("TZ", "UTC")
            .args(["--config", "mailwall.toml"])
            .arg("analyze")
            .args(args)
            .output()
            .unwrap()
    }

    #[track_caller]
    fn check(&self, args: &[&str], expected: &Expect) {
        let output = self.run(args);
        let text = format!(
            "{}{}exit {}\n",
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
            output.status.code().unwrap()
        );
        expected.assert_eq(&text);
    }
}

/// A refused recipient that does not exist.
fn unknown(second: u32, pid: u32, host: &str, recipient: &str) -> String {
    format!(
        "2024-08-22T10:{:02}:{:02}.000000+00:00 mx postfix/smtpd[{pid}]: NOQUEUE: reject: RCPT from unknown[{host}]: \
         550 5.1.1 <{recipient}@example.org>: Recipient address rejected: User unknown in local recipient table; \
         from=<x@example.net> to=<{recipient}@example.org> proto=ESMTP helo=<x>\n",
        second / 60,
        second % 60,
    )
}

/// A dictionary attack of twelve tries, in sessions of four.
fn attack(host: &str) -> String {
    (0..12)
        .map(|n| unknown(n, 100 + n / 4, host, &format!("user{n}")))
        .collect()
}

#[test]
fn json_is_one_object_with_every_ban() {
    let folder = Folder::new().with("mail.log", &attack("203.0.113.7"));
    let output = folder.run(&["--json", "mail.log"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["lines"], 12);
    assert_eq!(json["events"], 12);
    let decisions = json["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), 1);
    let ban = &decisions[0];
    assert_eq!(ban["at"], "2024-08-22T10:00:09Z");
    assert_eq!(ban["net"], "203.0.113.7/32");
    assert_eq!(ban["action"], "ban");
    assert_eq!(ban["rule"], "dictionary");
    assert_eq!(ban["for_s"], 600);
    assert_eq!(ban["count"], 10);
    let evidence = ban["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 10);
    assert!(evidence[9].as_str().unwrap().contains("user9@example.org"));
}

#[test]
fn a_log_without_offences_gives_no_decisions() {
    let folder = Folder::new()
        .with("mail.log", "nothing\n")
        .with("empty", "");
    folder.check(
        &["--json", "mail.log"],
        &expect![[r#"
            {"schema":1,"decisions":[],"lines":1,"events":0,"rules":[{"rule":"dictionary","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"session-errors","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"logins","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"logins-slow","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"logins-one-account","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"logins-steady","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"relay","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"early-talker","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"non-smtp","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"too-many-errors","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"offences","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"network","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"account-addresses","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"account-unusual","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"account-recipients","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"account-wrong-recipients","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"snowshoe","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"snowshoe-recipients","bans":0,"would_bans":0,"others":0,"first":null,"last":null},{"rule":"honeypot","bans":0,"would_bans":0,"others":0,"first":null,"last":null}],"near":[],"spared":[]}
            exit 0
        "#]],
    );
    folder.check(
        &["empty"],
        &expect![[r#"
            0 lines, 0 events: no bans
            exit 0
        "#]],
    );
}

#[test]
fn people_get_a_table() {
    let folder = Folder::new().with("mail.log", &attack("203.0.113.7"));
    folder.check(&["mail.log"], &expect![[r#"
        TIME                 NET                 RULE             FOR    OFFENCES  REASON
        2024-08-22 10:00:09  203.0.113.7         dictionary       10m    10        10 unknown recipients in 9s
        12 lines, 12 events: 1 ban (dictionary 1), 0 would be in force now

        by rule
        RULE        BANS  WOULD BAN  OTHER  FIRST                LAST
        dictionary  1     0          0      2024-08-22 10:00:09  2024-08-22 10:00:09
        exit 0
    "#]]);
    folder.check(
        &["--plain", "mail.log"],
        &expect![[r#"
        2024-08-22T10:00:09Z	203.0.113.7/32	dictionary	600	10	10 unknown recipients in 9s
        exit 0
    "#]],
    );
}

#[test]
fn logs_are_read_in_the_order_of_their_times() {
    let lines = attack("203.0.113.7");
    let half = lines.lines().take(6).map(str::len).sum::<usize>() + 6;
    let folder = Folder::new()
        .with("mail.log", &lines[half..])
        .with("mail.log.1", &lines[..half])
        .with("other.log", &attack("203.0.113.8"))
        .with("whole.log", &lines);
    let bans = |args: &[&str]| -> Vec<String> {
        let output = folder.run(args);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let decisions = json["decisions"].as_array().unwrap();
        decisions
            .iter()
            .map(|ban| format!("{} {} {}", ban["at"], ban["net"], ban["count"]))
            .collect()
    };
    let whole = bans(&["--json", "whole.log"]);
    assert_eq!(whole.len(), 1);
    assert_eq!(bans(&["--json", "mail.log", "mail.log.1"]), whole);
    assert_eq!(
        bans(&["--json", "mail.log", "other.log", "mail.log.1"]).len(),
        2
    );
}

#[test]
fn the_rules_are_those_of_the_config_or_of_a_preset() {
    let rules = "[allow]\nnetworks = [\"203.0.113.9/32\"]\n[rules]\npreset = \"balanced\"\n";
    let folder = Folder::new()
        .with("mailwall.toml", rules)
        .with("mail.log", &attack("203.0.113.7"))
        .with("allowed.log", &attack("203.0.113.9"));
    folder.check(
        &["--plain", "allowed.log"],
        &expect![[r#"
        exit 0
    "#]],
    );
    folder.check(
        &["--plain", "--preset", "strict", "mail.log"],
        &expect![[r#"
        2024-08-22T10:00:04Z	203.0.113.7/32	dictionary	600	5	5 unknown recipients in 4s
        exit 0
    "#]],
    );
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::new().with("mail.log", "");
    fs::write(folder.path("cut.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    folder.check(
        &["cut.gz"],
        &expect![[r#"
            error: cannot read cut.gz: unexpected end of file
            exit 1
        "#]],
    );
    fs::write(folder.path("old.bz2"), b"BZh91AY").unwrap();
    folder.check(
        &["old.bz2"],
        &expect![[r#"
        error: cannot read old.bz2: it is compressed, but not by gzip, xz or zstd
        hint: unpack it for mailwall, such as bzcat old.bz2 | mailwall analyze -
        exit 1
    "#]],
    );
    folder.check(
        &["missing.log"],
        &expect![[r#"
        error: cannot read missing.log: No such file or directory
        exit 1
    "#]],
    );
    folder.check(
        &["--apply", "--run-dir", "/nonexistent", "mail.log"],
        &expect![[r#"
        error: cannot reach mailwall at /nonexistent/control.sock: no such file
        hint: systemctl start mailwall, or mailwall run
        exit 3
    "#]],
    );
    let folder = folder.with("mailwall.toml", "[rules]\npreset = \"blanced\"\n");
    folder.check(
        &["mail.log"],
        &expect![[r#"
        error: mailwall.toml:2:10: unknown preset "blanced"; did you mean "balanced"?
        exit 2
    "#]],
    );
}

/// An agent that allows 198.51.100.0/24, has banned 203.0.113.8 for longer, and takes any ban. What it was asked for.
fn agent(folder: &Folder, calls: usize) -> thread::JoinHandle<Vec<Value>> {
    let listener = UnixListener::bind(folder.path("control.sock")).unwrap();
    thread::spawn(move || {
        let answer = |request: &Value| match request["request"].as_str().unwrap() {
            "allow-list" => json!({"answer": "allow-list", "schema": 1, "allowed": [
                {"net": "198.51.100.0/24", "origin": "manual", "reason": ""},
            ]}),
            "ban-list" => json!({"answer": "ban-list", "schema": 1, "total": 1, "bans": [
                {"net": "203.0.113.8/32", "rule": "dictionary", "since": "", "age_s": 0, "ends": "", "remaining_s": 9999,
                 "offences": 1, "level": 0, "dropped": null, "reason": "", "evidence": []},
            ]}),
            "ban-add" => {
                json!({"answer": "ban-added", "schema": 1, "added": 1, "renewed": 0, "ends": "", "warnings": []})
            }
            other => panic!("asked for {other}"),
        };
        let mut requests = Vec::new();
        for _ in 0..calls {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            let request = serde_json::from_str(&line).unwrap();
            writeln!(stream, "{}", answer(&request)).unwrap();
            requests.push(request);
        }
        requests
    })
}

#[test]
fn apply_hands_over_what_would_still_be_in_force() {
    let ago = |minutes: i64| {
        (Timestamp::now() - minutes.minutes())
            .strftime("%Y-%m-%dT%H:%M")
            .to_string()
    };
    let at = |minutes, host| attack(host).replace("2024-08-22T10:00", &ago(minutes));
    let logs = [
        at(5, "203.0.113.7"),
        at(5, "203.0.113.8"),
        at(60, "203.0.113.9"),
        at(5, "198.51.100.7"),
    ];
    let folder = Folder::new().with("mail.log", &logs.concat());
    let agent = agent(&folder, 3);
    let output = folder.run(&["--apply", "--run-dir", ".", "--json", "mail.log"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["decisions"].as_array().unwrap().len(), 3);
    assert_eq!((&json["applied"], &json["refused"]), (&json!(1), &json!(0)));
    let requests = agent.join().unwrap();
    let ban = &requests[2];
    assert_eq!(ban["nets"], json!(["203.0.113.7/32"]));
    assert_eq!(
        ban["reason"],
        "analyze: dictionary: 10 unknown recipients in 9s"
    );
    let left = ban["for_s"].as_u64().unwrap();
    assert!((200..=320).contains(&left), "{left}");
}

/// "Until reviewed": however long ago it was.
#[test]
fn apply_hands_over_bans_without_an_end_however_old_they_are() {
    let session: String = (0..5)
        .map(|n| unknown(n, 100, "203.0.113.7", &format!("user{n}")))
        .collect();
    let folder = Folder::new().with("mail.log", &session);
    let agent = agent(&folder, 3);
    let args = [
        "--apply",
        "--run-dir",
        ".",
        "--json",
        "--preset",
        "stop-spammers",
        "mail.log",
    ];
    let output = folder.run(&args);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["applied"], 1, "{json}");
    let requests = agent.join().unwrap();
    assert_eq!(requests[2]["nets"], json!(["203.0.113.7/32"]));
    assert_eq!(requests[2]["for_s"], Value::Null);
}

#[test]
fn what_each_rule_did_who_came_near_and_who_was_spared_is_said() {
    let config = "[allow]\nnetworks = [\"198.51.100.9/32\"]\n";
    // Eight of ten, and more than enough of an allowlisted host.
    let near: String = (0..8)
        .map(|n| unknown(n, 300 + n / 4, "203.0.113.50", &format!("user{n}")))
        .collect();
    let folder = Folder::new()
        .with("mailwall.toml", config)
        .with("a.log", &attack("203.0.113.7"))
        .with("b.log", &near)
        .with("c.log", &attack("198.51.100.9"));
    let json = |args: &[&str]| -> Value {
        let output = folder.run(args);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let said = json(&["--json", "a.log", "b.log", "c.log"]);
    assert_eq!(said["decisions"].as_array().unwrap().len(), 1);
    let rules = said["rules"].as_array().unwrap();
    let dictionary = rules
        .iter()
        .find(|rule| rule["rule"] == "dictionary")
        .unwrap();
    assert_eq!(dictionary["bans"], 1);
    assert_eq!(dictionary["first"], "2024-08-22T10:00:09Z");
    let near = said["near"].as_array().unwrap();
    assert_eq!(near.len(), 1, "{near:?}");
    assert_eq!(near[0]["net"], "203.0.113.50/32");
    // Four of five in one session come before eight of ten.
    assert_eq!(near[0]["limit"], 5);
    let spared = said["spared"].as_array().unwrap();
    assert_eq!(spared.len(), 1, "{spared:?}");
    assert_eq!(spared[0]["net"], "198.51.100.9/32");
    assert_eq!(spared[0]["offences"], 12);
    // Twice the same, in whatever order the logs are named.
    let text = |args: &[&str]| folder.run(args).stdout;
    let first = text(&["--json", "a.log", "b.log", "c.log"]);
    assert_eq!(text(&["--json", "a.log", "b.log", "c.log"]), first);
    assert_eq!(text(&["--json", "c.log", "b.log", "a.log"]), first);
}

#[test]
fn two_configurations_are_compared() {
    let near: String = (0..8)
        .map(|n| unknown(n, 300 + n / 4, "203.0.113.50", &format!("user{n}")))
        .collect();
    let folder = Folder::new()
        .with("strict.toml", "[rules]\npreset = \"strict\"\n")
        .with("same.toml", "")
        .with("mail.log", &(attack("203.0.113.7") + &near));
    let against = |config: &str| -> Value {
        let output = folder.run(&["--json", "--against", config, "mail.log"]);
        assert!(output.status.success(), "{output:?}");
        let mut json: Value = serde_json::from_slice(&output.stdout).unwrap();
        json["against"].take()
    };
    let same = against("same.toml");
    assert_eq!(same["same"], 1, "{same}");
    assert_eq!(same["different"], json!([]));
    let strict = against("strict.toml");
    let different = strict["different"].as_array().unwrap();
    let ways: Vec<String> = different
        .iter()
        .map(|it| {
            format!(
                "{} {}",
                it["net"].as_str().unwrap(),
                it["how"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(ways.len(), 2, "{strict}");
    assert!(
        ways.contains(&"203.0.113.7/32 earlier-there".to_owned()),
        "{ways:?}"
    );
    assert!(
        ways.contains(&"203.0.113.50/32 only-there".to_owned()),
        "{ways:?}"
    );
    let output = folder.run(&["--against", "strict.toml", "mail.log"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("banned earlier by the other"), "{text}");
    let wrong = folder.run(&["--against", "none.toml", "mail.log"]);
    assert_eq!(wrong.status.code(), Some(2));
}

/// Three years of a log that is rotated each day: more files than a process may have open.
#[test]
fn many_rotated_logs_are_open_one_after_another() {
    let folder = Folder::new().with("mailwall.toml", "");
    let mut names: Vec<String> = Vec::new();
    let first: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
    for day in 0..1200_i64 {
        let name = format!("mail.log.{}", 1200 - day);
        let at = |minute: i64| first + (24 * day).hours() + minute.minutes();
        // Each begins with a line that says nothing; every seventh says nothing at all.
        let mut text = format!("{} mx postfix/qmgr[1]: daemon started\n", at(0));
        if day % 7 != 0 {
            text += &format!(
                "{} mx postfix/smtpd[7]: warning: non-SMTP command from unknown[203.0.113.7]: GET / HTTP/1.1\n",
                at(1)
            );
        }
        fs::write(folder.path(&name), text).unwrap();
        names.push(name);
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_mailwall"))
        .args(["--config", "mailwall.toml", "analyze", "--json"])
        .args(&names)
        .current_dir(folder.0.path())
        .env("TZ", "UTC")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let with_event = (0..1200).filter(|day| day % 7 != 0).count();
    assert_eq!(answer["lines"], 1200 + with_event);
    assert_eq!(answer["events"], with_event);
    let times: Vec<&str> = answer["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|decision| decision["at"].as_str().unwrap())
        .collect();
    assert!(times.len() > 10 && times.is_sorted(), "{times:?}");
}
