//! Observing: everything is judged and counted, nothing is dropped.

use mailwall_tests::{MailServer, Outcome, Setup, Testbed};

use crate::{config, must, wait_for_ban};

const OBSERVE: &str = "[filter]\nmode = \"observe\"\n";

#[test]
fn an_observed_attacker_is_banned_on_paper_only() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let setup = Setup::new(&bed, &config(server.log(), "10m", OBSERVE)).unwrap();
    let agent = setup.start().unwrap();
    let attacker = bed.client("203.0.113.7");
    assert_eq!(attacker.guess(40).unwrap(), 40);
    wait_for_ban(&agent, "203.0.113.7/32");
    assert_eq!(
        attacker.send("alice@example.test").unwrap(),
        Outcome::Delivered
    );
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["mode"], "observe");
    assert!(
        status["dropped"].as_u64().unwrap() > 0,
        "what would have been dropped is counted"
    );

    agent
        .setup()
        .write_config(&config(server.log(), "10m", ""))
        .unwrap();
    must(&agent, &["reload"]);
    assert_eq!(agent.json(&["status"]).unwrap()["mode"], "enforce");
    assert_eq!(
        attacker.send("alice@example.test").unwrap(),
        Outcome::Dropped
    );
}
