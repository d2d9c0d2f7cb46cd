//! The agent dies, restarts, and the host reboots.

use std::{fs, time::Duration};

use mailwall_tests::{MailServer, Outcome, Setup, Testbed, eventually};

use crate::{MANY, config, find_ban, must, provoke, quiet_agent, wait_for_ban};

#[test]
fn bans_hold_and_end_while_the_agent_is_dead() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "20s", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let attacker = bed.client("203.0.113.7");
    while agent.json(&["ban", "list"]).unwrap()["total"] == 0 {
        attacker.guess(1).unwrap();
    }
    let _setup = agent.kill().unwrap();
    assert_eq!(
        attacker.send("alice@example.test").unwrap(),
        Outcome::Dropped
    );
    eventually("end of the ban", Duration::from_secs(120), || {
        let outcome = attacker.send("alice@example.test")?;
        Ok((outcome == Outcome::Delivered).then_some(()))
    })
    .unwrap();
}

#[test]
fn an_attack_on_a_dead_agent_is_judged_at_its_next_start() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let attacker = bed.client("203.0.113.7");
    attacker.guess(2).unwrap();
    let setup = agent.kill().unwrap();
    assert_eq!(attacker.guess(20).unwrap(), 20);
    let agent = setup.start().unwrap();
    wait_for_ban(&agent, "203.0.113.7/32");
    assert_eq!(
        attacker.send("alice@example.test").unwrap(),
        Outcome::Dropped
    );
}

#[test]
fn a_ban_survives_a_restart_of_the_agent_and_so_do_its_drops() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    provoke(&bed, &agent, "203.0.113.7", "203.0.113.7/32");
    let before = agent.json(&["ban", "check", "203.0.113.7"]).unwrap()["bans"][0].clone();
    let agent = agent.restart().unwrap();
    let after = agent.json(&["ban", "check", "203.0.113.7"]).unwrap()["bans"][0].clone();
    for field in [
        "net", "rule", "since", "level", "offences", "reason", "evidence",
    ] {
        assert_eq!(after[field], before[field], "{field}");
    }
    let drops = |ban: &serde_json::Value| ban["dropped"].as_u64().unwrap();
    assert!(
        drops(&before) > 0 && drops(&after) >= drops(&before),
        "{before} {after}"
    );
    let attacker = bed.client("203.0.113.7");
    assert_eq!(
        attacker.send("alice@example.test").unwrap(),
        Outcome::Dropped
    );
}

#[test]
fn old_lines_are_not_judged_again_after_a_restart() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    provoke(&bed, &agent, "203.0.113.7", "203.0.113.7/32");
    must(&agent, &["ban", "remove", "203.0.113.7"]);
    let agent = agent.restart().unwrap();
    let friend = bed.client("192.0.2.10");
    friend.guess(1).unwrap();
    agent
        .until("one more line", &["events"], |log| {
            let events = log["events"].as_array()?;
            events
                .iter()
                .any(|event| {
                    event["net"]
                        .as_str()
                        .is_some_and(|net| net.starts_with("192.0.2.10"))
                })
                .then_some(())
        })
        .unwrap();
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
}

#[test]
fn bans_are_back_after_a_reboot_before_anything_is_judged() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    provoke(&bed, &agent, "203.0.113.7", "203.0.113.7/32");
    provoke(&bed, &agent, "2001:db8:100:1::7", "2001:db8:100:1::/64");
    must(&agent, &["ban", "add", "198.51.100.0/24", "--permanent"]);
    let setup = agent.kill().unwrap();
    bed.lose_pins().unwrap();
    let attacker = bed.client("203.0.113.7");
    assert_eq!(
        attacker.send("alice@example.test").unwrap(),
        Outcome::Delivered
    );
    // Nothing to judge.
    fs::remove_file(server.log()).unwrap();
    let agent = setup.start().unwrap();
    for address in ["203.0.113.7", "2001:db8:100:1::9", "198.51.100.77"] {
        let outcome = bed.client(address).send("alice@example.test").unwrap();
        assert_eq!(outcome, Outcome::Dropped, "{address}");
    }
    let list = agent.json(&["ban", "list"]).unwrap();
    assert_eq!(list["total"], 3, "{list}");
    assert_eq!(
        find_ban(&list, "198.51.100.0/24").unwrap()["ends"],
        serde_json::Value::Null
    );
}

#[test]
fn a_ban_that_ended_while_the_agent_was_dead_is_not_back() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "8s"]);
    let client = bed.client("203.0.113.7");
    let setup = agent.kill().unwrap();
    eventually("end of the ban", Duration::from_secs(120), || {
        let outcome = client.send("alice@example.test")?;
        Ok((outcome == Outcome::Delivered).then_some(()))
    })
    .unwrap();
    bed.lose_pins().unwrap();
    let agent = setup.start().unwrap();
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
    assert_eq!(
        client.send("alice@example.test").unwrap(),
        Outcome::Delivered
    );
}

#[test]
fn a_clean_shutdown_leaves_bans_in_force_and_no_socket() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "1h"]);
    let (status, setup) = agent.stop().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!setup.socket().exists());
    let outcome = bed
        .client("203.0.113.7")
        .send("alice@example.test")
        .unwrap();
    assert_eq!(outcome, Outcome::Dropped);
    assert_eq!(setup.cli(&["status"]).unwrap().code, Some(3));
}

#[test]
fn a_second_agent_leaves_the_first_one_alone() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let second = agent.cli(&["run"]).unwrap();
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(!second.stderr.is_empty());
    assert_eq!(agent.json(&["status"]).unwrap()["pid"], agent.pid());
}

#[test]
fn bans_that_were_answered_for_survive_a_kill() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let nets: Vec<String> = (0..MANY).map(|host| format!("203.0.113.{host}")).collect();
    let mut words = vec!["ban", "add", "--for", "1h"];
    words.extend(nets.iter().map(String::as_str));
    must(&agent, &words);
    let agent = agent.kill().unwrap().start().unwrap();
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], MANY);
}
