//! Memory is short: what the agent allocates is limited, as a service manager would.

use std::time::Duration;

use mailwall_tests::Testbed;

use crate::{
    Scene,
    scene::{client, host, net_of},
    so_many,
};

const HOUR: Duration = Duration::from_secs(3600);
/// Bytes that the agent may allocate, stacks of its threads among them: more than it needs for what its tables hold at most.
const ENOUGH: &str = "--data=402653184";
/// Fewer than it needs to start with the bans there are.
const TOO_FEW: &str = "--data=3145728";

#[test]
fn a_flood_of_hosts_needs_no_more_memory_than_the_tables_are_given() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let setup = scene.setup("").started_by(&["prlimit", ENOUGH]);
    let agent = setup.start().unwrap();
    scene.until_following(&agent);
    scene.ban(agent.setup(), host(0), HOUR);
    scene.ban_briefly(agent.setup());
    let hosts = so_many(5_000, 50_000);
    for first in (0..hosts).step_by(1000) {
        scene.offend(first..first + 1000);
    }
    scene.ask(&agent);
}

#[test]
fn an_agent_without_memory_ends_and_the_next_one_goes_on_where_it_was() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let agent = scene.start();
    let hosts = so_many(5_000, 50_000);
    scene.offend(0..hosts);
    scene.ban(agent.setup(), host(0), HOUR);
    scene.ask(&agent);
    scene.ban_briefly(agent.setup());
    let (_, setup) = agent.stop().unwrap();
    // It is started again and again, as a service manager does.
    let starved = setup.started_by(&["prlimit", TOO_FEW]);
    let mut starved = Some(starved);
    for round in 0..3 {
        scene.offend(hosts + 10 * round..hosts + 10 * round + 10);
        let agent = starved.take().unwrap().launch().unwrap();
        let (status, setup) = agent.wait_for_end().unwrap();
        assert!(!status.success(), "{status}");
        scene.note_death();
        starved = Some(setup);
    }
    let held: Vec<_> = (0..50).map(|number| net_of(client(number))).collect();
    assert_eq!(scene.arrived(&held), 0, "banned, and let in");
    let agent = starved
        .take()
        .unwrap()
        .started_by(&["prlimit", ENOUGH])
        .start()
        .unwrap();
    scene.ask(&agent);
}
