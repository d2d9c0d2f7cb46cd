//! Many bans: added from a file, put back at a start, held.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use clap::Args;
use mailwall_tests::{Agent, Setup, Stopwatch, Testbed};

use super::{
    machine,
    process::{cpu_time, resident_mb},
    report::{Cell, Limit, Report, Table},
};

/// Seconds that adding 100,000 bans should stay under.
const ADD_GOAL: f64 = 2.0;
/// Seconds that a start with as many should stay under, and with a million.
const START_GOALS: [(u32, f64); 2] = [(100_000, 1.0), (1_000_000, 3.0)];
/// What an idle agent should stay under, in MB, and in percent of a core.
const IDLE_GOALS: (f64, f64) = (30.0, 0.1);
/// How long an idle agent is watched.
const IDLE: Duration = Duration::from_secs(20);

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// How many bans, half of them IPv4 addresses, half IPv6 networks
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    bans: u32,
    /// Print one JSON object in place of tables
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the agent does not hold the bans.
pub fn run(options: &Options, binary: &Path) -> Result<()> {
    let mut report = Report::new(machine::describe()?);
    let mut table = Table::new(
        "bans",
        format!("{} bans", options.bans),
        &[("what", "WHAT"), ("seconds", "SECONDS")],
    );
    let bed = Testbed::new()?;
    let config = format!(
        "[[source]]\nfile = \"{}\"\n",
        bed.dir().join("mail.log").display()
    );
    let agent = Setup::new(&bed, &config)?.using(binary).start()?;
    let mut idle = Table::new(
        "idle",
        "An agent that has nothing to do",
        &[
            ("bans", "BANS"),
            ("resident_mb", "RESIDENT MB"),
            ("cpu_percent", "CPU %"),
        ],
    );
    let (resident, cpu) = rest(&agent)?;
    idle.row(vec![
        Cell::count(0),
        Cell::Number(resident, 1),
        Cell::Number(cpu, 2),
    ]);
    report.target(
        "idle agent, resident",
        resident,
        "MB",
        Limit::AtMost(IDLE_GOALS.0),
    );
    report.target("idle agent, CPU", cpu, "%", Limit::AtMost(IDLE_GOALS.1));

    let list = bed.dir().join("list.txt");
    fs::write(&list, nets(options.bans))?;
    let list = list.to_string_lossy();
    let watch = Stopwatch::start();
    let answer = agent.cli(&["ban", "add", "--from", &list, "--for", "1h"])?;
    let added = watch.elapsed().as_secs_f64();
    ensure!(
        answer.code == Some(0),
        "mailwall ban add: {}",
        answer.stderr.trim()
    );
    table.row(vec![
        Cell::text_of("added from a file"),
        Cell::Number(added, 2),
    ]);
    if options.bans == START_GOALS[0].0 {
        report.target("added from a file", added, "s", Limit::AtMost(ADD_GOAL));
    }
    holds(&agent, options.bans)?;

    let (status, setup) = agent.stop()?;
    ensure!(status.success(), "the agent ended with {status}");
    let (agent, seconds) = started(setup, options.bans)?;
    let what = "restart: the filter goes on, until the agent holds all";
    table.row(vec![Cell::text_of(what), Cell::Number(seconds, 2)]);
    if let Some((_, goal)) = START_GOALS.iter().find(|(bans, _)| *bans == options.bans) {
        report.target("restart", seconds, "s", Limit::AtMost(*goal));
    }

    let (status, setup) = agent.stop()?;
    ensure!(status.success(), "the agent ended with {status}");
    bed.lose_pins()?;
    let (agent, seconds) = started(setup, options.bans)?;
    let what = "reboot: no pinned maps, until the filter and the agent hold all";
    table.row(vec![Cell::text_of(what), Cell::Number(seconds, 2)]);
    if let Some((_, goal)) = START_GOALS.iter().find(|(bans, _)| *bans == options.bans) {
        report.target("start after a reboot", seconds, "s", Limit::AtMost(*goal));
    }
    let (resident, cpu) = rest(&agent)?;
    idle.row(vec![
        Cell::count(u64::from(options.bans)),
        Cell::Number(resident, 1),
        Cell::Number(cpu, 2),
    ]);
    agent.stop()?;
    report.table(table);
    report.table(idle);
    report.print(options.json);
    Ok(())
}

/// Starts the agent; how many seconds until it holds that many bans.
fn started(setup: Setup<'_>, bans: u32) -> Result<(Agent<'_>, f64)> {
    let watch = Stopwatch::start();
    let agent = setup.start()?;
    let seconds = watch.elapsed().as_secs_f64();
    holds(&agent, bans)?;
    Ok((agent, seconds))
}

/// 240.0.0.0/4 is nobody's, and 2001:db8::/32 for documentation.
fn nets(count: u32) -> String {
    let mut text = String::new();
    for number in 0..count.div_ceil(2) {
        let address = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(240, 0, 0, 0)) + number);
        let base = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0));
        let network = Ipv6Addr::from_bits(base + (u128::from(number) << 64));
        // Writing to a string does not fail.
        let _written = writeln!(text, "{address}\n{network}/64");
    }
    text
}

fn holds(agent: &Agent<'_>, bans: u32) -> Result<()> {
    let held = agent.json(&["status"])?["bans"].as_u64();
    ensure!(
        held == Some(u64::from(bans)),
        "{bans} bans expected, the agent holds {held:?}"
    );
    Ok(())
}

/// Resident megabytes of an agent that has nothing to do, and what it takes of a core, in percent.
fn rest(agent: &Agent<'_>) -> Result<(f64, f64)> {
    let (cpu, watch) = (cpu_time(agent.pid())?, Stopwatch::start());
    thread::sleep(IDLE);
    let cpu = cpu_time(agent.pid())?.saturating_sub(cpu).as_secs_f64();
    let percent = cpu * 100.0 / watch.elapsed().as_secs_f64();
    Ok((resident_mb(agent.pid())?, percent))
}
