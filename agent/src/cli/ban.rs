//! `mailwall ban`: who is shut out.

mod add;
mod check;
mod list;
mod remove;
mod replace;

use super::{
    console::Console,
    exit::Exit,
    failure::Failure,
    table::{Cell, Table},
    time,
};
use crate::control::protocol::BanView;

const EXAMPLES: &str = "EXAMPLES
  mailwall ban list                                 # who is shut out
  mailwall ban add 203.0.113.0/24 --for 1d          # shut out by hand
  mailwall ban check 203.0.113.7                    # is this host shut out, and why?";

/// List, add, remove, replace and look up bans
#[derive(clap::Subcommand, Debug)]
#[command(after_long_help = EXAMPLES)]
pub enum Command {
    List(list::Args),
    Add(add::Args),
    Remove(remove::Args),
    Replace(replace::Args),
    Check(check::Args),
}

pub(super) fn run(command: Command, console: &mut Console) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list::run(args, console),
        Command::Add(args) => add::run(args, console),
        Command::Remove(args) => remove::run(&args, console),
        Command::Replace(args) => replace::run(&args, console),
        Command::Check(args) => check::run(args, console),
    }
}

/// Bans in the columns of `ban list`.
fn table<'a>(bans: impl IntoIterator<Item = &'a BanView>) -> Table {
    let mut table = Table::new(&[
        "NET", "RULE", "SINCE", "ENDS", "OFFENCES", "DROPPED", "REASON",
    ]);
    for ban in bans {
        table.push(vec![
            Cell::net(&ban.net),
            Cell::text(&ban.rule),
            Cell::text(&ban.since).with_human(time::ago(ban.age_s)),
            ends(ban),
            Cell::number(u64::from(ban.offences)),
            ban.dropped.map_or_else(Cell::absent, Cell::number),
            Cell::text(&ban.reason),
        ]);
    }
    table
}

fn ends(ban: &BanView) -> Cell {
    match (&ban.ends, ban.remaining_s) {
        (Some(at), Some(seconds)) => Cell::text(at).with_human(time::ahead(seconds)),
        (Some(at), None) => Cell::text(at),
        (None, _) => Cell::both("never", ""),
    }
}
