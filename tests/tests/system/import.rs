//! Lists of bans from other programs to the kernel, and back.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use mailwall_tests::{Agent, Answer, MailServer, Namespace, Outcome, Setup, Testbed};

use crate::{config, find_ban, must, quiet_agent};

/// Networks of a list that is like DROP, but longer: each a single address, as many as a map of the filter nearly holds.
const MANY: u32 = 1_000_000;

/// What a program in a namespace prints.
#[track_caller]
fn output(namespace: &Namespace, program: &str, words: &str) -> String {
    let mut command = Command::new(program);
    command.args(words.split_whitespace());
    let output = namespace.output(&mut command).unwrap();
    assert!(output.status.success(), "{program} {words}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command of mailwall with this on its standard input.
fn cli_with(agent: &Agent<'_>, words: &[&str], input: &str) -> Answer {
    let path = agent.setup().config().with_file_name("input");
    fs::write(&path, input).unwrap();
    let mut command = agent.setup().command(words);
    command.stdin(Stdio::from(fs::File::open(&path).unwrap()));
    agent.setup().run(&mut command).unwrap()
}

#[test]
fn what_ipset_saves_is_banned_for_what_is_left() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let host = Namespace::new().unwrap();
    for words in [
        "create f2b-postfix hash:ip timeout 600",
        "add f2b-postfix 203.0.113.7",
        "create drop hash:net family inet6",
        "add drop 2001:db8:100::/48",
        "create ports hash:ip,port",
        "add ports 198.51.100.9,tcp:25",
    ] {
        output(&host, "ipset", words);
    }
    let saved = output(&host, "ipset", "save");
    let answer = cli_with(&agent, &["import", "ipset", "-"], &saved);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stderr.contains("ports"), "{answer:?}");
    let list = agent.json(&["ban", "list", "--list", "ipset"]).unwrap();
    let ban = find_ban(&list, "203.0.113.7/32").unwrap();
    assert!(
        (1..=600).contains(&ban["remaining_s"].as_u64().unwrap()),
        "{ban}"
    );
    assert_eq!(ban["rule"], "list:ipset");
    let net = find_ban(&list, "2001:db8:100::/48").unwrap();
    assert!(net["ends"].is_null(), "{net}");
    assert!(find_ban(&list, "198.51.100.9/32").is_none());
    let banned = bed
        .client("203.0.113.7")
        .send("alice@example.test")
        .unwrap();
    assert_eq!(banned, Outcome::Dropped);
    // And back: ipset takes what is written, and says the same of it.
    let exported = agent.cli(&["export", "ipset"]).unwrap();
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let mut restore = Command::new("ipset");
    restore.arg("restore").stdin(Stdio::piped());
    let mut child = Namespace::new().unwrap().spawn(&mut restore).unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(exported.stdout.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success(), "{}", exported.stdout);
}

#[test]
fn what_nft_lists_is_banned_for_what_is_left() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let host = Namespace::new().unwrap();
    let ruleset = bed.dir().join("ruleset");
    let text = "table inet f2b {\n set bad { type ipv4_addr; flags interval,timeout;\n elements = { 203.0.113.7 timeout 10m, 198.51.100.0/24 timeout 1d \
                comment \"sold lists\", 192.0.2.0-192.0.2.9 } }\n set bad6 { type ipv6_addr; elements = { 2001:db8::1 } }\n \
                set ports { type inet_service; elements = { 25 } }\n}\n";
    fs::write(&ruleset, text).unwrap();
    let load = format!("-f {}", ruleset.display());
    output(&host, "nft", &load);
    let as_text = output(&host, "nft", "list ruleset");
    let as_json = output(&host, "nft", "-j list ruleset");
    for listed in [as_text, as_json] {
        let answer = cli_with(&agent, &["import", "nft", "--replace"], &listed);
        assert_eq!(answer.code, Some(0), "{answer:?}\n{listed}");
        let list = agent.json(&["ban", "list", "--list", "nft"]).unwrap();
        assert_eq!(list["total"], 5, "{list}\n{listed}");
        let left = |net: &str| find_ban(&list, net).unwrap()["remaining_s"].as_u64();
        assert!((500..=600).contains(&left("203.0.113.7/32").unwrap()));
        assert!((86_000..=86_400).contains(&left("198.51.100.0/24").unwrap()));
        assert_eq!(left("192.0.2.0/29"), None);
        assert_eq!(left("2001:db8::1/128"), None);
        let reason = &find_ban(&list, "198.51.100.0/24").unwrap()["reason"];
        assert_eq!(reason, "sold lists");
    }
    // And back.
    let exported = agent.cli(&["export", "nft"]).unwrap();
    fs::write(&ruleset, &exported.stdout).unwrap();
    let other = Namespace::new().unwrap();
    output(&other, "nft", &load);
    let listed = output(&other, "nft", "list ruleset");
    assert!(listed.contains("198.51.100.0/24"), "{listed}");
}

