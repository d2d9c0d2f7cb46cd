//! `mailwall breaker`: the pause of bans when the server itself seems broken.

use super::{console::Console, exit::Exit, failure::Failure, number::grouped, time};
use crate::{
    control::protocol::{Answer, BreakerShown, Request},
    duration,
};
use std::time::Duration;

const EXAMPLES: &str = "EXAMPLES
  mailwall breaker show              # do bans pause, since when and why?
  mailwall breaker resume            # the server is fine: let bans go on
  mailwall breaker show --json       # for programs";

const SHOW_EXAMPLES: &str = "EXAMPLES
  mailwall breaker show                        # do bans pause, since when and why?
  mailwall breaker show --plain | cut -f1      # paused or not
  mailwall breaker show --json                 # for programs";

const RESUME_EXAMPLES: &str = "EXAMPLES
  mailwall breaker resume                                    # bans go on at once
  mailwall breaker show && mailwall breaker resume           # after a look at why they pause
  mailwall breaker resume -q && echo \"bans had paused\"       # in a script: 5 is no pause";

/// Look at the pause of bans, and end it
///
/// When regulars get nothing done any more, or many hosts that are known would be banned, the server is likely to be broken and
/// not under attack: new bans pause until that has not been seen for a while, as the section breaker of the configuration says.
#[derive(clap::Subcommand, Debug)]
#[command(after_long_help = EXAMPLES)]
pub enum Command {
    Show(Show),
    Resume(Resume),
}

/// Show whether bans pause, since when and why
///
/// --plain: paused or not, since, until, bans that there would have been, until when nothing pauses bans, why.
#[derive(clap::Args, Debug)]
#[command(after_long_help = SHOW_EXAMPLES)]
pub struct Show {}

/// Let bans go on at once
///
/// For an hour nothing pauses them again. What would have been banned meanwhile is not made up for: who goes on misbehaving is
/// banned by what it does from now on. The exit code is 5 when bans did not pause.
#[derive(clap::Args, Debug)]
#[command(after_long_help = RESUME_EXAMPLES)]
pub struct Resume {}

pub(super) fn run(command: &Command, console: &mut Console) -> Result<Exit, Failure> {
    match command {
        Command::Show(Show {}) => show(console),
        Command::Resume(Resume {}) => resume(console),
    }
}

fn show(console: &mut Console) -> Result<Exit, Failure> {
    let Answer::BreakerShown(shown) = console.ask(&Request::BreakerShow)? else {
        return Err(Failure::other_answer());
    };
    let spared = shown.pause.as_ref().map(|pause| pause.spared.to_string());
    let pause = shown.pause.as_ref();
    let plain = [
        if pause.is_some() { "paused" } else { "not" },
        pause.map_or("", |pause| &pause.since),
        pause.map_or("", |pause| &pause.until),
        spared.as_deref().unwrap_or_default(),
        shown.muted_until.as_deref().unwrap_or_default(),
        pause.map_or("", |pause| &pause.reason),
    ];
    console.done(&shown, &plain, &sentence(&shown))?;
    Ok(Exit::Done)
}

fn sentence(shown: &BreakerShown) -> String {
    match (&shown.pause, &shown.muted_until) {
        (Some(pause), _) => format!(
            "bans pause since {} ({}): {}; {} would have been so far\n\
             they go on at {} if nothing more is seen of it, or at once with mailwall breaker resume",
            time::local_with_zone(&pause.since),
            time::ago(pause.age_s),
            pause.reason,
            grouped(pause.spared),
            time::local_with_zone(&pause.until),
        ),
        (None, _) if !shown.enabled => {
            "bans never pause: [breaker] enabled = false in the configuration".to_owned()
        }
        (None, Some(until)) => format!(
            "bans do not pause, and will not before {}: an operator let them go on",
            time::local_with_zone(until)
        ),
        (None, None) => format!(
            "bans do not pause; they would if {} regular hosts ({} % of those seen) got nothing done, or {} bans came with one \
             in ten of known hosts, within {}",
            shown.hosts,
            shown.share,
            grouped(u64::from(shown.bans)),
            duration::format(Duration::from_secs(shown.within_s)),
        ),
    }
}

fn resume(console: &mut Console) -> Result<Exit, Failure> {
    let Answer::BreakerResumed(resumed) = console.ask(&Request::BreakerResume)? else {
        return Err(Failure::other_answer());
    };
    let until = resumed.muted_until.as_deref().unwrap_or_default();
    let spared = resumed.spared.to_string();
    let sentence = match resumed.resumed {
        true => format!(
            "bans go on; nothing pauses them before {}, {} would have been meanwhile",
            time::local_with_zone(until),
            grouped(resumed.spared)
        ),
        false => "bans do not pause".to_owned(),
    };
    console.done(&resumed, &[&spared, until], &sentence)?;
    Ok(match resumed.resumed {
        true => Exit::Done,
        false => Exit::Nothing,
    })
}
