//! `cargo xtask bench`: measures in a test bed, with a release build.

mod bans;
mod datapath;
mod latency;
pub mod logs;
mod machine;
mod process;
pub mod report;
mod samples;

use std::{env, path::PathBuf, process::Command};

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};

use crate::{apt, command, repository};

/// Options of the command.
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Time from a log line to the first SYN dropped because of it
    Latency(latency::Options),
    /// Bans added from a file, and put back at a start; memory and CPU of the agent that holds them
    Bans(bans::Options),
    /// What the filter costs: per packet, in memory, in a flood beside other tools
    Datapath(datapath::Options),
    /// What reading logs and judging costs: lines a second beside other tools, hosts, memory, worst lines
    Logs(logs::Options),
}

/// Runs the command.
///
/// # Errors
/// When something cannot be measured.
pub fn run(options: Options) -> Result<()> {
    if let What::Logs(options) = options.what {
        return logs::run(&options);
    }
    ensure!(
        nix::unistd::geteuid().is_root(),
        "network namespaces and BPF need root: run `cargo xtask bench` as root"
    );
    match options.what {
        What::Latency(options) => latency::run(&options, &agent()?),
        What::Bans(options) => bans::run(&options, &agent()?),
        What::Datapath(options) => datapath::run(&options),
        What::Logs(options) => logs::run(&options),
    }
}

/// Builds these packages with optimisation, and runs this command again with it: the agent's library is measured in this process, so
/// it has to be built as the agent is.
fn run_optimised(packages: &[&str]) -> Result<()> {
    eprintln!("building with optimisation");
    let mut build = repository::cargo(&["build", "--quiet", "--release"]);
    for package in packages {
        build.args(["--package", package]);
    }
    command::run(&mut build)?;
    let optimised = repository::target().join("release/xtask");
    ensure!(optimised.is_file(), "{} is missing", optimised.display());
    command::run(Command::new(optimised).args(env::args_os().skip(1)))
}

/// The agent, built as it is installed.
fn agent() -> Result<PathBuf> {
    apt::ensure(&apt::TEST_BED)?;
    println!("building the agent with optimisation");
    command::run(&mut repository::cargo(&[
        "build",
        "--quiet",
        "--release",
        "--package",
        "mailwall",
    ]))?;
    Ok(repository::target().join("release/mailwall"))
}
