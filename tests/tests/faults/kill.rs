//! The agent is killed under load, at random points: also while it starts, reloads, bans or ends bans.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use mailwall_tests::{Random, Setup, Testbed};

use crate::{Scene, scene::host, so_many};

/// Hosts that are banned and freed by hand.
const HOSTS: usize = 400;
const HOUR: Duration = Duration::from_secs(3600);

/// Ends the load also when a test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn kills_at_random_points_lose_no_ban_and_repeat_none() {
    let kills = so_many(5, 200);
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let by_hand = scene.setup("");
    let mut random = Random::new(kills as u64);
    let over = AtomicBool::new(false);
    let mut agent = scene.start();
    let mut agent = thread::scope(|scope| {
        let _end = End(&over);
        scope.spawn(|| log_until(&over, &scene));
        scope.spawn(|| ban_until(&over, &scene, &by_hand));
        scope.spawn(|| reload_until(&over, &by_hand));
        for _ in 0..kills {
            if random.chance(70) {
                agent.wait_until_up().unwrap();
            }
            thread::sleep(Duration::from_millis(random.below(500) as u64));
            agent = scene.kill(agent).launch().unwrap();
        }
        agent
    });
    agent.wait_until_up().unwrap();
    scene.ask(&agent);

    // All of it is in the database as well.
    let setup = scene.kill(agent);
    bed.lose_pins().unwrap();
    scene.ask(&setup.start().unwrap());
}

fn log_until(over: &AtomicBool, scene: &Scene<'_>) {
    let mut random = Random::new(1);
    let mut next = 0;
    while !over.load(Ordering::Relaxed) {
        let count = 1 + random.below(3);
        scene.offend(next..next + count);
        next += count;
        thread::sleep(Duration::from_millis(50));
    }
}

fn ban_until(over: &AtomicBool, scene: &Scene<'_>, setup: &Setup<'_>) {
    let mut random = Random::new(2);
    while !over.load(Ordering::Relaxed) {
        let net = host(random.below(HOSTS));
        match random.below(4) {
            0 => scene.unban(setup, net),
            // Some end amid it.
            1 => drop(scene.ban(setup, net, Duration::from_secs(3))),
            _ => drop(scene.ban(setup, net, HOUR)),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn reload_until(over: &AtomicBool, setup: &Setup<'_>) {
    while !over.load(Ordering::Relaxed) {
        // An agent that is not there reloads nothing.
        let _answer = setup.cli(&["reload"]);
        thread::sleep(Duration::from_millis(200));
    }
}
