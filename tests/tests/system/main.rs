//! System tests: real mail servers, clients, the agent and the kernel. They need root; `cargo xtask test` prepares and runs them.
//! Each test has a test bed of its own, so they run side by side.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod allowlist;
mod ban;
mod config;
mod control;
mod crash;
mod database;
mod doctor;
mod forgery;
mod hostile;
mod import;
mod interface;
mod kick;
mod limits;
mod log;
mod login;
mod metrics;
mod notify;
mod observe;
mod policy;
mod privilege;
mod readme;
mod servers;
mod service_manager;
mod source;
mod stop_spammers;
mod testbed;
mod top;
mod trace;
mod upgrade;

use std::{fs, path::Path};

use mailwall_tests::{Agent, Setup, Testbed};
use serde_json::Value;

/// More guesses than any rule lets pass.
const MANY: usize = 200;

/// A configuration that follows `log`, with first bans of length `first`, and with `more` in it.
fn config(log: &Path, first: &str, more: &str) -> String {
    format!(
        "{more}\n[ban]\nfirst = \"{first}\"\n\n[[source]]\nfile = \"{}\"\n",
        log.display()
    )
}

/// An agent that follows a log that nobody writes.
fn quiet_agent<'a>(bed: &'a Testbed, more: &str) -> Agent<'a> {
    let log = bed.dir().join("mail.log");
    fs::write(&log, "").unwrap();
    let config = config(&log, "10m", more);
    Setup::new(bed, &config).unwrap().start().unwrap()
}

/// The ban of `net` in what `mailwall ban list` prints.
fn find_ban<'a>(list: &'a Value, net: &str) -> Option<&'a Value> {
    list["bans"]
        .as_array()?
        .iter()
        .find(|ban| ban["net"] == *net)
}

/// Waits for the ban of `net`, and gives it.
#[track_caller]
fn wait_for_ban(agent: &Agent<'_>, net: &str) -> Value {
    agent
        .until(&format!("ban of {net}"), &["ban", "list"], |list| {
            find_ban(list, net).cloned()
        })
        .unwrap()
}

/// Waits until `net` is not banned.
#[track_caller]
fn wait_for_pardon(agent: &Agent<'_>, net: &str) {
    agent
        .until(
            &format!("end of the ban of {net}"),
            &["ban", "list"],
            |list| find_ban(list, net).is_none().then_some(()),
        )
        .unwrap();
}

/// Runs a command that must succeed.
#[track_caller]
fn must(agent: &Agent<'_>, words: &[&str]) {
    let answer = agent.cli(words).unwrap();
    assert_eq!(answer.code, Some(0), "{words:?}: {answer:?}");
}

/// Guesses recipients from `address` until the mail host answers no more, which is because `net` is banned.
#[track_caller]
fn provoke(bed: &Testbed, agent: &Agent<'_>, address: &str, net: &str) -> Value {
    let answered = bed.client(address).guess(MANY).unwrap();
    assert!(answered < MANY, "{address} made all its guesses");
    wait_for_ban(agent, net)
}
