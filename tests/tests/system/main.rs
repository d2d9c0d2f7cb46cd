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
mod examples;
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
mod terminal;
mod testbed;
mod top;
mod trace;
mod upgrade;

use std::fs;

use mailwall_tests::{
    Agent, Server, Setup, Software, Testbed, config, find_ban, must, server_root, skip,
    wait_for_ban, wait_for_pardon,
};
use serde_json::Value;

/// More guesses than any rule lets pass.
const MANY: usize = 200;

/// An agent that follows a log that nobody writes.
fn quiet_agent<'a>(bed: &'a Testbed, more: &str) -> Agent<'a> {
    let log = bed.dir().join("mail.log");
    fs::write(&log, "").unwrap();
    let config = config(&log, "10m", more);
    Setup::new(bed, &config).unwrap().start().unwrap()
}

/// A mail server of that kind in a test bed. Nothing, said loudly, when its root could not be made.
fn with_server(test: &str, software: &Software, run: impl FnOnce(&Testbed, &Server)) {
    let root = server_root(software.name).unwrap();
    if !software.is_whole(&root) {
        skip(test, &format!("{} is not there", root.display()));
        return;
    }
    let bed = Testbed::new().unwrap();
    let server = Server::start(&bed, software).unwrap();
    run(&bed, &server);
}

/// Guesses recipients from `address` until the mail host answers no more, which is because `net` is banned.
#[track_caller]
fn provoke(bed: &Testbed, agent: &Agent<'_>, address: &str, net: &str) -> Value {
    let answered = bed.client(address).guess(MANY).unwrap();
    assert!(answered < MANY, "{address} made all its guesses");
    wait_for_ban(agent, net)
}
