//! More lines than can be read as fast as they come.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    thread,
    time::Duration,
};

use mailwall_tests::{Stopwatch, Testbed, eventually};

use crate::{
    Scene,
    scene::{client, host, line},
    so_many,
};

const HOUR: Duration = Duration::from_secs(3600);
/// Lines a second.
const RATE: usize = 200_000;
/// Parts of a second in which they are written.
const PARTS: usize = 20;
/// One in so many is an offence; the others are what mail servers write all day.
const OFFENCES: usize = 2000;

/// Writes as many lines as belong into a part of a second; gives the number of the next client.
fn write_part(scene: &Scene<'_>, log: &mut File, mut next: usize) -> usize {
    let stamp = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
    let harmless = format!("{stamp} mx postfix/qmgr[7]: 4D1B2A0C: removed\n").repeat(OFFENCES - 1);
    let mut part = String::new();
    let from = next;
    for _ in 0..RATE / PARTS / OFFENCES {
        part.push_str(&harmless);
        part.push_str(&line(client(next)));
        next += 1;
    }
    log.write_all(part.as_bytes()).unwrap();
    scene.note_offences(&(from..next).map(client).collect::<Vec<_>>());
    next
}

#[test]
fn two_hundred_thousand_lines_a_second_lose_no_ban_and_delay_none_by_hand() {
    let seconds = so_many(2, 120);
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let agent = scene.start();
    let mut log = OpenOptions::new().append(true).open(scene.log()).unwrap();
    let watch = Stopwatch::start();
    let mut next = 0;
    for part in 0..seconds * PARTS {
        next = write_part(&scene, &mut log, next);
        if part % PARTS == PARTS / 2 {
            // It is answered although the reader is behind, and enforced once it is.
            let net = host(part / PARTS);
            assert!(scene.ban(agent.setup(), net, HOUR));
            assert_eq!(scene.arrived(&[net]), 0, "{net}");
            scene.ban_briefly(agent.setup());
        }
        let due = Duration::from_secs(1) * u32::try_from(part + 1).unwrap() / PARTS as u32;
        thread::sleep(due.saturating_sub(watch.elapsed()));
    }
    let written = watch.elapsed();
    let lines = seconds * RATE;
    eventually("the agent has caught up", Duration::from_secs(1800), || {
        let list = agent.json(&["source", "list"])?;
        let read = list["sources"][0]["lines"].as_u64().unwrap_or_default();
        Ok((read >= lines as u64).then_some(()))
    })
    .unwrap();
    println!(
        "{lines} lines written in {:.1} s, read after {:.1} s",
        written.as_secs_f64(),
        watch.elapsed().as_secs_f64()
    );
    let list = agent.json(&["source", "list"]).unwrap();
    assert_eq!(list["sources"][0]["lines"], lines, "{list}");
    scene.ask(&agent);
}
