//! `mailwall events`: offences and decisions, as they happen.

use std::time::Duration;

use super::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
    number::{count, limit},
    table::{Cell, Table},
    time,
};
use crate::{
    control::protocol::{Answer, LoggedEvent, Request},
    duration,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall events                                  # the newest
  mailwall events --follow                         # and what comes
  mailwall events --follow --json --limit 0 | jq   # only what comes, for programs";

const COLUMNS: &[&str] = &[
    "TIME",
    "EVENT",
    "NET",
    "SERVICE",
    "SCORE",
    "ACCOUNT",
    "RECIPIENT",
    "RULE",
    "FOR",
];

/// Widths that nearly everything fits in, so that lines written one by one stand in columns: the longest name of an event, of a
/// service and of a rule in the presets, an IPv4 address or short IPv6 network.
const WIDTHS: &[usize] = &[19, 17, 18, 7, 5, 20, 28, 12, 4];

/// Events listed when no limit is given.
const LIMIT: usize = 20;
/// Events of the past shown before those that come.
const FOLLOW_LIMIT: usize = 10;

/// Show what was held against whom, bans and their ends
///
/// The agent keeps the newest thousand since it started. RULE is the rule of a ban, or why it ended.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// At most so many of the past [default: 20, with --follow 10]; 0 for all, with --follow for none
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<usize>,
}

pub(super) fn run(args: Args, console: &mut Console) -> Result<Exit, Failure> {
    if args.follow {
        return follow(args.limit.unwrap_or(FOLLOW_LIMIT), console);
    }
    let request = Request::Events {
        follow: false,
        limit: args.limit.unwrap_or(LIMIT),
    };
    let Answer::Events(log) = console.ask(&request)? else {
        return Err(Failure::other_answer());
    };
    let mut table = Table::new(COLUMNS);
    log.events.iter().for_each(|event| table.push(row(event)));
    console.list(&log, &table, &count(log.events.len(), "event", "events"))?;
    Ok(Exit::Done)
}

fn follow(limit: usize, console: &mut Console) -> Result<Exit, Failure> {
    let request = Request::Events {
        follow: true,
        limit,
    };
    let answers = console.follow(&request)?;
    let paint = console.paint;
    if console.format == Format::Human {
        Table::with_widths(COLUMNS, WIDTHS).write_human(console.out(), paint)?;
        console.flush()?;
    }
    for answer in answers {
        let Answer::Event(event) = answer? else {
            return Err(Failure::other_answer());
        };
        let mut table = Table::with_widths(COLUMNS, WIDTHS);
        table.push(row(&event));
        match console.format {
            Format::Json => console.json(&event)?,
            Format::Plain => table.write_plain(console.out())?,
            Format::Human => table.write_rows(console.out(), paint)?,
        }
        console.flush()?;
    }
    Err(crate::control::ClientError::Ended.into())
}

fn row(event: &LoggedEvent) -> Vec<Cell> {
    vec![
        Cell::text(&event.at).with_human(time::local(&event.at)),
        Cell::text(&event.event),
        event.net.as_ref().map_or_else(Cell::absent, Cell::net),
        Cell::maybe(event.service.as_deref()),
        Cell::text(&format!("{:.1}", event.score)),
        Cell::maybe(event.account.as_deref()),
        Cell::maybe(event.recipient.as_deref()),
        Cell::maybe(event.rule.as_deref()),
        event.for_s.map_or_else(Cell::absent, |seconds| {
            Cell::both(
                duration::format(Duration::from_secs(seconds)),
                seconds.to_string(),
            )
        }),
    ]
}
