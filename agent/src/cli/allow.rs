//! `mailwall allow`: who is never shut out.

use ipnet::IpNet;

use super::{
    console::Console,
    exit::Exit,
    failure::Failure,
    net::{self, Nets},
    number::count,
    table::{Cell, Table},
};
use crate::control::protocol::{AllowAdded, AllowRemoved, Answer, Request};

const EXAMPLES: &str = "EXAMPLES
  mailwall allow list                                      # with the built-in entries
  mailwall allow add 198.51.100.0/24 --reason \"office\"     # never to be shut out
  mailwall allow remove 198.51.100.0/24                    # judged like all others again";

const LIST_EXAMPLES: &str = "EXAMPLES
  mailwall allow list                                # all entries
  mailwall allow list --plain | grep manual          # those added by allow add
  mailwall allow list --json                         # the same for programs";

const ADD_EXAMPLES: &str = "EXAMPLES
  mailwall allow add 198.51.100.25                         # a single host
  mailwall allow add 2001:db8:7::/48 --reason \"backup MX\"  # a network, with a note
  mailwall allow add --from partners.txt                   # those in a file";

const REMOVE_EXAMPLES: &str = "EXAMPLES
  mailwall allow remove 198.51.100.25                # exactly as allow list shows it
  mailwall allow remove 2001:db8:7::/48              # a network
  mailwall allow remove --from partners.txt          # those in a file";

/// List, add and remove what is never shut out
#[derive(clap::Subcommand, Debug)]
#[command(after_long_help = EXAMPLES)]
pub enum Command {
    /// List the allowlist
    ///
    /// ORIGIN: built-in (loopback, private networks and the like), own (addresses of this host), config (its section allow),
    /// manual (allow add).
    #[command(after_long_help = LIST_EXAMPLES)]
    List,
    Add(AddArgs),
    Remove(RemoveArgs),
}

/// Never shut these out
///
/// Their bans end at once, and nothing they do is held against them. It lasts until allow remove, also over restarts.
#[derive(clap::Args, Debug)]
#[command(after_long_help = ADD_EXAMPLES)]
pub struct AddArgs {
    #[command(flatten)]
    nets: Nets,
    /// Why; shown in lists
    #[arg(long, value_name = "TEXT", value_parser = net::parse_reason, default_value = "by hand")]
    reason: String,
    /// Networks wider than /16 (IPv6: /32) are meant
    #[arg(long)]
    yes: bool,
}

/// Judge these like all others again
///
/// Only entries of origin manual can be removed, named exactly as allow list shows them. Those that are not there are named
/// on stderr, the others are removed all the same; the exit code is 5 then.
#[derive(clap::Args, Debug)]
#[command(after_long_help = REMOVE_EXAMPLES)]
pub struct RemoveArgs {
    #[command(flatten)]
    nets: Nets,
}

pub(super) fn run(command: Command, console: &mut Console) -> Result<Exit, Failure> {
    match command {
        Command::List => list(console),
        Command::Add(args) => add(args, console),
        Command::Remove(args) => remove(&args, console),
    }
}

fn list(console: &mut Console) -> Result<Exit, Failure> {
    let Answer::AllowList(list) = console.ask(&Request::AllowList)? else {
        return Err(Failure::other_answer());
    };
    let mut table = Table::new(&["NET", "ORIGIN", "REASON"]);
    for entry in &list.allowed {
        table.push(vec![
            Cell::net(&entry.net),
            Cell::text(&entry.origin),
            Cell::text(&entry.reason),
        ]);
    }
    let footer = count(list.allowed.len(), "entry", "entries");
    console.list(&list, &table, &footer)?;
    Ok(Exit::Done)
}

fn add(args: AddArgs, console: &mut Console) -> Result<Exit, Failure> {
    let nets = args.nets.read()?;
    if !args.yes {
        net::refuse_wide(&nets)?;
    }
    let reason = args.reason;
    let Answer::AllowAdded(answer) = console.ask(&Request::AllowAdd { nets, reason })? else {
        return Err(Failure::other_answer());
    };
    let counts =
        [&answer.added, &answer.known, &answer.unbanned].map(|nets| nets.len().to_string());
    let plain: Vec<&str> = counts.iter().map(String::as_str).collect();
    console.done(&answer, &plain, &added(&answer))?;
    Ok(Exit::Done)
}

fn added(answer: &AllowAdded) -> String {
    let mut sentence = match (&answer.added[..], &answer.known[..]) {
        ([], known) => format!("allowed already: {}", whom(known)),
        (added, []) => format!("allowed {}", whom(added)),
        (added, known) => format!("allowed {}, {} already", whom(added), whom(known)),
    };
    if !answer.unbanned.is_empty() {
        let ended = count(answer.unbanned.len(), "ban", "bans");
        sentence.push_str(&format!("; {ended} ended"));
    }
    sentence
}

fn remove(args: &RemoveArgs, console: &mut Console) -> Result<Exit, Failure> {
    let nets = args.nets.read()?;
    let Answer::AllowRemoved(answer) = console.ask(&Request::AllowRemove { nets })? else {
        return Err(Failure::other_answer());
    };
    console.done_with(&answer, &answer.removed, || {
        format!("allowed no longer: {}", whom(&answer.removed))
    })?;
    unknown(&answer)
}

fn unknown(answer: &AllowRemoved) -> Result<Exit, Failure> {
    if answer.unknown.is_empty() {
        return Ok(Exit::Done);
    }
    let error = format!(
        "no manual entry of the allowlist: {}",
        whom(&answer.unknown)
    );
    Err(Failure::new(Exit::Nothing, error).hint("mailwall allow list shows the entries"))
}

fn whom(nets: &[IpNet]) -> String {
    match nets {
        [net] => net::shown(net),
        nets => count(nets.len(), "network", "networks"),
    }
}
