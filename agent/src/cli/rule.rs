//! `mailwall rule`: the rules in force.

mod reset;

use std::time::Duration;

use super::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
    number::{count, grouped},
    table::{Cell, Table},
};
use crate::{
    control::protocol::{Answer, Request, RuleList, RuleView},
    duration, line,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall rule list                      # the rules, and how often each was broken
  mailwall rule show dictionary           # one of them in full
  mailwall rule reset dictionary          # as the preset has it";

const LIST_EXAMPLES: &str = "EXAMPLES
  mailwall rule list                      # in the order they are tried
  mailwall rule list --plain | cut -f1    # names only
  mailwall rule list --json               # for programs";

const SHOW_EXAMPLES: &str = "EXAMPLES
  mailwall rule show dictionary           # what it counts, and what follows
  mailwall rule show dictionary --plain   # in the columns of rule list
  mailwall rule show dictionary --json    # for programs";

/// Most characters of a value.
const VALUE_MAX: usize = 1024;

/// Show the rules in force, and set them back to the preset's
///
/// They come from the preset and from the rule sections of the configuration; mailwall reload puts changes in force.
#[derive(clap::Subcommand, Debug)]
#[command(after_long_help = EXAMPLES)]
pub enum Command {
    /// List the rules, in the order they are tried
    ///
    /// TRACKED: hosts whose events are being counted. BREACHES: times that the limit was reached since the agent started. NEAR:
    /// hosts at four fifths of the limit, or beyond. BANS: in force now. WOULD ACT: how often a rule in observe mode would
    /// have banned, held, kicked or notified since the agent started.
    #[command(after_long_help = LIST_EXAMPLES)]
    List,
    /// Show one rule in full
    #[command(after_long_help = SHOW_EXAMPLES)]
    Show {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Set rules back to what the preset says
    #[command(after_long_help = reset::EXAMPLES)]
    Reset(reset::Args),
}

pub(super) fn run(command: Command, console: &mut Console) -> Result<Exit, Failure> {
    if let Command::Reset(args) = &command {
        return reset::run(args, console);
    }
    let Answer::RuleList(list) = console.ask(&Request::RuleList)? else {
        return Err(Failure::other_answer());
    };
    match command {
        // Without the agent.
        Command::Reset(_) => {}
        Command::List => {
            let rules = count(list.rules.len(), "rule", "rules");
            let footer = format!("{rules}, preset {}", list.preset);
            console.list(&list, &table(&list.rules), &footer)?;
        }
        Command::Show { name } => show(&name, list, console)?,
    }
    Ok(Exit::Done)
}

fn table(rules: &[RuleView]) -> Table {
    let mut table = Table::new(&[
        "NAME",
        "COUNTS",
        "PER",
        "DISTINCT",
        "LIMIT",
        "WINDOW",
        "BAN",
        "TRACKED",
        "BREACHES",
        "ORIGIN",
        "MODE",
        "THEN",
        "NEAR",
        "BANS",
        "WOULD ACT",
    ]);
    for rule in rules {
        table.push(vec![
            Cell::text(&rule.name),
            counts(rule),
            Cell::text(&rule.per),
            Cell::maybe(rule.distinct.as_deref()),
            Cell::number(u64::from(rule.limit)),
            rule.window_s.map_or_else(Cell::absent, length),
            match rule.then.ban {
                Some(_) => rule
                    .ban_s
                    .map_or_else(|| Cell::both("permanent", ""), length),
                None => Cell::absent(),
            },
            Cell::number(rule.tracked as u64),
            Cell::number(rule.breaches),
            Cell::text(&rule.origin),
            Cell::text(&rule.mode),
            Cell::text(&then(rule)),
            Cell::number(rule.near as u64),
            Cell::number(rule.bans as u64),
            match rule.mode.as_str() {
                "observe" => Cell::number(rule.would_bans),
                _ => Cell::absent(),
            },
        ]);
    }
    table
}

/// What it counts: all of it for scripts, what fits on a line for people, who see the rest in `rule show`.
fn counts(rule: &RuleView) -> Cell {
    let all = Cell::text(&rule.count.join(","));
    match &rule.count[..] {
        [first, _, _, ..] => {
            let first = line::escaped(first.as_bytes(), VALUE_MAX);
            all.with_human(format!("{first} and {} more", rule.count.len() - 1))
        }
        [] | [_] | [_, _] => all,
    }
}

/// For people as they write it, for scripts in seconds.
fn length(seconds: u64) -> Cell {
    Cell::both(written(seconds), seconds.to_string())
}

fn written(seconds: u64) -> String {
    duration::format(Duration::from_secs(seconds))
}

/// What follows, in the words of configurations.
fn then(rule: &RuleView) -> String {
    let then = &rule.then;
    let parts = [
        then.ban.as_ref().map(|_| "ban".to_owned()),
        then.delay
            .as_ref()
            .map(|delay| format!("delay by {}", delay.by)),
        then.hold.as_ref().map(|length| format!("hold {length}")),
        then.kick.then(|| "kick".to_owned()),
        then.notify.then(|| "notify".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(",")
}

fn would_act(rule: &RuleView) -> String {
    match rule.mode.as_str() {
        "observe" => format!(
            "{} so far, {} now",
            grouped(rule.would_bans),
            grouped(rule.would_be_banned as u64)
        ),
        _ => "-".to_owned(),
    }
}

fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

fn show(name: &str, mut list: RuleList, console: &mut Console) -> Result<(), Failure> {
    if list.rules.iter().all(|rule| rule.name != name) {
        return Err(unknown(name, &list.rules));
    }
    list.rules.retain(|rule| rule.name == name);
    match console.format {
        Format::Json => console.json(&list),
        Format::Plain => Ok(table(&list.rules).write_plain(console.out())?),
        Format::Human => list
            .rules
            .iter()
            .try_for_each(|rule| show_human(rule, console)),
    }
}

fn unknown(name: &str, rules: &[RuleView]) -> Failure {
    let shown = line::escaped(name.as_bytes(), VALUE_MAX);
    let failure = Failure::new(Exit::Nothing, format!("no rule is named \"{shown}\""));
    let near = rules
        .iter()
        .map(|rule| (strsim::damerau_levenshtein(name, &rule.name), rule))
        .filter(|(distance, rule)| *distance <= 1 + rule.name.len() / 3)
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, rule)) => failure.hint(format!("did you mean {}?", rule.name)),
        None => failure.hint("mailwall rule list shows the rules"),
    }
}

fn show_human(rule: &RuleView, console: &mut Console) -> Result<(), Failure> {
    let or = |value: Option<String>, absent: &str| value.unwrap_or_else(|| absent.to_owned());
    let services = match &rule.service[..] {
        [] => "all".to_owned(),
        services => services.join(", "),
    };
    let ban = match (rule.ban_s, rule.at_most_s) {
        (None, _) => match &rule.then.ban {
            Some(_) => "permanent".to_owned(),
            None => "-".to_owned(),
        },
        (Some(first), None) => format!("{}, then times {}", written(first), rule.factor),
        (Some(first), Some(most)) => format!(
            "{}, then times {}, at most {}",
            written(first),
            rule.factor,
            written(most)
        ),
    };
    let facts = [
        ("NAME", rule.name.clone()),
        ("ORIGIN", rule.origin.clone()),
        ("COUNTS", rule.count.join(", ")),
        ("PER", rule.per.clone()),
        ("DISTINCT", or(rule.distinct.clone(), "-")),
        ("SERVICES", services),
        ("LIMIT", grouped(u64::from(rule.limit))),
        ("WINDOW", or(rule.window_s.map(written), "the session")),
        ("BAN", ban),
        ("TRACKED", count(rule.tracked, "host", "hosts")),
        ("NEAR", count(rule.near, "host", "hosts")),
        ("BREACHES", grouped(rule.breaches)),
        ("BANS", grouped(rule.bans as u64)),
        ("MODE", rule.mode.clone()),
        ("THEN", then(rule)),
        ("WOULD ACT", would_act(rule)),
        ("PERMANENT", yes_or_no(rule.permanent)),
    ];
    console.line(&line::escaped(rule.description.as_bytes(), VALUE_MAX))?;
    console.line("")?;
    console.facts(&facts)?;
    Ok(())
}
