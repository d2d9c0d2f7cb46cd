//! Disks without room: for the database, and for the log.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use mailwall_tests::{Agent, Testbed};
use nix::mount::{MsFlags, mount};

use crate::{
    Scene,
    scene::{client, host, line, net_of},
    so_many,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Mounts a small file system at `dir`; the test bed unmounts it.
fn small_disk(dir: &Path, kib: u32) {
    fs::create_dir_all(dir).unwrap();
    let size = format!("size={kib}k");
    mount(
        Some("mailwall-bed"),
        dir,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(size.as_str()),
    )
    .unwrap();
}

/// Takes all room on the disk of `dir`; gives what takes it.
fn fill(dir: &Path) -> PathBuf {
    let path = dir.join("ballast");
    let mut ballast = File::create(&path).unwrap();
    for size in [4096, 1] {
        loop {
            match ballast.write(&vec![0; size]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    path
}

/// Has clients offend until the database cannot be written; gives the number of the next client.
fn offend_until_full(scene: &Scene<'_>, agent: &Agent<'_>, mut next: usize) -> usize {
    while !agent.json(&["status"]).unwrap()["problems"]
        .to_string()
        .contains("bans are not saved")
    {
        scene.offend(next..next + 50);
        next += 50;
        assert!(next < 20_000, "the disk is not full");
    }
    next
}

#[test]
fn bans_hold_while_the_database_has_no_room_and_are_saved_when_it_has() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let state = bed.dir().join("state");
    small_disk(&state, 4096);
    let mut agent = scene.start();
    let mut next = 0;
    for round in 0..so_many(1, 5) {
        scene.ban(agent.setup(), host(3 * round), HOUR);
        let ballast = fill(&state);
        next = offend_until_full(&scene, &agent, next);
        let net = host(3 * round + 1);
        let answer = agent
            .cli(&["ban", "add", &net.to_string(), "--for", "1h"])
            .unwrap();
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.stderr.contains("not saved"), "{answer:?}");
        scene.ban(agent.setup(), net, HOUR);
        scene.ban(agent.setup(), host(3 * round + 2), Duration::from_secs(1));
        scene.ask_the_kernel();
        fs::remove_file(ballast).unwrap();
        scene.until_well(&agent);
        scene.ask(&agent);
        // What had to wait is saved.
        let setup = scene.kill(agent);
        bed.lose_pins().unwrap();
        agent = setup.start().unwrap();
        scene.ask(&agent);
    }
}

#[test]
fn an_agent_that_dies_while_the_disk_is_full_reads_again_what_it_could_not_save() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let state = bed.dir().join("state");
    small_disk(&state, 4096);
    let agent = scene.start();
    scene.ban(agent.setup(), host(0), HOUR);
    scene.ban_briefly(agent.setup());
    let ballast = fill(&state);
    offend_until_full(&scene, &agent, 0);
    let setup = scene.kill(agent);
    // It may come up on the full disk or not; bans hold, and nothing that is saved breaks.
    let tried = setup.launch().unwrap();
    scene.ask_the_kernel();
    let setup = match tried.kill() {
        Ok(setup) => setup,
        Err(_ended) => scene.setup(""),
    };
    scene.ask_the_kernel();
    fs::remove_file(ballast).unwrap();
    scene.ask(&setup.start().unwrap());
}

#[test]
fn a_log_on_a_full_disk_is_read_as_far_as_it_was_written() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let dir = bed.dir().join("full");
    small_disk(&dir, 64);
    // The log is a link to a file on the small disk.
    let path = dir.join("mail.log");
    let mut log = File::create(&path).unwrap();
    fs::remove_file(scene.log()).unwrap();
    std::os::unix::fs::symlink(&path, scene.log()).unwrap();
    let agent = scene.start();
    let mut next = 0;
    for round in 0..so_many(3, 30) {
        scene.ban_briefly(agent.setup());
        // As a logger does: what does not fit is lost, and the rest of a line with it.
        loop {
            let line = line(client(next));
            let written = log.write(line.as_bytes()).unwrap_or(0);
            if written < line.len() {
                break;
            }
            scene.note_offences(&[client(next)]);
            next += 1;
        }
        // The one whose line was torn, whatever stands behind it.
        let torn: IpAddr = client(next);
        next += 1;
        assert!(
            log.write_all(line(torn).as_bytes()).is_err(),
            "there is room"
        );
        until_counted(&scene, &agent);
        if round % 2 == 0 {
            fs::rename(&path, dir.join("mail.log.1")).unwrap();
            fs::remove_file(dir.join("mail.log.1")).unwrap();
            log = File::create(&path).unwrap();
        } else {
            log.set_len(0).unwrap();
            log = OpenOptions::new().append(true).open(&path).unwrap();
        }
        assert!(
            scene.ledger().fate(&net_of(torn)).is_none(),
            "nobody is banned for a torn line"
        );
    }
    scene.ask(&agent);
}

/// Waits until all lines so far were read.
fn until_counted(scene: &Scene<'_>, agent: &Agent<'_>) {
    let written: u64 = scene.ledger().lines().values().sum();
    agent
        .until("all lines read", &["source", "list"], |list| {
            (list["sources"][0]["understood"].as_u64()? >= written).then_some(())
        })
        .unwrap();
}
