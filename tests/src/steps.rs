//! Steps that most tests take. They panic where the agent does not do what it must, so that a test reads like what happens.

use std::path::Path;

use serde_json::Value;

use crate::Agent;

/// A configuration that follows `log`, with first bans of length `first`, and with `more` in it.
pub fn config(log: &Path, first: &str, more: &str) -> String {
    format!(
        "{more}\n[ban]\nfirst = \"{first}\"\n\n[[source]]\nfile = \"{}\"\n",
        log.display()
    )
}

/// The ban of `net` in what `mailwall ban list` prints.
pub fn find_ban<'a>(list: &'a Value, net: &str) -> Option<&'a Value> {
    list["bans"]
        .as_array()?
        .iter()
        .find(|ban| ban["net"] == *net)
}

/// Waits for the ban of `net`, and gives it.
#[track_caller]
pub fn wait_for_ban(agent: &Agent<'_>, net: &str) -> Value {
    let ban = agent.until(&format!("ban of {net}"), &["ban", "list"], |list| {
        find_ban(list, net).cloned()
    });
    ban.expect("the agent bans")
}

/// Waits until `net` is not banned.
#[track_caller]
pub fn wait_for_pardon(agent: &Agent<'_>, net: &str) {
    let what = format!("end of the ban of {net}");
    let pardon = agent.until(&what, &["ban", "list"], |list| {
        find_ban(list, net).is_none().then_some(())
    });
    pardon.expect("bans end");
}

/// Runs a command that must succeed.
#[track_caller]
pub fn must(agent: &Agent<'_>, words: &[&str]) {
    let answer = agent.cli(words).expect("the agent's binary runs");
    assert_eq!(answer.code, Some(0), "{words:?}: {answer:?}");
}
