//! What reading logs and judging costs: lines a second beside other tools, tracked hosts, memory, and the worst lines that a
//! stranger can have written. All on one CPU, but for what says otherwise. Ratios within one run are what counts.

mod analyze;
mod effort;
mod flood;
mod judge;
pub mod mix;
mod peers;
mod pipeline;
pub mod random;
mod worst;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use self::effort::Effort;
use crate::bench::{machine, report::Report, run_optimised};

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// What to measure; everything if nothing is named
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Print one JSON object in place of tables
    #[arg(long)]
    json: bool,
    /// Measure fewer lines, fewer times: good enough to see what works, not to compare
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Part {
    /// A million hosts: offences a second, and memory
    // First, while this process has no memory of other parts to use again.
    Judge,
    /// Ten million addresses and accounts: every table within its bound
    Flood,
    /// Reading lines, and judging what they say
    Pipeline,
    /// `mailwall analyze` whole: one core, all cores, memory
    Analyze,
    /// Other tools over the same log
    Peers,
    /// The longest and ugliest lines
    Worst,
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Runs the command.
///
/// # Errors
/// When something cannot be measured. That a target is missed is no error.
pub fn run(options: &Options) -> Result<()> {
    if cfg!(debug_assertions) {
        return run_optimised(&["xtask", "mailwall"]);
    }
    let all = sched_getaffinity(Pid::from_raw(0)).context("ask for the CPUs")?;
    let effort = Effort::new(options.quick);
    let mut report = Report::new(machine::describe()?);
    let parts = if options.parts.is_empty() {
        Part::value_variants()
    } else {
        &options.parts
    };
    for part in parts {
        eprintln!("== {}", part.name());
        pin(&last_of(&all)?)?;
        match part {
            Part::Judge => judge::run(effort, &mut report)?,
            Part::Flood => flood::run(&mut report)?,
            Part::Pipeline => pipeline::run(effort, &mut report)?,
            Part::Analyze => analyze::run(effort, &all, &mut report)?,
            Part::Peers => peers::run(effort, &mut report)?,
            Part::Worst => worst::run(effort, &mut report)?,
        }
    }
    report.print(options.json);
    Ok(())
}

/// This process, and those it starts from here on, on these CPUs only.
fn pin(cpus: &CpuSet) -> Result<()> {
    sched_setaffinity(Pid::from_raw(0), cpus).context("choose the CPUs")
}

/// The last CPU of a set: the first has most of the interrupts.
fn last_of(cpus: &CpuSet) -> Result<CpuSet> {
    let last = (0..CpuSet::count())
        .rev()
        .find(|&cpu| cpus.is_set(cpu).unwrap_or(false))
        .context("no CPU to run on")?;
    let mut only = CpuSet::new();
    only.set(last)?;
    Ok(only)
}
