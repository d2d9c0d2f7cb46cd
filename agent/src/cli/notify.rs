//! `mailwall notify`: who is told of decisions.

use super::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
    number::count,
    paint::Tone,
    table::{Cell, Table},
    time,
};
use crate::control::protocol::{Answer, NotifierView, NotifyResult, Request};

const EXAMPLES: &str = "EXAMPLES
  mailwall notify list                  # who is told, and whether it works
  mailwall notify test                  # send a test through every notifier
  mailwall notify test postmaster       # through this one";

const LIST_EXAMPLES: &str = "EXAMPLES
  mailwall notify list                  # who is told, and whether it works
  mailwall notify list --plain | cut -f1,7   # names, and messages lost
  mailwall notify list --json           # the same for programs";

const TEST_EXAMPLES: &str = "EXAMPLES
  mailwall notify test                  # through every notifier
  mailwall notify test postmaster       # through this one
  mailwall notify test --json           # for programs: .results[].error is null where it was taken";

/// Show who is told of decisions, and try it
#[derive(clap::Subcommand, Debug)]
#[command(after_long_help = EXAMPLES)]
pub enum Command {
    /// List the notifiers: what they told, what waits, what is lost, what is wrong
    #[command(after_long_help = LIST_EXAMPLES)]
    List,
    /// Send a test through a notifier, or through all
    ///
    /// It goes at once, whatever the notifier is set to tell of, and is not tried again. The exit code is 1 when a receiver did not
    /// take it.
    #[command(after_long_help = TEST_EXAMPLES)]
    Test {
        /// Which one [default: all]
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

pub(super) fn run(command: Command, console: &mut Console) -> Result<Exit, Failure> {
    match command {
        Command::List => list(console),
        Command::Test { name } => test(name, console),
    }
}

fn list(console: &mut Console) -> Result<Exit, Failure> {
    let Answer::NotifyList(list) = console.ask(&Request::NotifyList)? else {
        return Err(Failure::other_answer());
    };
    let footer = count(list.notifiers.len(), "notifier", "notifiers");
    console.list(&list, &table(&list.notifiers), &footer)?;
    Ok(Exit::Done)
}

fn test(name: Option<String>, console: &mut Console) -> Result<Exit, Failure> {
    let Answer::NotifyTested(tested) = console.ask(&Request::NotifyTest { name })? else {
        return Err(Failure::other_answer());
    };
    match console.format {
        Format::Json => console.json(&tested)?,
        Format::Plain => results(&tested.results).write_plain(console.out())?,
        Format::Human => {
            let paint = console.paint;
            results(&tested.results).write_human(console.out(), paint)?;
        }
    }
    let is_well = tested.results.iter().all(|result| result.error.is_none());
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}

fn table(notifiers: &[NotifierView]) -> Table {
    let mut table = Table::new(&[
        "NAME", "KIND", "RECEIVER", "ON", "TOLD", "WAITING", "LOST", "FAILING", "ERROR",
    ]);
    for notifier in notifiers {
        let failing = match &notifier.failing_since {
            Some(since) => Cell::text(since)
                .with_human(time::since(since))
                .tone(Tone::Bad),
            None => Cell::absent(),
        };
        table.push(vec![
            Cell::text(&notifier.name),
            Cell::text(&notifier.kind),
            Cell::text(&notifier.receiver),
            Cell::text(&notifier.on.join(",")),
            Cell::number(notifier.told),
            Cell::number(notifier.waiting),
            Cell::number(notifier.lost),
            failing,
            Cell::maybe(notifier.last_error.as_deref()),
        ]);
    }
    table
}

fn results(results: &[NotifyResult]) -> Table {
    let mut table = Table::new(&["NAME", "RESULT"]);
    for result in results {
        let cell = match &result.error {
            None => Cell::text("taken").tone(Tone::Good),
            Some(error) => Cell::text(error).tone(Tone::Bad),
        };
        table.push(vec![Cell::text(&result.name), cell]);
    }
    table
}
