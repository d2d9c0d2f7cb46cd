//! Who is never shut out.

use mailwall_tests::{MailServer, Outcome, Setup, Testbed};

use crate::{config, must, quiet_agent};

#[test]
fn an_allowlisted_host_is_never_banned() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let more = "[allow]\nnetworks = [\"203.0.113.0/24\", \"2001:db8:100:1::/64\"]\n";
    let config = config(server.log(), "10m", more);
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    for address in ["203.0.113.7", "2001:db8:100:1::7"] {
        assert_eq!(bed.client(address).guess(48).unwrap(), 48);
    }
    agent
        .until("the log read to its end", &["source", "list"], |list| {
            let source = &list["sources"][0];
            let read = source["understood"].as_u64()? >= 96 && source["lag_bytes"] == 0;
            read.then_some(())
        })
        .unwrap();
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
}

#[test]
fn an_allowlisted_host_inside_a_banned_network_is_let_in() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(
        server.log(),
        "10m",
        "[allow]\nnetworks = [\"203.0.113.7\"]\n",
    );
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    must(&agent, &["ban", "add", "203.0.113.0/24", "--for", "1h"]);
    let friend = bed.client("203.0.113.7");
    assert_eq!(
        friend.send("alice@example.test").unwrap(),
        Outcome::Delivered
    );
    let neighbour = bed.client("203.0.113.8");
    assert_eq!(
        neighbour.send("alice@example.test").unwrap(),
        Outcome::Dropped
    );
}

#[test]
fn allowing_a_host_ends_its_ban() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "1h"]);
    must(
        &agent,
        &["allow", "add", "203.0.113.7", "--reason", "a friend"],
    );
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
    let friend = bed.client("203.0.113.7");
    assert_eq!(
        friend.send("alice@example.test").unwrap(),
        Outcome::Delivered
    );
    let agent = agent.restart().unwrap();
    let answer = agent
        .cli(&["ban", "add", "203.0.113.7", "--for", "1h"])
        .unwrap();
    assert_eq!(answer.code, Some(1), "kept over a restart: {answer:?}");
    must(&agent, &["allow", "remove", "203.0.113.7"]);
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "1h"]);
}

#[test]
fn a_ban_of_who_must_not_be_shut_out_is_refused_and_says_why() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "[allow]\nnetworks = [\"198.51.100.0/24\"]\n");
    for (net, entry) in [
        ("198.51.100.9", "198.51.100.0/24"),
        ("127.0.0.9", "127.0.0.0/8"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:77::1", "2001:db8:77::1"),
    ] {
        let answer = agent.cli(&["ban", "add", net, "--for", "1h"]).unwrap();
        assert_eq!(answer.code, Some(1), "{net}: {answer:?}");
        assert!(answer.stderr.contains(entry), "{net}: {answer:?}");
    }
    let mut command = agent
        .setup()
        .command(&["ban", "add", "203.0.113.50", "--for", "1h"]);
    command.env("SSH_CONNECTION", "203.0.113.50 50022 192.0.2.1 22");
    let answer = agent.setup().run(&mut command).unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.contains("203.0.113.50"), "{answer:?}");
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
}

#[test]
fn one_refused_network_refuses_the_whole_request() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let answer = agent
        .cli(&["ban", "add", "203.0.113.7", "127.0.0.1", "--for", "1h"])
        .unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
}
