//! What the filter costs: nanoseconds per packet beside simpler designs, memory, updates, and a flood over veth beside other
//! tools. Absolute numbers are those of one machine; what counts are ratios within one run.

mod bans;
mod case;
mod flood;
mod footprint;
mod loader;
mod packets;
mod scene;
mod updates;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{
    apt,
    bench::{machine, report::Report, run_optimised},
};

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// What to measure; everything if nothing is named
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Print one JSON object in place of tables
    #[arg(long)]
    json: bool,
    /// Measure each thing fewer times: good enough to see what works, not to compare
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Part {
    /// Instructions that the verifier walked through, and memory
    // First, while this process has no memory of other parts to use again.
    Footprint,
    /// Nanoseconds per packet, by BPF_PROG_TEST_RUN
    Packets,
    /// Adding one ban, restoring a million
    Updates,
    /// A flood over veth, beside other tools, and an honest client in it
    Flood,
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
        return run_optimised(&["xtask"]);
    }
    apt::ensure(&apt::TEST_BED)?;
    let mut report = Report::new(machine::describe()?);
    let parts = if options.parts.is_empty() {
        Part::value_variants()
    } else {
        &options.parts
    };
    for part in parts {
        eprintln!("== {}", part.name());
        match part {
            Part::Packets => packets::run(options.quick, &mut report)?,
            Part::Footprint => footprint::run(&mut report)?,
            Part::Updates => updates::run(&mut report)?,
            Part::Flood => flood::run(options.quick, &mut report)?,
        }
    }
    report.print(options.json);
    Ok(())
}
