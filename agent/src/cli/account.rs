//! `mailwall account`: what accounts do, and which are held.

use std::time::Duration;

use clap::ValueEnum;

use super::{
    console::{Console, Format, Volume},
    exit::Exit,
    failure::Failure,
    net,
    number::{self, count, grouped, limit},
    table::{Cell, Table},
    time,
};
use crate::{
    account,
    control::protocol::{AccountShown, AccountSort, AccountView, Answer, Request},
    duration, line,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall account list                              # those used from the most addresses first
  mailwall account show joe@example.org              # where one is used from, and how much it sends
  mailwall account hold joe@example.org --for 2h     # what it sends is kept back";

const LIST_EXAMPLES: &str = "EXAMPLES
  mailwall account list --sort messages --limit 10   # who sends the most today
  mailwall account list --sort failures              # whose password is being guessed
  mailwall account list --plain | cut -f1            # names only";

const SHOW_EXAMPLES: &str = "EXAMPLES
  mailwall account show joe@example.org              # addresses, connections, days
  mailwall account show joe@example.org --plain      # in the columns of account list
  mailwall account show joe@example.org --json       # for programs";

const HOLD_EXAMPLES: &str = "EXAMPLES
  mailwall account hold joe@example.org                          # until account release
  mailwall account hold joe@example.org --for 2h                 # for a time
  mailwall account hold joe@example.org --reason \"ticket 4711\"   # with a note";

const RELEASE_EXAMPLES: &str = "EXAMPLES
  mailwall account release joe@example.org                       # it may send again
  mailwall account release joe@example.org --plain               # 1 if it was held, else 0
  mailwall account release joe@example.org --json                # for programs";

/// Accounts shown on a terminal when no limit is given.
const TERMINAL_LIMIT: usize = 20;
/// Most characters of a value.
const VALUE_MAX: usize = 1024;

/// Show what accounts do, and hold them
///
/// An account whose password is stolen is used from hosts that do nothing wrong by themselves, so that rules with
/// per = \"account\" count all of them together. They never ban: one of the addresses is that of its owner.
#[derive(clap::Subcommand, Debug)]
#[command(after_long_help = EXAMPLES)]
pub enum Command {
    List(ListArgs),
    /// Show where an account is used from, its connections and days
    #[command(after_long_help = SHOW_EXAMPLES)]
    Show {
        /// Its name
        #[arg(value_name = "ACCOUNT")]
        account: String,
    },
    Hold(HoldArgs),
    /// Let an account send again
    ///
    /// What was counted of it is forgotten. Exit code 5 when it was not held.
    #[command(after_long_help = RELEASE_EXAMPLES)]
    Release {
        /// Its name
        #[arg(value_name = "ACCOUNT")]
        account: String,
    },
}

/// List accounts with many addresses, messages or failures
///
/// ADDRESSES: that logged in in the last day. MESSAGES, RECIPIENTS, FAILED (logins) and WRONG (recipients that do not exist) are
/// those of today, in UTC; MEAN: messages a day over the 30 days before.
#[derive(clap::Args, Debug)]
#[command(after_long_help = LIST_EXAMPLES)]
pub struct ListArgs {
    /// Order: addresses, messages, recipients, failures (most first), last (heard of last first)
    #[arg(
        long,
        value_name = "ORDER",
        value_enum,
        default_value = "addresses",
        hide_possible_values = true
    )]
    sort: Sort,
    /// List at most so many; 0 for all
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<usize>,
}

/// Keep back what an account sends
///
/// Postfix puts it into its hold queue, and Exim freezes it, where the policy service of mailwall is asked; with other servers only
/// mailwall knows, and tells. It lasts over restarts.
#[derive(clap::Args, Debug)]
#[command(after_long_help = HOLD_EXAMPLES)]
pub struct HoldArgs {
    /// Its name, as the log has it
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// For how long, such as 2h or 7d; until account release, if not given
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    length: Option<Duration>,
    /// Why; shown in lists
    #[arg(long, value_name = "TEXT", value_parser = net::parse_reason, default_value = "by hand")]
    reason: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    Addresses,
    Messages,
    Recipients,
    Failures,
    Last,
}

