//! Who may ask the agent for what.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
};

use mailwall_tests::{Agent, Answer, Setup, Testbed};
use nix::unistd::Group;

use crate::config;

/// A user without any rights: `nobody`.
const NOBODY: u32 = 65_534;
/// A group that every Debian has.
const GROUP: &str = "mail";

#[test]
fn a_stranger_changes_nothing() {
    let bed = Testbed::new().unwrap();
    let agent = public_agent(&bed, "");
    for words in [
        &["ban", "add", "203.0.113.7", "--for", "1h"][..],
        &["allow", "add", "203.0.113.7"],
        &["reload"],
    ] {
        let answer = run_as(&agent, NOBODY, words);
        assert_eq!(answer.code, Some(4), "{words:?}: {answer:?}");
        assert!(!answer.stderr.is_empty());
    }
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
}

#[test]
fn members_of_the_sockets_group_may_ban() {
    let bed = Testbed::new().unwrap();
    let agent = public_agent(&bed, &format!("[control]\ngroup = \"{GROUP}\"\n"));
    let group = Group::from_name(GROUP).unwrap().unwrap();
    let words = ["ban", "add", "203.0.113.7", "--for", "1h"];
    let answer = run_as(&agent, NOBODY, &words);
    assert_eq!(answer.code, Some(4), "{answer:?}");
    let answer = run_as(&agent, group.gid.as_raw(), &words);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 1);
}

#[test]
fn without_an_agent_every_question_ends_with_3_and_a_hint() {
    let bed = Testbed::new().unwrap();
    let setup = Setup::new(&bed, "").unwrap();
    for words in [
        &["status"][..],
        &["ban", "list"],
        &["ban", "add", "203.0.113.7"],
        &["counters"],
    ] {
        let answer = setup.cli(words).unwrap();
        assert_eq!(answer.code, Some(3), "{words:?}: {answer:?}");
        assert!(
            answer.stderr.contains("control.sock"),
            "{words:?}: {answer:?}"
        );
    }
}

/// An agent whose binary and socket others can reach.
fn public_agent<'a>(bed: &'a Testbed, more: &str) -> Agent<'a> {
    fs::set_permissions(bed.dir(), Permissions::from_mode(0o755)).unwrap();
    let binary = bed.dir().join("mailwall");
    fs::copy(mailwall_tests::agent_binary().unwrap(), &binary).unwrap();
    let config = config(&bed.dir().join("mail.log"), "10m", more);
    Setup::new(bed, &config)
        .unwrap()
        .using(&binary)
        .start()
        .unwrap()
}

/// Runs a command as `nobody` with that group.
fn run_as(agent: &Agent<'_>, group: u32, words: &[&str]) -> Answer {
    let mut command = agent.setup().command(words);
    command.uid(NOBODY).gid(group);
    agent.setup().run(&mut command).unwrap()
}
