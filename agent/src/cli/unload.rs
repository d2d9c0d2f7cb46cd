//! `mailwall unload`: the filter is taken out of the kernel.

use super::{console::Console, exit::Exit, failure::Failure};
use crate::{
    control::protocol::{Answer, Request, SCHEMA},
    filter,
};

const EXAMPLES: &str = "EXAMPLES
  systemctl stop mailwall && mailwall unload     # nobody is shut out any more
  mailwall unload --bpffs-dir /run/bpf/mailwall  # where the agent had other pins
  mailwall unload --json                         # for programs";

/// Take the filter out of the kernel
///
/// When the agent stops, the filter stays: bans hold, and end. This takes it off all interfaces, with all maps; every host gets
/// through. Bans are still in the database: the next start puts them in force again. The agent must not be running.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {}

pub(super) fn run(_: Args, console: &mut Console) -> Result<Exit, Failure> {
    if let Ok(Answer::Status(status)) = console.ask(&Request::Status) {
        return Err(Failure::usage(format!(
            "the agent is running (pid {}) and would put the filter back",
            status.pid
        ))
        .hint("systemctl stop mailwall, then mailwall unload"));
    }
    let dir = console.paths.bpffs_dir.clone();
    // For others than root the folder may be out of sight, and what is in it.
    let was_there = dir.try_exists().map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot look into {}: {error}", dir.display()),
        )
        .hint("run it as root")
    })?;
    filter::remove_pins(&dir).map_err(|error| Failure::from_chain(Exit::Failed, &error))?;
    let sentence = if was_there {
        "took the filter out of the kernel: nobody is shut out"
    } else {
        "there was no filter in the kernel"
    };
    let answer = serde_json::json!({ "schema": SCHEMA, "removed": was_there });
    console.done(
        &answer,
        &[if was_there { "removed" } else { "absent" }],
        sentence,
    )?;
    Ok(Exit::Done)
}
