//! Time from a log line to the first SYN dropped because of it: written by one process, read, judged, stored and put into the
//! kernel's map by the agent, noticed by the client. While nothing else happens, and while other lines flow; and the same with
//! fail2ban in the agent's place.

mod fail2ban;
mod flow;

use std::{
    fs::File,
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use mailwall_tests::{Setup, Stopwatch, Testbed, rejection};

use self::{fail2ban::Fail2ban, flow::Flow};
use super::{
    machine,
    process::cpu_time,
    report::{Cell, Limit, Report, Table},
    samples::Samples,
};
use crate::apt;

/// What the median should stay under, in milliseconds.
const MEDIAN_GOAL: f64 = 1.0;
/// What 99 of 100 should stay under, in milliseconds.
const P99_GOAL: f64 = 5.0;
/// What the agent should stay under while lines flow, in percent of a core.
const CPU_GOAL: f64 = 5.0;
/// The longest that is waited for a ban.
const WITHIN: Duration = Duration::from_secs(30);
/// How long lines flow before something is measured, and how long the agent is watched then.
const WATCHED: Duration = Duration::from_secs(10);
/// fail2ban takes a second where the agent takes a millisecond: it gets one in so many rounds.
const FAIL2BAN_SHARE: u8 = 10;

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// How many bans to measure, each of another address
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u8).range(1..=250))]
    rounds: u8,
    /// Lines that flow in a second while it is measured the second time
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Print one JSON object in place of tables
    #[arg(long)]
    json: bool,
}

/// What was measured of a program.
struct Measured {
    dropped: Samples,
    round_trips: Option<Samples>,
    /// Lines a second that did flow, and what the program took of a core for them, in percent.
    flow: Option<(f64, f64)>,
}

/// Runs the command.
///
/// # Errors
/// When an address is not banned.
pub fn run(options: &Options, binary: &Path) -> Result<()> {
    let mut report = Report::new(machine::describe()?);
    let mut table = Table::new(
        "latency",
        "Log line written to SYN dropped (milliseconds)",
        &[
            ("program", "PROGRAM"),
            ("lines_per_s", "LINES/S"),
            ("bans", "BANS"),
            ("median_ms", "MEDIAN"),
            ("p90_ms", "90 %"),
            ("p99_ms", "99 %"),
            ("worst_ms", "WORST"),
            ("round_trip_ms", "A SYN'S ANSWER"),
            ("cpu_percent", "CPU %"),
        ],
    );
    for rate in [None, Some(options.rate)] {
        let measured = of_agent(options.rounds, rate, binary)?;
        table.row(row("mailwall", &measured));
        if let Some((_, cpu)) = measured.flow {
            let ms = |percent| measured.dropped.percentile(percent).as_secs_f64() * 1e3;
            let flowing = format!("while {} lines/s flow", options.rate);
            report.target(
                format!("median {flowing}"),
                ms(50),
                "ms",
                Limit::AtMost(MEDIAN_GOAL),
            );
            report.target(
                format!("99 % {flowing}"),
                ms(99),
                "ms",
                Limit::AtMost(P99_GOAL),
            );
            report.target(format!("CPU {flowing}"), cpu, "%", Limit::AtMost(CPU_GOAL));
        }
    }
    let rounds = (options.rounds / FAIL2BAN_SHARE).max(1);
    for rate in [None, Some(options.rate)] {
        match of_fail2ban(rounds, rate) {
            Ok(measured) => table.row(row("fail2ban", &measured)),
            Err(why) => {
                let when = rate.map_or_else(String::new, |rate| format!(", {rate} lines/s"));
                report.skip(format!("fail2ban{when}"), format!("{why:#}"));
                break;
            }
        }
    }
    report.table(table);
    report.print(options.json);
    Ok(())
}

fn of_agent(rounds: u8, rate: Option<u32>, binary: &Path) -> Result<Measured> {
    let bed = Testbed::new()?;
    let log = new_log(&bed)?;
    let config = format!(
        "[[source]]\nfile = \"{}\"\n\n[[rule]]\nname = \"first\"\ncount = [\"unknown-recipient\"]\nper = \"address\"\n\
         limit = 1\nwindow = \"10m\"\n",
        log.display()
    );
    let agent = Setup::new(&bed, &config)?.using(binary).start()?;
    agent.until("following of the log", &["source", "list"], |list| {
        (list["sources"][0]["state"] == "following").then_some(())
    })?;
    let measured = measure(&bed, &log, agent.pid(), rounds, rate)
        .with_context(|| format!("the agent said:\n{}", agent.setup().said()))?;
    agent.stop()?;
    Ok(measured)
}

fn of_fail2ban(rounds: u8, rate: Option<u32>) -> Result<Measured> {
    apt::ensure(&apt::FIREWALL)?;
    let bed = Testbed::new()?;
    let log = new_log(&bed)?;
    let fail2ban = Fail2ban::start(&bed, &log)?;
    measure(&bed, &log, fail2ban.pid(), rounds, rate)
}

fn new_log(bed: &Testbed) -> Result<PathBuf> {
    let log = bed.dir().join("mail.log");
    File::create(&log)?;
    Ok(log)
}

fn measure(bed: &Testbed, log: &Path, pid: u32, rounds: u8, rate: Option<u32>) -> Result<Measured> {
    let mut lines = File::options().append(true).open(log)?;
    let flow = rate.map(|rate| Flow::start(log, rate)).transpose()?;
    let flowed = flow.as_ref().map(|flow| watch(flow, pid)).transpose()?;
    let (mut dropped, mut round_trips) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let address = Ipv4Addr::new(203, 0, 113, round);
        let client = bed.client(&address.to_string());
        let line = rejection(IpAddr::V4(address), u32::from(round), "nobody@example.test") + "\n";
        let watch = Stopwatch::start();
        lines.write_all(line.as_bytes())?;
        let probe = client.probe_until_dropped(watch, WITHIN)?;
        dropped.push(probe.dropped_after);
        round_trips.extend(probe.round_trip);
    }
    if let Some(flow) = flow {
        flow.stop()?;
    }
    Ok(Measured {
        dropped: Samples::new(dropped),
        round_trips: (!round_trips.is_empty()).then(|| Samples::new(round_trips)),
        flow: flowed,
    })
}

/// How many lines flow in a second, and what the process takes of a core meanwhile, in percent.
fn watch(flow: &Flow, pid: u32) -> Result<(f64, f64)> {
    thread::sleep(WATCHED);
    let (lines, cpu, watch) = (flow.written(), cpu_time(pid)?, Stopwatch::start());
    thread::sleep(WATCHED);
    let seconds = watch.elapsed().as_secs_f64();
    let cpu = cpu_time(pid)?.saturating_sub(cpu).as_secs_f64();
    let lines = flow.written() - lines;
    Ok((lines as f64 / seconds, cpu * 100.0 / seconds))
}

fn row(program: &str, measured: &Measured) -> Vec<Cell> {
    let Measured {
        dropped,
        round_trips,
        flow,
    } = measured;
    let ms = |time: Duration| Cell::Number(time.as_secs_f64() * 1e3, 2);
    vec![
        Cell::text_of(program),
        flow.map_or(Cell::None, |(lines, _)| Cell::Number(lines, 0)),
        Cell::count(dropped.len() as u64),
        ms(dropped.median()),
        ms(dropped.percentile(90)),
        ms(dropped.percentile(99)),
        ms(dropped.percentile(100)),
        round_trips
            .as_ref()
            .map_or(Cell::None, |times| ms(times.median())),
        flow.map_or(Cell::None, |(_, cpu)| Cell::Number(cpu, 1)),
    ]
}
