//! `mailwall ban list`.

use clap::ValueEnum;

use super::table;
use crate::{
    cli::{
        console::{Console, Format},
        exit::Exit,
        failure::Failure,
        number::{count, grouped},
    },
    control::protocol::{Answer, BanList, BanSort, Request},
};

const EXAMPLES: &str = "EXAMPLES
  mailwall ban list --sort drops --limit 10         # the ten most insistent
  mailwall ban list --sort ends                     # who is let in next
  mailwall ban list --plain | cut -f1 > bans.txt    # to be read by ban add --from";

/// Bans shown on a terminal when no limit is given: what fits on it.
const TERMINAL_LIMIT: usize = 20;

/// List the bans in force
///
/// On a terminal at most 20 are listed, the newest last, and the footer says how many there are; --limit 0 lists all, as is
/// done wherever stdout is no terminal, and with --plain and --json.
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
    /// List only the bans of this list
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// List at most so many; 0 for all
    #[arg(long, value_name = "N")]
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
        list: args.list,
    };
    let Answer::BanList(list) = console.ask(&request)? else {
        return Err(Failure::other_answer());
    };
    let footer = footer(&list);
    console.list(&list, &table(&list.bans), &footer)?;
    Ok(Exit::Done)
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