pub(super) fn run(command: Command, console: &mut Console) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list(&args, console),
        Command::Show { account } => show(account, console),
        Command::Hold(args) => hold(args, console),
        Command::Release { account } => release(account, console),
    }
}

fn list(args: &ListArgs, console: &mut Console) -> Result<Exit, Failure> {
    let on_terminal = console.format == Format::Human && console.is_terminal();
    let request = Request::AccountList {
        sort: match args.sort {
            Sort::Addresses => AccountSort::Addresses,
            Sort::Messages => AccountSort::Messages,
            Sort::Recipients => AccountSort::Recipients,
            Sort::Failures => AccountSort::Failures,
            Sort::Last => AccountSort::Last,
        },
        limit: args
            .limit
            .unwrap_or(if on_terminal { TERMINAL_LIMIT } else { 0 }),
    };
    let Answer::AccountList(list) = console.ask(&request)? else {
        return Err(Failure::other_answer());
    };
    let all = count(list.total, "account", "accounts");
    let footer = match list.accounts.len() {
        shown if shown < list.total => {
            format!("{} of {all}; --limit 0 for all", grouped(shown as u64))
        }
        _ => all,
    };
    console.list(&list, &table(&list.accounts), &footer)?;
    Ok(Exit::Done)
}

fn table(accounts: &[AccountView]) -> Table {
    let mut table = Table::new(&[
        "ACCOUNT",
        "ADDRESSES",
        "MESSAGES",
        "MEAN",
        "RECIPIENTS",
        "FAILED",
        "WRONG",
        "LAST",
        "HELD",
    ]);
    for account in accounts {
        table.push(vec![
            Cell::text(&account.account),
            Cell::number(account.addresses as u64),
            Cell::number(account.messages),
            match account.messages_mean {
                Some(mean) => Cell::both(format!("{mean:.1}"), format!("{mean:.1}")),
                None => Cell::absent(),
            },
            Cell::number(account.recipients),
            Cell::number(account.failures),
            Cell::number(account.bounces),
            Cell::both(time::ago(account.last_s), account.last.clone()),
            match account.held {
                true => Cell::text("held"),
                false => Cell::absent(),
            },
        ]);
    }
    table
}

fn show(account: String, console: &mut Console) -> Result<Exit, Failure> {
    let Answer::AccountShown(shown) = console.ask(&Request::AccountShow { account })? else {
        return Err(Failure::other_answer());
    };
    match console.format {
        Format::Json => console.json(&*shown)?,
        Format::Plain => {
            table(std::slice::from_ref(&shown.account)).write_plain(console.out())?;
        }
        Format::Human if console.volume == Volume::Quiet => {}
        Format::Human => human(&shown, console)?,
    }
    Ok(Exit::Done)
}

