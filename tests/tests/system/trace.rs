//! Tracing of packets.

use std::{fs, time::Duration};

use aya::maps::{Map, MapData, PerCpuArray};
use mailwall_common::{ABI, Family, Verdict, map_name};
use mailwall_tests::{
    MailServer, Outcome, Setup, Testbed, eventually,
    packet::{Frame, SYN},
    wire::Wire,
};

use crate::{config, must};

/// More packets than lines are written of, and than the kernel keeps.
const FLOOD: u32 = 20_000;

#[test]
fn every_connection_attempt_has_a_line_when_packets_are_traced() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let setup = Setup::new(&bed, &config).unwrap().tracing_packets();
    let agent = setup.start().unwrap();
    let banned = ["203.0.113.7", "2001:db8:100:1::/64"];
    must(&agent, &["ban", "add", banned[0], banned[1], "--for", "1h"]);
    for (address, outcome) in [
        ("203.0.113.7", Outcome::Dropped),
        ("2001:db8:100:1::9", Outcome::Dropped),
        ("192.0.2.10", Outcome::Delivered),
        ("2001:db8:77::10", Outcome::Delivered),
    ] {
        let sent = bed.client(address).send("alice@example.test").unwrap();
        assert_eq!(sent, outcome, "{address}");
    }
    for (verdict, source) in [
        ("banned-address", "203.0.113.7"),
        ("banned-address", "2001:db8:100:1::9"),
        ("clean", "192.0.2.10"),
        ("clean", "2001:db8:77::10"),
    ] {
        let line = format!("packet verdict={verdict} source={source} port=25 interface=\"mail0\"");
        eventually(&line, Duration::from_secs(60), || {
            Ok(agent.setup().said().contains(&line).then_some(()))
        })
        .unwrap();
    }
}

#[test]
fn no_packet_has_a_line_otherwise() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "");
    let traced = Setup::new(&bed, &config).unwrap().tracing_packets();
    let (_, setup) = traced.start().unwrap().stop().unwrap();
    drop(setup);
    // The next start takes the program that traces out of the kernel.
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let sent = bed.client("192.0.2.10").send("alice@example.test").unwrap();
    assert_eq!(sent, Outcome::Delivered);
    let before = agent.setup().said();
    assert!(!before.contains("packet verdict="), "{before}");
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["interfaces"][0]["mode"], "native", "{status}");
}

#[test]
fn of_a_flood_some_packets_have_lines_and_the_others_are_counted() {
    let bed = Testbed::new().unwrap();
    let log = bed.dir().join("mail.log");
    fs::write(&log, "").unwrap();
    let setup = Setup::new(&bed, &config(&log, "10m", "")).unwrap();
    let agent = setup.tracing_packets().start().unwrap();
    let frame = Frame::new().ip("203.0.113.7".parse().unwrap()).tcp(25, SYN);
    bed.clients()
        .enter(|| {
            let wire = Wire::open("wire0")?;
            (0..FLOOD).try_for_each(|_| wire.send(&frame))
        })
        .unwrap();
    // Not every frame came through the cable.
    let arrived = clean_syns(&bed);
    let account = "an account of all packets";
    let (lines, missed) = eventually(account, Duration::from_secs(60), || {
        let (lines, missed) = told_of(&agent.setup().said());
        Ok((lines + missed >= arrived).then_some((lines, missed)))
    })
    .unwrap();
    assert_eq!(lines + missed, arrived);
    assert!(lines > 0 && missed > 0, "{lines} {missed}");
}

/// Packets of that kind that the kernel counted.
fn clean_syns(bed: &Testbed) -> u64 {
    let pin = bed
        .bpffs()
        .join(format!("mailwall/{ABI}/{}", map_name::TOTALS));
    let totals = Map::from_map_data(MapData::from_pin(pin).unwrap()).unwrap();
    let totals = PerCpuArray::<_, u64>::try_from(totals).unwrap();
    let index = Verdict::Clean.total_index(Family::V4);
    totals.get(&index, 0).unwrap().iter().sum()
}

/// Lines of packets, and packets that were told of by number only.
fn told_of(said: &str) -> (u64, u64) {
    let lines = said.matches("packet verdict=clean source=203.0.113.7 port=25");
    let missed = said
        .lines()
        .filter_map(|line| line.split_once("more packets than are shown packets="))
        .map(|(_, packets)| packets.parse::<u64>().unwrap());
    (lines.count() as u64, missed.sum())
}
