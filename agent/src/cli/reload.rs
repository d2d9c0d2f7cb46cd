//! `mailwall reload`: the configuration is read again.

use super::{
    console::{Console, Format, Volume},
    exit::Exit,
    failure::Failure,
};
use crate::{
    control::protocol::{Answer, Request},
    line,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall reload                               # says what changed
  mailwall config check && mailwall reload      # only what is right
  mailwall reload --json                        # for programs";

/// Most characters of a change.
const CHANGE_MAX: usize = 1024;

/// Read the configuration again, and put it in force
///
/// Bans stay. Where the configuration is wrong, the one in force stays in force. What takes effect only at the next start is
/// named on stderr.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {}

pub(super) fn run(_: Args, console: &mut Console) -> Result<Exit, Failure> {
    let Answer::Reloaded(reloaded) = console.ask(&Request::Reload)? else {
        return Err(Failure::other_answer());
    };
    match console.format {
        Format::Json => console.json(&reloaded)?,
        Format::Human if console.volume == Volume::Quiet => {}
        Format::Human if reloaded.changes.is_empty() => console.line("nothing changed")?,
        Format::Human | Format::Plain => {
            for change in &reloaded.changes {
                console.line(&line::escaped(change.as_bytes(), CHANGE_MAX))?;
            }
        }
    }
    for setting in &reloaded.needs_restart {
        console.warn(&format!("needs a restart: {setting}"));
    }
    Ok(Exit::Done)
}
