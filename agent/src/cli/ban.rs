//! `mailwall ban`: who is shut out.

mod add;
mod check;
mod list;
mod remove;
mod replace;

use super::{
    console::{Console, Format},
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

/// Bans in the columns of `ban list`. Those for scripts only grow at their end.
fn table<'a>(bans: impl IntoIterator<Item = &'a BanView>, format: Format) -> Table {
    let is_plain = format == Format::Plain;
    let mut table = Table::new(match is_plain {
        true => PLAIN,
        false => HUMAN,
    });
    for ban in bans {
        table.push(match is_plain {
            true => plain(ban),
            false => human(ban),
        });
    }
    table
}

const HUMAN: &[&str] = &[
    "NET", "RULE", "ON", "TYPE", "SINCE", "ENDS", "IN 30D", "DROPPED", "REASON",
];

fn human(ban: &BanView) -> Vec<Cell> {
    let rule = match ban.action.as_str() {
        "ban" => Cell::text(&ban.rule),
        action => Cell::text(&format!("{} ({action})", ban.rule)),
    };
    vec![
        Cell::net(&ban.net),
        rule,
        Cell::maybe(ban.service.as_deref()),
        Cell::maybe(ban.kind.as_deref()),
        Cell::text(&ban.since).with_human(time::ago(ban.age_s)),
        ends(ban),
        ban.bans_30d.map_or_else(Cell::absent, Cell::number),
        ban.dropped.map_or_else(Cell::absent, Cell::number),
        Cell::text(&ban.reason),
    ]
}

const PLAIN: &[&str] = &[
    "NET",
    "RULE",
    "SINCE",
    "ENDS",
    "OFFENCES",
    "DROPPED",
    "REASON",
    "ACTION",
    "TYPE",
    "SERVICE",
    "BANS IN 30 DAYS",
    "FIRST SEEN",
    "LAST SEEN",
    "RULE IN WORDS",
];

fn plain(ban: &BanView) -> Vec<Cell> {
    vec![
        Cell::net(&ban.net),
        Cell::text(&ban.rule),
        Cell::text(&ban.since),
        ends(ban),
        Cell::number(u64::from(ban.offences)),
        ban.dropped.map_or_else(Cell::absent, Cell::number),
        Cell::text(&ban.reason),
        Cell::text(&ban.action),
        Cell::maybe(ban.kind.as_deref()),
        Cell::maybe(ban.service.as_deref()),
        ban.bans_30d.map_or_else(Cell::absent, Cell::number),
        Cell::maybe(ban.first_seen.as_deref()),
        Cell::maybe(ban.last_seen.as_deref()),
        Cell::maybe(ban.rule_description.as_deref()),
    ]
}

fn ends(ban: &BanView) -> Cell {
    match (&ban.ends, ban.remaining_s) {
        (Some(at), Some(seconds)) => Cell::text(at).with_human(time::ahead(seconds)),
        (Some(at), None) => Cell::text(at),
        (None, _) => Cell::both("never", ""),
    }
}
