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

/// What stands where the log lines would. Those of the newest bans are kept, up to 32 MB (`EVIDENCE_BYTES_MAX`).
const FORGOTTEN: &str =
    "  the log lines that led to it are kept no longer in memory; the database has them";

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
        Format::Plain => table(&check.bans, Format::Plain).write_plain(console.out())?,
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
        ("RULE", rule(ban)),
        ("SINCE", since),
        ("ENDS", ends),
        ("OFFENCES", grouped(u64::from(ban.offences))),
        ("TYPE", what(ban)),
        ("EARLIER", count(usize::from(ban.level), "ban", "bans")),
        ("IN 30D", in_30_days(ban)),
        ("SEEN", seen(ban)),
        ("DROPPED", ban.dropped.map_or_else(unknown, grouped)),
        ("REASON", ban.reason.clone()),
    ];
    console.facts(&facts)?;
    // What no rule decided never had any.
    if ban.evidence.is_empty() && ban.kind.is_some() {
        console.line(FORGOTTEN)?;
    }
    for evidence in &ban.evidence {
        let at = time::local(&evidence.at);
        let text = line::escaped(evidence.text.as_bytes(), VALUE_MAX);
        console.line(&format!("  {at}  {text}"))?;
    }
    Ok(())
}

fn unknown() -> String {
    "not known".to_owned()
}

/// The rule, with its sentence where there is one.
fn rule(ban: &BanView) -> String {
    let delay = match ban.action.as_str() {
        "ban" => String::new(),
        action => format!(" ({action})"),
    };
    match &ban.rule_description {
        Some(words) => format!("{}{delay}: {words}", ban.rule),
        None => format!("{}{delay}", ban.rule),
    }
}

/// The kind of the last offence, and where it was made.
fn what(ban: &BanView) -> String {
    match (&ban.kind, &ban.service) {
        (Some(kind), Some(service)) => format!("{kind} on {service}"),
        _ => "none".to_owned(),
    }
}

/// How often it was banned of late.
fn in_30_days(ban: &BanView) -> String {
    let bans = |bans: u64| count(usize::try_from(bans).unwrap_or(usize::MAX), "ban", "bans");
    ban.bans_30d.map_or_else(unknown, bans)
}

/// When offences came from there.
fn seen(ban: &BanView) -> String {
    match (&ban.first_seen, &ban.last_seen) {
        (Some(first), Some(last)) if first != last => format!(
            "offences from {} to {}, to the hour",
            time::local(first),
            time::local_with_zone(last)
        ),
        (Some(first), _) => format!("offences at {}, to the hour", time::local_with_zone(first)),
        _ => "no offences in 30 days".to_owned(),
    }
}
