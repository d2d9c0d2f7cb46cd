//! A map of the filter is full: the automatic ban that ends soonest gives way, then what is asked for by hand is refused.

use std::{fmt::Write as _, fs, net::Ipv6Addr, time::Duration};

use ipnet::{IpNet, Ipv6Net};
use mailwall_tests::{Agent, Testbed, must, skip};
use serde_json::Value;

use crate::{
    Scene,
    clock::append,
    ledger::Fate,
    scene::{BAN, line, net_of},
    so_many,
};

/// IPv6 networks other than /64 that can be banned at once.
const CAPACITY: u32 = 1 << 17;
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A /56 of 2001:db8:8000::/33.
fn network(number: u32) -> IpNet {
    let first = 0x2001_0db8_8000_0000_u128 << 64;
    let address = Ipv6Addr::from_bits(first + (u128::from(number) << 72));
    Ipv6Net::new(address, 56).unwrap().into()
}

/// Three hosts of different /64 in that network offend, so that all of it is banned.
fn widen(scene: &Scene<'_>, agent: &Agent<'_>, net: IpNet) {
    let IpNet::V6(v6) = net else {
        unreachable!("an IPv6 network")
    };
    for number in 1..=3_u128 {
        let client = Ipv6Addr::from_bits(v6.addr().to_bits() + (number << 64) + 7);
        append(scene, &line(client.into()));
        scene.note_offences(&[client.into()]);
        // The wide ban may take its place.
        scene.ledger().note(net_of(client.into()), Fate::Unknown);
    }
    agent
        .until(
            &format!("ban of {net}"),
            &["ban", "check", &v6.addr().to_string()],
            |check| check["banned"].as_bool()?.then_some(()),
        )
        .unwrap();
    let fate = Fate::Banned {
        earliest: BAN,
        latest: Duration::MAX,
    };
    scene.ledger().note(net, fate);
}

fn ban_by_list(scene: &Scene<'_>, agent: &Agent<'_>, numbers: std::ops::Range<u32>) {
    let mut list = String::new();
    for number in numbers {
        writeln!(list, "{}", network(number)).unwrap();
        let fate = Fate::Banned {
            earliest: YEAR,
            latest: scene.now() + YEAR + Duration::from_secs(3600),
        };
        scene.ledger().note(network(number), fate);
    }
    let path = scene.bed.dir().join("networks");
    fs::write(&path, list).unwrap();
    must(
        agent,
        &[
            "ban",
            "add",
            "--from",
            path.to_str().unwrap(),
            "--for",
            "365d",
        ],
    );
}

#[test]
fn the_automatic_ban_that_ends_soonest_gives_way_and_no_ban_by_hand_does() {
    if so_many(0, 1) == 0 {
        skip(
            "the_automatic_ban_that_ends_soonest_gives_way_and_no_ban_by_hand_does",
            "131,072 bans are listed again and again: run `cargo xtask test --faults`",
        );
        return;
    }
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let agent = scene.start();
    scene.ban_briefly(agent.setup());
    ban_by_list(&scene, &agent, 0..CAPACITY - 2);
    let [first, second, third] = [CAPACITY, CAPACITY + 1, CAPACITY + 2].map(network);
    widen(&scene, &agent, first);
    widen(&scene, &agent, second);
    widen(&scene, &agent, third);
    scene.ledger().note(first, Fate::Free);
    scene.ask(&agent);

    // By hand two more fit, for which the automatic ones give way, and then none.
    ban_by_list(&scene, &agent, CAPACITY + 3..CAPACITY + 5);
    scene.ledger().note(second, Fate::Free);
    scene.ledger().note(third, Fate::Free);
    let (one, other) = (
        network(CAPACITY + 5).to_string(),
        network(CAPACITY + 6).to_string(),
    );
    let answer = agent.cli(&["ban", "add", &one, &other]).unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.contains("cannot be banned"), "{answer:?}");
    scene.ledger().note(network(CAPACITY + 5), Fate::Free);
    scene.ledger().note(network(CAPACITY + 6), Fate::Free);
    let full = |report: &Value| {
        let mut maps = report["maps"].as_array()?.iter();
        maps.find(|map| map["map"] == "networks-v6" && map["used"] == CAPACITY)
            .map(drop)
    };
    agent
        .until("a full map in the report", &["report"], full)
        .unwrap();
    scene.ask(&agent);
    let setup = scene.kill(agent);
    scene.ask(&setup.start().unwrap());
}
