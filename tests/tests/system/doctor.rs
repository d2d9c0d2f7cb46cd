//! What `mailwall doctor` finds on the mail host of a test bed.

use std::path::Path;

use aya::{
    Ebpf, include_bytes_aligned,
    programs::{Xdp, XdpMode, links::FdLink},
};
use mailwall_tests::{MailServer, Setup, Testbed};
use serde_json::Value;

use crate::config;

static OBJECT: &[u8] = include_bytes_aligned!("../../../agent/bpf/mailwall.bpf.o");

#[test]
fn the_doctor_sees_who_has_the_hook() {
    let bed = Testbed::new().unwrap();
    let setup = setup(&bed);
    let found = examine(&setup, 0);
    for topic in [
        "privileges",
        "kernel",
        "program",
        "kicks",
        "BPF file system",
    ] {
        assert_eq!(finding(&found, topic)["level"], "ok", "{found}");
    }
    let text = text_of(&found, "interface mail0");
    assert!(text.starts_with("veth, MTU 1500, "), "{text}");
    assert!(text.contains("; free, "), "{text}");

    let pin = bed.bpffs().join("intruder");
    bed.server()
        .enter(|| {
            intrude("mail0", &pin);
            Ok(())
        })
        .unwrap();
    let found = examine(&setup, 1);
    assert_eq!(found["findings"][0]["topic"], "interface mail0", "{found}");
    assert_eq!(found["findings"][0]["level"], "problem", "{found}");
    let text = text_of(&found, "interface mail0");
    assert!(
        text.starts_with("XDP is taken by intruder, program "),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("pinned at {}", pin.display())),
        "{text}"
    );
    let advice = finding(&found, "interface mail0")["advice"].as_str();
    assert!(advice.unwrap().contains("`rm "), "{found}");
}

#[test]
fn the_doctor_sees_who_listens() {
    let bed = Testbed::new().unwrap();
    let setup = setup(&bed);
    let found = examine(&setup, 0);
    assert_eq!(finding(&found, "listeners")["level"], "warning", "{found}");

    let _server = MailServer::start_responder(&bed).unwrap();
    let found = examine(&setup, 0);
    assert_eq!(finding(&found, "listeners")["level"], "ok", "{found}");
    let text = text_of(&found, "listeners");
    assert!(text.starts_with("25: "), "{text}");
    assert!(text.ends_with("; 465, 587: nobody"), "{text}");
}

fn setup(bed: &Testbed) -> Setup<'_> {
    let filter = "[filter]\nattach = \"native\"\n";
    let config = config(&bed.dir().join("mail.log"), "10m", filter);
    Setup::new(bed, &config).unwrap()
}

/// What `mailwall doctor --json` prints when it ends with that code.
#[track_caller]
fn examine(setup: &Setup<'_>, code: i32) -> Value {
    let answer = setup.cli(&["doctor", "--json"]).unwrap();
    assert_eq!(answer.code, Some(code), "{answer:?}");
    serde_json::from_str(&answer.stdout).unwrap()
}

/// The first finding of that topic.
#[track_caller]
fn finding<'a>(found: &'a Value, topic: &str) -> &'a Value {
    let findings = found["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["topic"] == topic);
    finding.unwrap_or_else(|| panic!("no {topic} in {found}"))
}

#[track_caller]
fn text_of<'a>(found: &'a Value, topic: &str) -> &'a str {
    finding(found, topic)["text"].as_str().unwrap()
}

/// Puts a program of another name on the interface, by a link that is pinned.
fn intrude(interface: &str, pin: &Path) {
    let (own, other) = (b"mailwall", b"intruder");
    let mut object = OBJECT.to_vec();
    for at in 0..object.len() - own.len() {
        if object[at..].starts_with(own) {
            object[at..at + own.len()].copy_from_slice(other);
        }
    }
    let mut ebpf = Ebpf::load(&object).unwrap();
    let program: &mut Xdp = ebpf.program_mut("intruder").unwrap().try_into().unwrap();
    program.load().unwrap();
    let id = program.attach(interface, XdpMode::Driver).unwrap();
    let link = FdLink::try_from(program.take_link(id).unwrap()).unwrap();
    // The pin is all that holds it then.
    drop(link.pin(pin).unwrap());
}
