//! Interfaces that are missing, and ways to attach.

use mailwall_tests::{
    Agent, MailServer, Outcome, Setup, Testbed,
    packet::{Frame, SYN},
    wire::{Wire, segments_received},
};
use serde_json::Value;

use crate::{config, must, quiet_agent};

#[test]
fn an_agent_without_its_interface_runs_and_says_so() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "[filter]\ninterfaces = [\"missing0\"]\n");
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["interfaces"][0]["name"], "missing0");
    assert!(status["interfaces"][0]["mode"].is_null(), "{status}");
    let problem = status["interfaces"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("mail0"), "names what is there: {problem}");
    assert_ne!(status["problems"], serde_json::json!([]));
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "1h"]);
}

#[test]
fn an_interface_that_comes_later_is_guarded_then() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "[filter]\ninterfaces = [\"late0\"]\n");
    bed.server()
        .ip("link add late0 type veth peer name late1")
        .unwrap();
    agent
        .until("the filter on the late interface", &["status"], |status| {
            status["interfaces"][0]["mode"].as_str().map(drop)
        })
        .unwrap();
}

#[test]
fn the_generic_way_to_attach_drops_as_well() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "[filter]\nattach = \"generic\"\n");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["interfaces"][0]["mode"], "generic");
    must(
        &agent,
        &[
            "ban",
            "add",
            "203.0.113.7",
            "2001:db8:100:1::/64",
            "--for",
            "1h",
        ],
    );
    for address in ["203.0.113.7", "2001:db8:100:1::9"] {
        let outcome = bed.client(address).send("alice@example.test").unwrap();
        assert_eq!(outcome, Outcome::Dropped, "{address}");
    }
    let outcome = bed.client("192.0.2.10").send("alice@example.test").unwrap();
    assert_eq!(outcome, Outcome::Delivered);
}

#[test]
fn an_interface_of_a_default_route_is_found_and_guarded_natively() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["interfaces"][0]["name"], "mail0");
    assert_eq!(status["interfaces"][0]["mode"], "native");
    assert_eq!(status["interfaces"].as_array().unwrap().len(), 1);
    assert_eq!(status["problems"], serde_json::json!([]), "{status}");
}

#[test]
fn an_interface_that_goes_is_told_and_is_guarded_when_it_comes_back() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "[filter]\ninterfaces = [\"mail0\", \"late0\"]\n");
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "1h"]);
    for _ in 0..3 {
        add_late_interface(&bed);
        until_guarded(&agent, &["mail0", "late0"]);
        assert_eq!(arrived(&bed, "203.0.113.7"), 0);
        assert_eq!(arrived(&bed, "203.0.113.8"), 1);
        bed.server().ip("link del late0").unwrap();
        let problem = agent
            .until("the interface that is gone", &["status"], |status| {
                let late = &status["interfaces"][1];
                let is_told = late["name"] == "late0" && late["mode"].is_null();
                is_told.then(|| late["problem"].as_str().map(str::to_owned))?
            })
            .unwrap();
        assert!(problem.contains("late0 does not exist"), "{problem}");
    }
    until_guarded_beside(&agent, &["mail0"]);
}

#[test]
fn auto_follows_the_default_routes_of_both_families() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "1h"]);
    until_guarded(&agent, &["mail0"]);
    add_late_interface(&bed);

    bed.server().ip("route replace default dev late0").unwrap();
    until_guarded(&agent, &["late0", "mail0"]);
    assert_eq!(arrived(&bed, "203.0.113.7"), 0);
    bed.server()
        .ip("-6 route del default via 2001:db8:77::2")
        .unwrap();
    until_guarded(&agent, &["late0"]);

    // A route that is gone may come back, and mail with it.
    bed.server().ip("route del default").unwrap();
    agent
        .until("the route that is gone", &["status"], |status| {
            let problems = status["problems"].to_string();
            problems
                .contains("no interface carries a default route; late0 stays guarded")
                .then_some(())
        })
        .unwrap();
    assert_eq!(guarded(&agent.json(&["status"]).unwrap()), ["late0"]);
    assert_eq!(arrived(&bed, "203.0.113.7"), 0);

    bed.server().ip("route add default via 192.0.2.2").unwrap();
    until_guarded(&agent, &["mail0"]);
    assert_eq!(arrived(&bed, "203.0.113.7"), 1);
}

#[test]
fn tc_is_told_and_drops_as_well() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let config = config(server.log(), "10m", "[filter]\nattach = \"tc\"\n");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["interfaces"][0]["mode"], "tc");
    assert_eq!(status["problems"], serde_json::json!([]), "{status}");
    must(&agent, &["ban", "add", "203.0.113.7", "--for", "1h"]);
    let agent = agent.restart().unwrap();
    for (address, expected) in [
        ("203.0.113.7", Outcome::Dropped),
        ("192.0.2.10", Outcome::Delivered),
    ] {
        let outcome = bed.client(address).send("alice@example.test").unwrap();
        assert_eq!(outcome, expected, "{address}");
    }
    let doctor = agent.cli(&["doctor", "--plain"]).unwrap();
    assert!(doctor.stdout.contains("guarded in tc mode"), "{doctor:?}");
}

/// A second cable to the clients' host, `far0` there and `late0` here, where frames of the tests are for.
fn add_late_interface(bed: &Testbed) {
    let clients = bed.clients().path();
    bed.server()
        .ip(&format!(
            "link add late0 address 02:00:00:00:00:01 type veth peer name far0 netns {clients}"
        ))
        .unwrap();
    bed.clients().ip("link set far0 up").unwrap();
    for words in [
        "link set late0 up",
        "address add 192.0.2.25/32 dev late0",
        "route add 203.0.113.0/24 dev late0",
    ] {
        bed.server().ip(words).unwrap();
    }
}

/// Sends a SYN to the guarded port over the second cable; tells how many arrived.
fn arrived(bed: &Testbed, source: &str) -> u64 {
    let wire = bed.clients().enter(|| Wire::open("far0")).unwrap();
    let frame = Frame::new().ip(source.parse().unwrap()).tcp(25, SYN);
    bed.server()
        .enter(|| segments_received(|frame| wire.send(frame), |send| send(&frame)))
        .unwrap()
}

/// Waits until exactly these are guarded, natively, and nothing is wrong.
#[track_caller]
fn until_guarded(agent: &Agent<'_>, names: &[&str]) {
    until_guarded_beside(agent, names);
    let status = agent.json(&["status"]).unwrap();
    assert_eq!(status["problems"], serde_json::json!([]), "{status}");
    for interface in status["interfaces"].as_array().unwrap() {
        assert_eq!(interface["mode"], "native", "{status}");
    }
}

/// Waits until exactly these are guarded, whatever becomes of others.
#[track_caller]
fn until_guarded_beside(agent: &Agent<'_>, names: &[&str]) {
    agent
        .until(&format!("the filter on {names:?}"), &["status"], |status| {
            (guarded(status) == names).then_some(())
        })
        .unwrap();
}

fn guarded(status: &Value) -> Vec<&str> {
    let interfaces = status["interfaces"].as_array().unwrap().iter();
    interfaces
        .filter(|interface| !interface["mode"].is_null())
        .filter_map(|interface| interface["name"].as_str())
        .collect()
}