#[test]
fn a_list_is_replaced_without_letting_in_who_stays() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    must(&agent, &["ban", "add", "192.0.2.77", "--permanent"]);
    let replace = |list: &str| {
        let answer = cli_with(&agent, &["ban", "replace", "daily", "--json"], list);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        serde_json::from_str::<serde_json::Value>(&answer.stdout).unwrap()
    };
    let first = replace("203.0.113.7\n198.51.100.0/24 # a network\n");
    assert_eq!(first["added"], 2);
    let stays = bed.client("203.0.113.7");
    assert_eq!(stays.send("alice@example.test").unwrap(), Outcome::Dropped);
    let ban = |net: &str| {
        let list = agent.json(&["ban", "list"]).unwrap();
        find_ban(&list, net).cloned()
    };
    let before = ban("203.0.113.7/32").unwrap();
    let dropped = before["dropped"].as_u64().unwrap();
    assert!(dropped > 0, "{before}");
    // The same again changes nothing.
    let same = replace("198.51.100.0/24\n203.0.113.7\n");
    assert_eq!(
        (&same["added"], &same["kept"], &same["removed"]),
        (&0.into(), &2.into(), &0.into())
    );
    let next = replace("203.0.113.7\n203.0.113.9\n");
    assert_eq!(
        (&next["added"], &next["kept"], &next["removed"]),
        (&1.into(), &1.into(), &1.into())
    );
    let after = ban("203.0.113.7/32").unwrap();
    assert_eq!(after["since"], before["since"]);
    assert!(after["dropped"].as_u64().unwrap() >= dropped, "{after}");
    assert!(ban("198.51.100.0/24").is_none());
    assert_eq!(ban("192.0.2.77/32").unwrap()["rule"], "manual");
    assert_eq!(agent.json(&["status"]).unwrap()["lists"]["daily"], 2);
    let gone = bed
        .client("198.51.100.9")
        .send("alice@example.test")
        .unwrap();
    assert_eq!(gone, Outcome::Delivered);
    // An empty file is more likely a mistake than a wish.
    let empty = cli_with(&agent, &["ban", "replace", "daily"], "# nothing\n");
    assert_eq!(empty.code, Some(2), "{empty:?}");
    // It outlives the agent.
    let agent = agent.restart().unwrap();
    assert_eq!(agent.json(&["status"]).unwrap()["lists"]["daily"], 2);
}

#[test]
fn an_import_with_mistakes_changes_nothing_unless_it_may_be_partial() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "[allow]\nnetworks = [\"198.51.100.0/24\"]\n");
    let access = "Connect:203.0.113\tREJECT\nConect:192.0.2 REJECT\nConnect:198.51.100.7 REJECT\nClientRate: 10\n";
    let words = ["import", "sendmail-access", "-"];
    let refused = cli_with(&agent, &words, access);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("stdin:2: unknown tag"),
        "{refused:?}"
    );
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
    let dry = cli_with(
        &agent,
        &["import", "sendmail-access", "--partial", "--dry-run"],
        access,
    );
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
    let partial = cli_with(&agent, &["import", "sendmail-access", "--partial"], access);
    assert_eq!(partial.code, Some(0), "{partial:?}");
    assert!(
        partial.stderr.contains("198.51.100.7/32 is left out"),
        "{partial:?}"
    );
    assert!(partial.stdout.contains("per_minute = 10"), "{partial:?}");
    let list = agent.json(&["ban", "list"]).unwrap();
    assert_eq!(list["total"], 1, "{list}");
    assert_eq!(list["bans"][0]["net"], "203.0.113.0/24");
    assert_eq!(list["bans"][0]["rule"], "list:sendmail-access");
    let wide = cli_with(
        &agent,
        &["import", "sendmail-access"],
        "Connect:203 REJECT\n",
    );
    assert_eq!(wide.code, Some(1), "{wide:?}");
    assert!(wide.stderr.contains("--yes"), "{wide:?}");
}

#[test]
fn what_is_exported_as_json_is_the_same_after_an_import() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    must(
        &agent,
        &[
            "ban",
            "add",
            "203.0.113.7",
            "--for",
            "1h",
            "--reason",
            "a, \"b\"",
        ],
    );
    must(&agent, &["ban", "add", "2001:db8::/48", "--permanent"]);
    let list = cli_with(&agent, &["ban", "replace", "daily"], "198.51.100.0/24\n");
    assert_eq!(list.code, Some(0), "{list:?}");
    for format in ["json", "csv"] {
        let before = agent.json(&["ban", "list"]).unwrap();
        let exported = agent.cli(&["export", format]).unwrap().stdout;
        for net in ["203.0.113.7", "2001:db8::/48", "198.51.100.0/24"] {
            must(&agent, &["ban", "remove", net]);
        }
        let answer = cli_with(&agent, &["import", format], &exported);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let after = agent.json(&["ban", "list"]).unwrap();
        for net in ["203.0.113.7/32", "2001:db8::/48", "198.51.100.0/24"] {
            let (before, after) = (
                find_ban(&before, net).unwrap(),
                find_ban(&after, net).unwrap(),
            );
            for member in ["rule", "reason", "since"] {
                assert_eq!(before[member], after[member], "{format} {member}");
            }
            assert_eq!(before["ends"].is_null(), after["ends"].is_null());
        }
    }
}

#[test]
fn a_list_of_a_million_is_put_in_force_whole() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let mut drop = String::new();
    for number in 0..MANY {
        let [_, a, b, c] = number.to_be_bytes();
        writeln!(
            drop,
            "{{\"cidr\":\"11.{a}.{b}.{c}/32\",\"sblid\":\"SBL{number}\"}}"
        )
        .unwrap();
    }
    writeln!(drop, "{{\"type\":\"metadata\",\"records\":{MANY}}}").unwrap();
    let answer = cli_with(&agent, &["import", "spamhaus-drop", "--json"], &drop);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let said: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(said["agent"]["added"], MANY);
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["lists"]["spamhaus-drop"], MANY);
    assert_eq!(status["problems"], serde_json::json!([]), "{status}");
}
