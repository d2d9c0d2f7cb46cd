//! Interfaces that are missing, and ways to attach.

use mailwall_tests::{MailServer, Outcome, Setup, Testbed};

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