fn human(shown: &AccountShown, console: &mut Console) -> Result<(), Failure> {
    let view = &shown.account;
    let last = format!(
        "{} ({})",
        time::local_with_zone(&view.last),
        time::ago(view.last_s)
    );
    let mean = match view.messages_mean {
        Some(mean) => format!(" (mean of 30 days {mean:.1})"),
        None => String::new(),
    };
    let mut facts = vec![
        ("ACCOUNT", view.account.clone()),
        (
            "KNOWN",
            format!("since {}", time::local_with_zone(&shown.first)),
        ),
        ("LAST", last),
        (
            "TODAY",
            format!(
                "{}{mean}, {}, {}; {}, {}, {}",
                count_of(view.messages, "message", "messages"),
                count_of(view.recipients, "recipient", "recipients"),
                number::bytes(view.bytes),
                count_of(view.logins, "login", "logins"),
                count_of(view.failures, "failed login", "failed logins"),
                count_of(view.bounces, "wrong recipient", "wrong recipients"),
            ),
        ),
    ];
    if let Some(hold) = &shown.hold {
        let ends = match &hold.ends {
            Some(at) => format!("until {}", time::local_with_zone(at)),
            None => "until it is released".to_owned(),
        };
        let since = time::local_with_zone(&hold.since);
        facts.push((
            "HELD",
            format!("since {since}, {ends}, by {}: {}", hold.rule, hold.reason),
        ));
    }
    console.facts(&facts)?;
    if let Some(hold) = &shown.hold {
        for evidence in &hold.evidence {
            let text = line::escaped(evidence.text.as_bytes(), VALUE_MAX);
            console.line(&format!("  {}  {text}", time::local(&evidence.at)))?;
        }
    }
    if shown.last_login.is_some() {
        console.line("")?;
        for text in report(shown) {
            console.line(&line::escaped(text.as_bytes(), VALUE_MAX))?;
        }
    }
    if !shown.sessions.is_empty() {
        let mut table = Table::new(&["CLIENT", "PORT", "SERVICE", "SINCE", "MESSAGES"]);
        for session in &shown.sessions {
            table.push(vec![
                Cell::maybe(
                    session
                        .address
                        .map(|address| address.to_string())
                        .as_deref(),
                ),
                Cell::maybe(session.port.map(|port| port.to_string()).as_deref()),
                Cell::text(&session.service),
                Cell::both(time::local(&session.since), session.since.clone()),
                Cell::number(u64::from(session.messages)),
            ]);
        }
        console.line("")?;
        let paint = console.paint;
        table.write_human(console.out(), paint)?;
    }
    let mut table = Table::new(&[
        "DAY",
        "MESSAGES",
        "RECIPIENTS",
        "SIZE",
        "LOGINS",
        "FAILED",
        "WRONG",
    ]);
    for day in &shown.days {
        table.push(vec![
            Cell::text(&day.date),
            Cell::number(day.messages),
            Cell::number(day.recipients),
            Cell::both(number::bytes(day.bytes), day.bytes.to_string()),
            Cell::number(day.logins),
            Cell::number(day.failures),
            Cell::number(day.bounces),
        ]);
    }
    if !table.is_empty() {
        console.line("")?;
        let paint = console.paint;
        table.write_human(console.out(), paint)?;
    }
    Ok(())
}

/// Where it is used from, in this host's zone.
fn report(shown: &AccountShown) -> Vec<String> {
    let last = shown
        .last_login
        .as_deref()
        .map(time::local)
        .unwrap_or_default();
    let (date, clock) = last.split_once(' ').unwrap_or((last.as_str(), ""));
    account::report(
        date,
        &shown.account.account,
        shown.seen.iter().map(|seen| (seen.address, seen.count)),
        shown.last_address.map(|address| (address, clock)),
    )
}

fn count_of(number: u64, one: &str, many: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), one, many)
}

fn hold(args: HoldArgs, console: &mut Console) -> Result<Exit, Failure> {
    let request = Request::AccountHold {
        account: args.account,
        for_s: args.length.map(|length| length.as_secs()),
        reason: args.reason,
    };
    let Answer::AccountDone(done) = console.ask(&request)? else {
        return Err(Failure::other_answer());
    };
    let name = line::escaped(done.account.as_bytes(), VALUE_MAX);
    let ends = match &done.ends {
        Some(at) => format!("until {}", time::local_with_zone(at)),
        None => "until it is released".to_owned(),
    };
    console.done(&done, &["1"], &format!("held {name} {ends}"))?;
    Ok(Exit::Done)
}

fn release(account: String, console: &mut Console) -> Result<Exit, Failure> {
    let Answer::AccountDone(done) = console.ask(&Request::AccountRelease { account })? else {
        return Err(Failure::other_answer());
    };
    let name = line::escaped(done.account.as_bytes(), VALUE_MAX);
    let plain = if done.done { "1" } else { "0" };
    if done.done || console.format != Format::Human {
        console.done(&done, &[plain], &format!("released {name}"))?;
    }
    match done.done {
        true => Ok(Exit::Done),
        false => Err(Failure::new(Exit::Nothing, format!("{name} is not held"))
            .hint("mailwall account list shows which are")),
    }
}
