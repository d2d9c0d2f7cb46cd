//! The BPF file system is unmounted, or what is pinned there is removed, under a running agent.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    time::Duration,
};

use mailwall_tests::{Agent, Testbed};
use nix::mount::{MntFlags, umount2};

use crate::{Scene, scene::host, so_many};

const HOUR: Duration = Duration::from_secs(3600);
/// A user that every Debian has, and whose only group is its own.
const USER: &str = "mail";

#[test]
fn pins_that_are_taken_away_are_told_and_put_back_and_bans_hold_throughout() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let mut agent = scene.start();
    for round in 0..so_many(2, 3) {
        scene.offend(20 * round..20 * round + 10);
        scene.ban(agent.setup(), host(2 * round), HOUR);
        scene.ask(&agent);
        scene.ban_briefly(agent.setup());
        let own = bed.bpffs().join("mailwall");
        match round % 3 {
            0 => fs::remove_dir_all(own.join("2")).unwrap(),
            1 => umount2(&bed.bpffs(), MntFlags::MNT_DETACH).unwrap(),
            // The agent has mounted one.
            _ => umount2(&own, MntFlags::MNT_DETACH).unwrap(),
        }
        scene.ask_the_kernel();
        scene.offend(20 * round + 10..20 * round + 20);
        scene.ban(agent.setup(), host(2 * round + 1), HOUR);
        scene.ask(&agent);
        // Once it has put them back, bans hold without it.
        agent
            .until("pins again", &["status"], |status| {
                let is_well = status["problems"].as_array()?.is_empty();
                (is_well && bed.bpffs().join("mailwall/2/SETTINGS").exists()).then_some(())
            })
            .unwrap();
        let setup = scene.kill(agent);
        scene.ask_the_kernel();
        agent = setup.start().unwrap();
        scene.ask(&agent);
    }
}

/// The service's user may mount nothing: it says so while bans hold, and a restart, which begins as root, puts it right.
#[test]
fn without_root_an_unmounted_file_system_is_told_and_a_restart_mends_it() {
    let bed = Testbed::new().unwrap();
    fs::set_permissions(bed.dir(), Permissions::from_mode(0o755)).unwrap();
    let scene = Scene::new(&bed);
    let setup = scene.setup("").running_as(USER);
    let mut agent: Agent<'_> = setup.start().unwrap();
    scene.until_following(&agent);
    for round in 0..2 {
        scene.offend(20 * round..20 * round + 10);
        scene.ask(&agent);
        scene.ban_briefly(agent.setup());
        let mounted = match round {
            0 => bed.bpffs(),
            // The agent has mounted one.
            _ => bed.bpffs().join("mailwall"),
        };
        umount2(&mounted, MntFlags::MNT_DETACH).unwrap();
        scene.ask_the_kernel();
        let told = scene.until_problem(&agent, "bans hold only while mailwall runs");
        assert!(
            told.contains("is not mounted there any more") && told.contains("restart mailwall"),
            "{told}"
        );
        // It goes on with its work.
        scene.offend(20 * round + 10..20 * round + 20);
        scene.ban(agent.setup(), host(round), HOUR);
        scene.ask(&agent);
        if round == 1 {
            // Somebody mounts another.
            bed.mount_bpffs().unwrap();
        }
        agent = agent.restart().unwrap();
        scene.until_well(&agent);
        assert!(bed.bpffs().join("mailwall/2/SETTINGS").exists());
        scene.ask(&agent);
    }
}
