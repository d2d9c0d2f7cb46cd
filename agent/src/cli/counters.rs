//! `mailwall counters`: what the kernel did with packets.

use std::{collections::HashMap, io::Write as _, thread, time::Duration};

use super::{
    console::{Console, Format, Volume},
    exit::Exit,
    failure::Failure,
    number,
    paint::Tone,
    table::{Cell, Table},
};
use crate::{
    control::protocol::{Answer, Counters, PacketCounter, Request},
    duration,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall counters                       # what was seen since the maps were made
  mailwall counters --watch 1s            # with rates, every second
  mailwall counters --plain               # every counter, also those at zero";

const COLUMNS: &[&str] = &["VERDICT", "ACTION", "IPV4", "IPV6", "OTHER"];
const RATE_COLUMNS: &[&str] = &[
    "VERDICT", "ACTION", "IPV4", "IPV4/S", "IPV6", "IPV6/S", "OTHER", "OTHER/S",
];
/// Columns of families, as the agent names them.
const FAMILIES: [&str; 3] = ["ipv4", "ipv6", "other"];

/// Clears the terminal and goes to its first line (ECMA-48: ED, CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Show what the kernel did with packets, by verdict
///
/// ACTION says whether packets of a verdict are dropped; all others are passed. Verdicts never seen are left out, unless -v or
/// --plain is given.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Show them again and again, with packets per second, until interrupted
    #[arg(long, value_name = "INTERVAL", value_parser = interval, num_args = 0..=1, default_missing_value = "1s")]
    watch: Option<Duration>,
}

fn interval(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("at least 1s".to_owned()),
        Ok(interval) => Ok(interval),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) fn run(args: Args, console: &mut Console) -> Result<Exit, Failure> {
    let counters = ask(console)?;
    let Some(interval) = args.watch else {
        show(&counters, None, console)?;
        return Ok(Exit::Done);
    };
    watch(counters, interval, console)
}

fn ask(console: &Console) -> Result<Counters, Failure> {
    match console.ask(&Request::Counters)? {
        Answer::Counters(counters) => Ok(counters),
        _ => Err(Failure::other_answer()),
    }
}

fn watch(mut before: Counters, interval: Duration, console: &mut Console) -> Result<Exit, Failure> {
    let clears = console.format == Format::Human && console.is_terminal();
    loop {
        thread::sleep(interval);
        let counters = ask(console)?;
        if clears {
            write!(console.out(), "{CLEAR}")?;
        }
        show(
            &counters,
            Some(&Rates::between(&before, &counters)),
            console,
        )?;
        if console.format == Format::Human && !clears {
            console.line("")?;
        }
        console.flush()?;
        before = counters;
    }
}

fn show(counters: &Counters, rates: Option<&Rates>, console: &mut Console) -> Result<(), Failure> {
    let all = console.format != Format::Human || console.volume >= Volume::Verbose;
    let verdicts = verdicts(counters);
    let mut table = Table::new(if rates.is_some() {
        RATE_COLUMNS
    } else {
        COLUMNS
    });
    let mut shown = 0;
    for verdict in &verdicts {
        if all || verdict.iter().any(|counter| counter.packets > 0) {
            table.push(row(verdict, rates));
            shown += 1;
        }
    }
    let footer = match (shown, verdicts.len()) {
        (0, _) => "no packets seen".to_owned(),
        (shown, all) if shown == all => format!("{all} verdicts"),
        (shown, all) => format!("{shown} of {all} verdicts; -v for those never seen"),
    };
    console.list(counters, &table, &footer)
}

/// Counters grouped by verdict, in the order of the agent.
fn verdicts(counters: &Counters) -> Vec<Vec<&PacketCounter>> {
    let mut verdicts: Vec<Vec<&PacketCounter>> = Vec::new();
    for counter in &counters.packets {
        match verdicts
            .iter_mut()
            .find(|group| group[0].verdict == counter.verdict)
        {
            Some(group) => group.push(counter),
            None => verdicts.push(vec![counter]),
        }
    }
    verdicts
}

fn row(verdict: &[&PacketCounter], rates: Option<&Rates>) -> Vec<Cell> {
    let name = &verdict[0].verdict;
    let action = if verdict[0].dropped {
        Cell::text("drop").tone(Tone::Odd)
    } else {
        Cell::text("pass")
    };
    let mut row = vec![Cell::text(name), action];
    for family in FAMILIES {
        let counter = verdict.iter().find(|counter| counter.family == family);
        row.push(counter.map_or_else(Cell::absent, |counter| Cell::number(counter.packets)));
        if let Some(rates) = rates {
            let rate = rates.of(name, family);
            row.push(Cell::both(number::rate(rate), format!("{rate:.1}")));
        }
    }
    row
}

/// Packets per second between two readings, by verdict and family.
struct Rates(HashMap<(String, String), f64>);

impl Rates {
    fn between(before: &Counters, after: &Counters) -> Self {
        let passed = Duration::from_nanos(after.at_ns.saturating_sub(before.at_ns));
        let key = |counter: &PacketCounter| (counter.verdict.clone(), counter.family.clone());
        let old: HashMap<_, u64> = before
            .packets
            .iter()
            .map(|counter| (key(counter), counter.packets))
            .collect();
        let rate = |counter: &PacketCounter| {
            let earlier = old.get(&key(counter)).copied().unwrap_or_default();
            // Maps that were made anew count from zero.
            let more = counter.packets.saturating_sub(earlier);
            let seconds = passed.as_secs_f64();
            if seconds > 0.0 {
                more as f64 / seconds
            } else {
                0.0
            }
        };
        Self(
            after
                .packets
                .iter()
                .map(|counter| (key(counter), rate(counter)))
                .collect(),
        )
    }

    fn of(&self, verdict: &str, family: &str) -> f64 {
        let key = (verdict.to_owned(), family.to_owned());
        self.0.get(&key).copied().unwrap_or_default()
    }
}
