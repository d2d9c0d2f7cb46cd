//! journald is restarted: the `journalctl` that is read ends amid a record, and what is logged meanwhile is there afterwards.

use std::{ops::Range, time::Duration};

use mailwall_tests::{Journal, Setup, Testbed, eventually};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use crate::{
    Scene,
    scene::{BAN, FIRST, client},
    so_many,
};

fn offend(scene: &Scene<'_>, journal: &mut Journal, numbers: Range<usize>) {
    for number in numbers {
        journal.reject(&client(number).to_string(), 0..1, &json!({}));
        scene.note_offences(&[client(number)]);
    }
}

#[test]
fn a_restart_of_the_journal_loses_no_record_and_repeats_none() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let mut journal = Journal::new(&bed);
    let config = format!(
        "[ban]\nfirst = \"{}s\"\n[[source]]\njournal = true\n{FIRST}",
        BAN.as_secs()
    );
    let setup = Setup::new(&bed, &config).unwrap();
    let agent = setup.with_programs(journal.folder()).start().unwrap();
    scene.until_following(&agent);
    let mut next = 0;
    // It waits longer after each end, up to a minute.
    for _ in 0..so_many(3, 6) {
        offend(&scene, &mut journal, next..next + 20);
        scene.ban_briefly(agent.setup());
        let pid = journal.pid();
        kill(Pid::from_raw(pid.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
        offend(&scene, &mut journal, next + 20..next + 40);
        next += 40;
        eventually(
            "journalctl is started again",
            Duration::from_secs(120),
            || Ok((journal.pid() != pid).then_some(())),
        )
        .unwrap();
        scene.until_following(&agent);
    }
    scene.ask(&agent);
    let setup = scene.kill(agent);
    offend(&scene, &mut journal, next..next + 20);
    scene.ask(&setup.start().unwrap());
}
