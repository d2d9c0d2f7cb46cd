//! `mailwall ban list`.

use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;

use super::table;
use crate::{
    cli::{
        console::{Console, Format},
        exit::Exit,
        failure::Failure,
        net,
        number::{count, grouped, limit},
        time,
    },
    control::protocol::{Answer, BanFilter, BanList, BanSort, Request},
    event::Service,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall ban list --sort drops --limit 10         # the ten most insistent
  mailwall ban list --since 2h --rule logins        # what that rule did of late
  mailwall ban list --plain | cut -f1 > bans.txt    # to be read by ban add --from";

/// Bans shown on a terminal when no limit is given: what fits on it.
const TERMINAL_LIMIT: usize = 20;

/// List the bans in force
///
/// On a terminal at most 20 are listed, the newest last, and the footer says how many there are; --limit 0 lists all, as is
/// done wherever stdout is no terminal, and with --plain and --json. Several filters must all hold.
///
/// TYPE and ON are the kind and the service of the offence that made a ban due; IN 30D is how often the same net was banned
/// within 30 days, this time included. Delays are marked as such behind RULE.
///
/// --plain: network, rule, since, ends, offences, dropped, reason, action (ban or delay), type, service, bans in 30 days, first and
/// last offence in 30 days (to the hour), the rule in a sentence.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Order: added (newest last), ends (next to end first), drops (most first)
    #[arg(
        long,
        value_name = "ORDER",
        value_enum,
        default_value = "added",
        hide_possible_values = true
    )]
    sort: Sort,
    /// Only bans added within this time (2h, 3d), or since a day or moment: 2026-08-21, 2026-08-21T14:30
    #[arg(long, value_name = "TIME", value_parser = time::parse_since)]
    since: Option<Duration>,
    /// Only bans of this rule; manual for those by hand
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Only bans for what was done at this service: smtp, imap, pop, sieve, ldap, xmpp
    #[arg(long, value_name = "NAME", value_parser = service)]
    service: Option<Service>,
    /// Only bans within this network, and those that cover it
    #[arg(long, value_name = "NET", value_parser = net::parse_net)]
    net: Option<IpNet>,
    /// Only bans of this list
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// List at most so many; 0 for all
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    Added,
    Ends,
    Drops,
}

pub(super) fn run(args: Args, console: &mut Console) -> Result<Exit, Failure> {
    let on_terminal = console.format == Format::Human && console.is_terminal();
    let request = Request::BanList {
        sort: match args.sort {
            Sort::Added => BanSort::Added,
            Sort::Ends => BanSort::Ends,
            Sort::Drops => BanSort::Drops,
        },
        limit: args
            .limit
            .unwrap_or(if on_terminal { TERMINAL_LIMIT } else { 0 }),
        only: BanFilter {
            list: args.list,
            rule: args.rule,
            service: args.service.map(|service| service.to_string()),
            net: args.net,
            since_s: args.since.map(|since| since.as_secs()),
        },
        past: true,
    };
    let Answer::BanList(list) = console.ask(&request)? else {
        return Err(Failure::other_answer());
    };
    let footer = footer(&list);
    console.list(&list, &table(&list.bans, console.format), &footer)?;
    Ok(Exit::Done)
}

fn service(text: &str) -> Result<Service, String> {
    Service::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Service::ALL
            .iter()
            .map(|service| service.as_str())
            .collect();
        format!("it is one of {}", names.join(", "))
    })
}

fn footer(list: &BanList) -> String {
    let total = count(list.total, "ban", "bans");
    if list.bans.len() < list.total {
        format!(
            "{} of {total}; --limit 0 for all",
            grouped(list.bans.len() as u64)
        )
    } else {
        total
    }
}
