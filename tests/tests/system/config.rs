//! Configurations that are wrong, and that change.

use mailwall_tests::{Setup, Testbed};
use nix::sys::signal::Signal;

use crate::{config, must, quiet_agent};

const BROKEN: &str = "[filter]\nprots = [25]\n";

#[test]
fn an_agent_with_a_broken_config_does_not_start_and_says_where_it_is_broken() {
    let bed = Testbed::new().unwrap();
    let setup = Setup::new(&bed, BROKEN).unwrap();
    let answer = setup.cli(&["run"]).unwrap();
    assert_eq!(answer.code, Some(78), "{answer:?}");
    for part in ["mailwall.toml:2:1", "prots", "ports"] {
        assert!(answer.stderr.contains(part), "{part} in {answer:?}");
    }
    assert!(!setup.socket().exists());
    assert!(!bed.bpffs().join("mailwall").exists(), "nothing was pinned");
    let answer = setup.cli(&["config", "check"]).unwrap();
    assert_eq!(answer.code, Some(2), "{answer:?}");
}

#[test]
fn a_broken_config_at_a_reload_leaves_the_old_one_in_force() {
    let bed = Testbed::new().unwrap();
    let mut agent = quiet_agent(&bed, "[allow]\nnetworks = [\"198.51.100.0/24\"]\n");
    let before = agent.json(&["allow", "list"]).unwrap();
    agent.setup().write_config(BROKEN).unwrap();
    let answer = agent.cli(&["reload"]).unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.contains("mailwall.toml:2:1"), "{answer:?}");
    agent.signal(Signal::SIGHUP).unwrap();
    assert_eq!(agent.json(&["allow", "list"]).unwrap(), before);
    assert_eq!(agent.json(&["status"]).unwrap()["pid"], agent.pid());
}

#[test]
fn a_changed_config_is_in_force_after_sighup() {
    let bed = Testbed::new().unwrap();
    let mut agent = quiet_agent(&bed, "");
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "1h"]);
    let more = "[filter]\nports = [25, 2525]\nmode = \"observe\"\n[allow]\nnetworks = [\"203.0.113.0/24\"]\n";
    let changed = config(&bed.dir().join("mail.log"), "10m", more);
    agent.setup().write_config(&changed).unwrap();
    agent.signal(Signal::SIGHUP).unwrap();
    agent
        .until("the changed settings", &["status"], |status| {
            let done = status["mode"] == "observe"
                && status["ports"] == serde_json::json!([25, 2525])
                && status["bans"] == 0;
            done.then_some(())
        })
        .unwrap();
}

#[test]
fn the_default_config_is_a_config_that_says_what_is_in_force_without_one() {
    let bed = Testbed::new().unwrap();
    let setup = Setup::new(&bed, "").unwrap();
    let without = setup.cli(&["config", "show"]).unwrap();
    let default = setup.cli(&["config", "default"]).unwrap();
    setup.write_config(&default.stdout).unwrap();
    assert_eq!(setup.cli(&["config", "check"]).unwrap().code, Some(0));
    let with = setup.cli(&["config", "show"]).unwrap();
    assert_eq!(with.stdout, without.stdout);
}
