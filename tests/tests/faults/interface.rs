//! The guarded interface is taken away and comes back.

use std::time::Duration;

use mailwall_tests::Testbed;
use serde_json::Value;

use crate::{Scene, scene::host, so_many};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_interface_that_comes_back_is_guarded_with_all_bans_made_meanwhile() {
    let bed = Testbed::new().unwrap();
    let scene = Scene::new(&bed);
    let mut agent = scene.start();
    for round in 0..so_many(3, 30) {
        scene.offend(20 * round..20 * round + 10);
        scene.ban(agent.setup(), host(3 * round), HOUR);
        bed.server().ip("link del mail0").unwrap();
        scene.offend(20 * round + 10..20 * round + 20);
        scene.ban(agent.setup(), host(3 * round + 1), HOUR);
        scene.ban(agent.setup(), host(3 * round + 2), Duration::from_secs(1));
        if round % 3 == 2 {
            agent = agent.restart().unwrap();
        }
        bed.plug_in().unwrap();
        scene.take_frames();
        let guarded = |status: &Value| {
            let mail0 = status["interfaces"]
                .as_array()?
                .iter()
                .find(|interface| interface["name"] == "mail0")?;
            mail0["mode"].as_str().map(drop)
        };
        agent
            .until("mail0 guarded again", &["status"], guarded)
            .unwrap();
        scene.until_well(&agent);
        scene.ask(&agent);
    }
}
