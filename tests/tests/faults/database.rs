//! Databases that are broken, held by another process, or of a later version.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    time::Duration,
};

use mailwall_tests::{Setup, Testbed};
use rusqlite::Connection;

use crate::{Scene, scene::host, so_many};

const HOUR: Duration = Duration::from_secs(3600);

/// A stopped agent that has banned by hand and by rule.
fn stopped<'a>(scene: &Scene<'a>) -> Setup<'a> {
    let agent = scene.start();
    scene.offend(0..40);
    for number in 0..10 {
        scene.ban(agent.setup(), host(number), HOUR);
    }
    scene.ask(&agent);
    // It ends while no agent runs.
    scene.ban_briefly(agent.setup());
    let (status, setup) = agent.stop().unwrap();
    assert!(status.success(), "{status}");
    setup
}

/// Ways to break a database file.
const BREAKS: [fn(&File, u64); 5] = [
    // Its header, a page of a table, the page with the tables' names; half of it; all of it.
    |file, _| file.write_all_at(&[0xff; 100], 0).unwrap(),
    |file, len| {
        file.write_all_at(&[0xff; 4096], len / 2 / 4096 * 4096)
            .unwrap();
    },
    |file, _| file.write_all_at(&[0x5a; 2000], 100).unwrap(),
    |file, len| file.set_len(len / 2).unwrap(),
    |file, len| {
        file.write_all_at(&vec![0x20; usize::try_from(len).unwrap()], 0)
            .unwrap();
    },
];

#[test]
fn a_broken_database_is_put_aside_and_the_kernels_bans_go_on() {
    for damage in &BREAKS[..so_many(2, BREAKS.len())] {
        let bed = Testbed::new().unwrap();
        let scene = Scene::new(&bed);
        let setup = stopped(&scene);
        let database = File::options().write(true).open(setup.database()).unwrap();
        damage(&database, database.metadata().unwrap().len());
        drop(database);
        scene.ask_the_kernel();
        let agent = setup.start().unwrap();
        let problem = scene.until_problem(&agent, "set aside as");
        assert!(problem.contains(".unreadable-"), "{problem}");
        // The counts of reports were in it.
        scene.ledger().forget_lines();
        scene.until_following(&agent);
        scene.offend(40..60);
        scene.ask(&agent);
        scene.ask(&agent.restart().unwrap());
    }
}

#[test]
fn a_database_that_another_process_holds_delays_no_ban_and_is_written_afterwards() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let agent = scene.start();
    scene.offend(0..20);
    scene.ask(&agent);
    let other = Connection::open(agent.setup().database()).unwrap();
    scene.ban_briefly(agent.setup());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // That they end cannot be saved.
    scene.ban_briefly(agent.setup());
    for number in 0..so_many(20, 200) {
        scene.ban(agent.setup(), host(number), HOUR);
        scene.offend(20 + number..21 + number);
    }
    let problem = scene.until_problem(&agent, "bans are not saved");
    assert!(problem.contains("locked"), "{problem}");
    scene.ask_the_kernel();
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    scene.until_well(&agent);
    scene.ask(&agent);
    let setup = scene.kill(agent);
    bed.lose_pins().unwrap();
    scene.ask(&setup.start().unwrap());
}

#[test]
fn an_agent_does_not_start_with_a_database_that_another_process_holds_and_says_so() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let setup = stopped(&scene);
    scene.offend(40..60);
    let other = Connection::open(setup.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = setup.cli(&["run"]).unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    for words in ["mailwall.db", "locked", "another program"] {
        assert!(answer.stderr.contains(words), "{words}: {answer:?}");
    }
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    scene.ask(&setup.start().unwrap());
}

#[test]
fn a_database_of_a_later_version_is_left_as_it_is_and_bans_hold_meanwhile() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let setup = stopped(&scene);
    let version: i64 = {
        let database = Connection::open(setup.database()).unwrap();
        let version = database
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        database.pragma_update(None, "user_version", 99).unwrap();
        version
    };
    let before = fs::read(setup.database()).unwrap();
    let answer = setup.cli(&["run"]).unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    for words in ["mailwall.db", "newer mailwall", "format 99"] {
        assert!(answer.stderr.contains(words), "{words}: {answer:?}");
    }
    assert_eq!(
        fs::read(setup.database()).unwrap(),
        before,
        "it is as it was"
    );
    // Written while no agent of this version runs.
    scene.offend(40..60);
    scene
        .ledger()
        .fates()
        .take(10)
        .for_each(|(net, _)| assert_eq!(scene.arrived(&[net]), 0, "{net}"));
    // The later version is back, in the shape of this one.
    let database = Connection::open(setup.database()).unwrap();
    database
        .pragma_update(None, "user_version", version)
        .unwrap();
    drop(database);
    scene.ask(&setup.start().unwrap());
}
