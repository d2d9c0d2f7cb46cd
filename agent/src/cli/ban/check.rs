//! `mailwall ban check`.

use std::net::IpAddr;

use super::table;
use crate::{
    cli::{
        console::{Console, Format, Volume},
        exit::Exit,
        failure::Failure,
        net,
        number::{count, grouped},
        time,
    },
    control::protocol::{Answer, BanCheck, BanView, Request},
    line,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall ban check 203.0.113.7                          # with the log lines that led to it
  mailwall ban check -q 203.0.113.7 && echo banned        # in a script: 0 is banned, 5 is not
  mailwall ban check --json 2001:db8:0:1::5               # the same for programs";

/// Most characters of a value.
const VALUE_MAX: usize = 1024;

/// Look up whether an address is shut out, since when and why
///
/// Exit code 0 when it is, 5 when it is not. --plain prints the bans that cover it in the columns of ban list, the narrowest
/// first.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The address
    #[arg(value_name = "IP", value_parser = net::parse_address)]
    address: IpAddr,
}

pub(super) fn run(args: Args, console: &mut Console) -> Result<Exit, Failure> {
    let request = Request::BanCheck {
        address: args.address,
    };
    let Answer::BanCheck(check) = console.ask(&request)? else {
        return Err(Failure::other_answer());
    };
    match console.format {
        Format::Json => console.json(&check)?,
        Format::Plain => table(&check.bans).write_plain(console.out())?,
        Format::Human if console.volume == Volume::Quiet => {}
        Format::Human => human(&check, console)?,
    }
    Ok(if check.banned {
        Exit::Done
    } else {
        Exit::Nothing
    })
}

fn human(check: &BanCheck, console: &mut Console) -> Result<(), Failure> {
    let verdict = if check.banned {
        "is banned"
    } else {
        "is not banned"
    };
    console.line(&format!("{} {verdict}", check.address))?;
    if let Some(entry) = &check.allowed {
        let reason = line::escaped(entry.reason.as_bytes(), VALUE_MAX);
        let (net, origin) = (net::shown(&entry.net), &entry.origin);
        console.line(&format!("  allowed by {net} ({origin}): {reason}"))?;
    }
    for ban in &check.bans {
        console.line("")?;
        show(ban, console)?;
    }
    Ok(())
}

fn show(ban: &BanView, console: &mut Console) -> Result<(), Failure> {
    let since = format!(
        "{} ({})",
        time::local_with_zone(&ban.since),
        time::ago(ban.age_s)
    );
    let ends = match (&ban.ends, ban.remaining_s) {
        (Some(at), Some(left)) => {
            format!("{} ({})", time::local_with_zone(at), time::ahead(left))
        }
        (Some(at), None) => time::local_with_zone(at),
        (None, _) => "never".to_owned(),
    };
    let facts = [
        ("NET", net::shown(&ban.net)),
        ("RULE", ban.rule.clone()),
        ("SINCE", since),
        ("ENDS", ends),
        ("OFFENCES", grouped(u64::from(ban.offences))),
        ("EARLIER", count(usize::from(ban.level), "ban", "bans")),
        (
            "DROPPED",
            ban.dropped.map_or_else(|| "not known".to_owned(), grouped),
        ),
        ("REASON", ban.reason.clone()),
    ];
    console.facts(&facts)?;
    for evidence in &ban.evidence {
        let at = time::local(&evidence.at);
        let text = line::escaped(evidence.text.as_bytes(), VALUE_MAX);
        console.line(&format!("  {at}  {text}"))?;
    }
    Ok(())
}
