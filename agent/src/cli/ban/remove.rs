//! `mailwall ban remove`.

use ipnet::IpNet;

use crate::{
    cli::{
        console::Console,
        exit::Exit,
        failure::Failure,
        net::{self, Nets},
        number::count,
    },
    control::protocol::{Answer, Request},
};

const EXAMPLES: &str = "EXAMPLES
  mailwall ban remove 203.0.113.7                        # let it in again
  mailwall ban remove 2001:db8:0:1::/64 203.0.113.0/24   # exactly as ban list shows them
  mailwall ban remove --from bans.txt                    # those in a file";

/// Let addresses and networks in again
///
/// They are named exactly as ban list shows them. Those without a ban are named on stderr, the others are let in all the
/// same; the exit code is 5 then. A host that goes on misbehaving is banned again: see mailwall allow.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    nets: Nets,
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Failure> {
    let nets = args.nets.read()?;
    let Answer::BanRemoved(answer) = console.ask(&Request::BanRemove { nets })? else {
        return Err(Failure::other_answer());
    };
    console.done_with(&answer, &answer.removed, || {
        format!("removed {}", bans_of(&answer.removed))
    })?;
    if !answer.still_covered.is_empty() {
        let wider: Vec<String> = answer.still_covered.iter().map(net::shown).collect();
        console.warn(&format!("still covered by the ban of {}", wider.join(", ")));
    }
    match answer.unknown.first() {
        None => Ok(Exit::Done),
        Some(net) => Err(Failure::new(
            Exit::Nothing,
            format!("no {}", bans_of(&answer.unknown).trim_start_matches("the ")),
        )
        .hint(format!(
            "mailwall ban check {} shows what covers it",
            net.addr()
        ))),
    }
}

fn bans_of(nets: &[IpNet]) -> String {
    match nets {
        [net] => format!("the ban of {}", net::shown(net)),
        nets => format!("the bans of {}", count(nets.len(), "network", "networks")),
    }
}
