//! A ban from its offences to its end.

use mailwall_tests::{MailServer, Outcome, Setup, Testbed};

use crate::{MANY, config, find_ban, must, provoke, quiet_agent, wait_for_ban, wait_for_pardon};

#[test]
fn a_host_that_guesses_recipients_is_shut_out_and_let_in_again() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "15s", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let good = bed.client("192.0.2.10");
    assert_eq!(good.send("alice@example.test").unwrap(), Outcome::Delivered);

    let ban = provoke(&bed, &agent, "203.0.113.7", "203.0.113.7/32");
    assert!(ban["offences"].as_u64().unwrap() >= 5, "{ban}");
    assert!(ban["remaining_s"].as_u64().unwrap() <= 15, "{ban}");
    let check = agent.json(&["ban", "check", "203.0.113.7"]).unwrap();
    assert_eq!(check["banned"], true);
    let evidence = &check["bans"][0]["evidence"];
    assert!(
        evidence[0]["text"]
            .as_str()
            .unwrap()
            .contains("[203.0.113.7]: 550 5.1.1")
    );
    assert!(
        agent.json(&["status"]).unwrap()["dropped"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert_eq!(good.send("alice@example.test").unwrap(), Outcome::Delivered);

    wait_for_pardon(&agent, "203.0.113.7/32");
    let pardoned = bed.client("203.0.113.7").send("bob@example.test").unwrap();
    assert_eq!(pardoned, Outcome::Delivered);
}

#[test]
fn a_second_ban_is_longer_than_the_first() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "4s", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    bed.client("203.0.113.7").guess(40).unwrap();
    agent
        .until("a ban of the second level", &["ban", "list"], |list| {
            bed.client("203.0.113.7").guess(4).ok()?;
            let ban = find_ban(list, "203.0.113.7/32")?;
            (ban["level"].as_u64()? >= 1 && ban["remaining_s"].as_u64()? > 4).then_some(())
        })
        .unwrap();
}

#[test]
fn an_ipv6_host_is_shut_out_with_its_64_and_no_more() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    provoke(&bed, &agent, "2001:db8:100:1::7", "2001:db8:100:1::/64");
    let same = bed.client("2001:db8:100:1:aaaa::99");
    assert_eq!(same.send("bob@example.test").unwrap(), Outcome::Dropped);
    let next = bed.client("2001:db8:100:2::7");
    assert_eq!(next.send("bob@example.test").unwrap(), Outcome::Delivered);
    let check = agent
        .json(&["ban", "check", "2001:db8:100:1:aaaa::99"])
        .unwrap();
    assert_eq!(check["bans"][0]["net"], "2001:db8:100:1::/64");
}

#[test]
fn hosts_of_one_64_are_counted_together() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    for host in 1..=MANY {
        if bed
            .client(&format!("2001:db8:100:1::{host:x}"))
            .guess(1)
            .unwrap()
            == 0
        {
            break;
        }
    }
    wait_for_ban(&agent, "2001:db8:100:1::/64");
}

#[test]
fn an_open_session_goes_on_when_its_client_is_banned() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let client = bed.client("203.0.113.7");
    let mut session = client.session().unwrap().unwrap();
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "10m"]);
    assert_eq!(client.send("alice@example.test").unwrap(), Outcome::Dropped);
    session
        .expect("MAIL FROM:<writer@sender.test>", 250)
        .unwrap();
    session.expect("QUIT", 221).unwrap();
}

#[test]
fn a_ban_by_hand_shuts_out_from_the_guarded_ports_until_it_is_removed() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let client = bed.client("198.51.100.9");
    for net in ["198.51.100.9", "198.51.100.0/24"] {
        must(
            &agent,
            &["ban", "add", net, "--for", "1h", "--reason", "a test"],
        );
        assert_eq!(
            client.send("alice@example.test").unwrap(),
            Outcome::Dropped,
            "{net}"
        );
        // Nobody listens there, but the host answers.
        assert!(client.connect(2525).is_err(), "a port that is not guarded");
        must(&agent, &["ban", "remove", net]);
        assert_eq!(
            client.send("alice@example.test").unwrap(),
            Outcome::Delivered,
            "{net}"
        );
    }
    let answer = agent.cli(&["ban", "remove", "198.51.100.9"]).unwrap();
    assert_eq!(answer.code, Some(5), "{answer:?}");
}

#[test]
fn a_network_with_host_bits_is_corrected() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let answer = agent
        .cli(&["ban", "add", "203.0.113.7/24", "--for", "1h"])
        .unwrap();
    assert!(matches!(answer.code, Some(1 | 2)), "{answer:?}");
    assert!(answer.stderr.contains("203.0.113.0/24"), "{answer:?}");
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
}

/// SmarterMail's list has "blocks in 30 days": it goes up with each ban, whoever made it, and a restart loses none.
#[test]
fn the_list_counts_the_bans_of_a_month_over_restarts() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let mut agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    for expected in 1..=3_u64 {
        let ban = provoke(&bed, &agent, "203.0.113.7", "203.0.113.7/32");
        assert_eq!(ban["bans_30d"], expected, "{ban}");
        assert_eq!(ban["kind"], "unknown-recipient", "{ban}");
        assert_eq!(ban["service"], "smtp", "{ban}");
        assert!(ban["last_seen"].is_string(), "{ban}");
        agent = agent.restart().unwrap();
        let after = find_ban(&agent.json(&["ban", "list"]).unwrap(), "203.0.113.7/32").cloned();
        let after = after.unwrap();
        for field in ["bans_30d", "kind", "service", "first_seen"] {
            assert_eq!(after[field], ban[field], "{field}");
        }
        must(&agent, &["ban", "remove", "203.0.113.7"]);
    }
    // "Blacklist entire class C" of the same page; what is never banned is not banned so either.
    must(&agent, &["ban", "add", "--network", "198.51.100.9"]);
    let refused = agent
        .cli(&["ban", "add", "--network", "172.31.0.1"])
        .unwrap();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let shown = |filter: [&str; 2]| {
        let words = ["ban", "list", filter[0], filter[1]];
        let list = agent.json(&words).unwrap();
        let bans = list["bans"].as_array().unwrap();
        assert_eq!(list["total"], bans.len() as u64);
        bans.iter()
            .map(|ban| ban["net"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(["--rule", "manual"]), ["198.51.100.0/24"]);
    assert_eq!(shown(["--since", "1h"]), ["198.51.100.0/24"]);
    assert_eq!(shown(["--net", "198.51.100.9"]), ["198.51.100.0/24"]);
    assert!(shown(["--service", "smtp"]).is_empty());
    assert!(shown(["--net", "203.0.113.7"]).is_empty());
}
