//! `mailwall source`: the logs that are followed.

use super::{
    console::Console,
    exit::Exit,
    failure::Failure,
    number::{bytes, count},
    paint::Tone,
    table::{Cell, Table},
    time,
};
use crate::control::protocol::{Answer, Request, Source};

const EXAMPLES: &str = "EXAMPLES
  mailwall source list                       # where each log stands
  mailwall source list --plain | cut -f1,4   # paths and bytes not read yet
  mailwall source list --json                # the same for programs";

const LIST_EXAMPLES: &str = EXAMPLES;

/// Show the logs that are followed
#[derive(clap::Subcommand, Debug)]
#[command(after_long_help = EXAMPLES)]
pub enum Command {
    /// List the logs: position, lag, lines understood, ignored, refused, lost
    ///
    /// UNDERSTOOD lines gave an event; IGNORED ones are of other programs or say nothing about a client; UNKNOWN ones are of a
    /// known mail program in a form that is not known; REFUSED ones name two candidate addresses, so that neither is
    /// certain, or are not by the program that they name;
    /// CUT ones were longer than is looked at; LOST ones never came: the logger suppressed them or the kernel dropped them.
    #[command(after_long_help = LIST_EXAMPLES)]
    List,
}

pub(super) fn run(command: Command, console: &mut Console) -> Result<Exit, Failure> {
    let Command::List = command;
    let Answer::SourceList(list) = console.ask(&Request::SourceList)? else {
        return Err(Failure::other_answer());
    };
    let footer = count(list.sources.len(), "source", "sources");
    console.list(&list, &full(&list.sources), &footer)?;
    Ok(Exit::Done)
}

fn full(sources: &[Source]) -> Table {
    let mut table = Table::new(&[
        "SOURCE",
        "STATE",
        "POSITION",
        "LAG",
        "LAST LINE",
        "LINES",
        "UNDERSTOOD",
        "IGNORED",
        "UNKNOWN",
        "REFUSED",
        "CUT",
        "LOST",
        "NOTE",
    ]);
    for source in sources {
        table.push(vec![
            Cell::text(&source.name),
            state(source),
            Cell::number(source.position),
            lag(source),
            last_line(source),
            Cell::number(source.lines),
            Cell::number(source.understood),
            Cell::number(source.ignored),
            Cell::number(source.unknown),
            Cell::number(source.refused),
            Cell::number(source.cut),
            Cell::number(source.lost),
            note(source),
        ]);
    }
    table
}

/// The columns that `status` shows.
pub(super) fn short(sources: &[Source]) -> Table {
    let mut table = Table::new(&["SOURCE", "STATE", "LAG", "LAST LINE", "UNDERSTOOD", "NOTE"]);
    for source in sources {
        table.push(vec![
            Cell::text(&source.name),
            state(source),
            lag(source),
            last_line(source),
            Cell::number(source.understood),
            note(source),
        ]);
    }
    table
}

fn state(source: &Source) -> Cell {
    let tone = match source.state.as_str() {
        "following" => Tone::Normal,
        "waiting" => Tone::Odd,
        _ => Tone::Bad,
    };
    Cell::text(&source.state).tone(tone)
}

fn lag(source: &Source) -> Cell {
    match source.lag_bytes {
        Some(lag) => Cell::both(bytes(lag), lag.to_string()),
        None => Cell::absent(),
    }
}

fn last_line(source: &Source) -> Cell {
    match &source.last_line {
        Some(at) => Cell::text(at).with_human(time::since(at)),
        None => Cell::absent(),
    }
}

fn note(source: &Source) -> Cell {
    Cell::text(source.problem.as_deref().unwrap_or_default())
}
