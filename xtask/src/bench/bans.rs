//! Many bans: added from a file, put back at a start, held.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use mailwall_tests::{Agent, Setup, Stopwatch, Testbed};

/// What adding 100,000 bans should stay under.
const ADD_GOAL: Duration = Duration::from_secs(2);
/// What putting 100,000 bans back should stay under.
const RESTORE_GOAL: Duration = Duration::from_secs(1);
/// What an idle agent should stay under.
const RESIDENT_GOAL_MB: f64 = 30.0;
/// How long an idle agent is watched.
const IDLE: Duration = Duration::from_secs(10);
/// What the goals are for.
const GOAL_BANS: u32 = 100_000;

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// How many bans, half of them IPv4 addresses, half IPv6 networks
    #[arg(long, default_value_t = GOAL_BANS, value_parser = clap::value_parser!(u32).range(2..=130_000))]
    bans: u32,
}

/// Runs the command.
///
/// # Errors
/// When the agent does not hold the bans.
pub fn run(options: &Options, binary: &Path) -> Result<()> {
    let bed = Testbed::new()?;
    let config = format!(
        "[[source]]\nfile = \"{}\"\n",
        bed.dir().join("mail.log").display()
    );
    let agent = Setup::new(&bed, &config)?.using(binary).start()?;
    let resident_mb = idle("without bans", &agent)?;
    println!(
        "{:.2} of the goal for its memory",
        resident_mb / RESIDENT_GOAL_MB
    );

    let list = bed.dir().join("list.txt");
    fs::write(&list, nets(options.bans))?;
    let list = list.to_string_lossy();
    let watch = Stopwatch::start();
    let answer = agent.cli(&["ban", "add", "--from", &list, "--for", "1h"])?;
    let added = watch.elapsed();
    ensure!(
        answer.code == Some(0),
        "mailwall ban add: {}",
        answer.stderr.trim()
    );
    report("added from a file", options.bans, added, ADD_GOAL);
    holds(&agent, options.bans)?;

    let (status, setup) = agent.stop()?;
    ensure!(status.success(), "the agent ended with {status}");
    let watch = Stopwatch::start();
    let agent = setup.start()?;
    let restored = watch.elapsed();
    report(
        "restored at a restart",
        options.bans,
        restored,
        RESTORE_GOAL,
    );
    holds(&agent, options.bans)?;

    let (status, setup) = agent.stop()?;
    ensure!(status.success(), "the agent ended with {status}");
    bed.lose_pins()?;
    let watch = Stopwatch::start();
    let agent = setup.start()?;
    let restored = watch.elapsed();
    report(
        "restored after a reboot (no pinned maps)",
        options.bans,
        restored,
        RESTORE_GOAL,
    );
    holds(&agent, options.bans)?;
    idle("with the bans", &agent)?;
    agent.stop().map(drop)
}

/// 198.18.0.0/15 is set apart for benchmarks, and 2001:db8::/32 for documentation.
fn nets(count: u32) -> String {
    let mut text = String::new();
    for number in 0..count.div_ceil(2) {
        let address = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number);
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

fn report(what: &str, bans: u32, took: Duration, goal: Duration) {
    let seconds = took.as_secs_f64();
    let share = seconds / goal.as_secs_f64() * f64::from(GOAL_BANS) / f64::from(bans);
    println!("{bans} bans {what}: {seconds:.2} s, {share:.2} of the goal");
}

/// Resident megabytes of an agent that has nothing to do.
fn idle(when: &str, agent: &Agent<'_>) -> Result<f64> {
    let before = cpu_ticks(agent.pid())?;
    thread::sleep(IDLE);
    let ticks = cpu_ticks(agent.pid())? - before;
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid()))?;
    let kb = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .context("read the agent's memory")?;
    let mb = kb.trim().parse::<f64>()? / 1024.0;
    println!(
        "idle {when}: {mb:.1} MB resident, {ticks} clock ticks of CPU in {} s",
        IDLE.as_secs()
    );
    Ok(mb)
}

/// User and system time of a process: fields 14 and 15 of its `stat`, counted from behind its name.
fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("read the agent's times")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>);
    ticks
        .sum::<Result<u64, _>>()
        .context("read the agent's times")
}
