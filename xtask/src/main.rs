//! What is done with this repository: `cargo xtask --help`.

mod apt;
mod bench;
mod build_ebpf;
mod ci;
mod command;
mod conformance;
mod day;
mod demo;
mod dist;
mod fuzz;
mod peers;
mod repository;
mod roots;
mod run;
mod skips;
mod test;
mod tools;

use std::process::ExitCode;

use clap::Parser;

/// What is done with this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Shows mailwall at its work: a real Postfix, an attack, a ban, its end
    Demo(demo::Options),
    /// Builds the agent and runs it on this host
    Run(run::Options),
    /// Runs every test that this machine can run, and says what it skips
    Test(test::Options),
    /// What CI checks beside the tests: format, lints, documentation, dependencies, the BPF object
    Ci(ci::Options),
    /// Builds the BPF object that is checked in
    BuildEbpf(build_ebpf::Options),
    /// Measures, and prints ratios and medians
    Bench(bench::Options),
    /// Tells how well log lines are understood, program by program
    Conformance(conformance::Options),
    /// Judges a made-up day of good and abusive hosts by the default rules
    Day(day::Options),
    /// Fuzzes what reads log lines
    Fuzz(fuzz::Options),
    /// Makes a Debian package and a tarball
    Dist(dist::Options),
    /// Installs what the demo and the tests need, and says what
    Tools(tools::Options),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Demo(options) => demo::run(options),
        Task::Run(options) => run::run(options),
        Task::Test(options) => test::run(options),
        Task::Ci(options) => ci::run(options),
        Task::BuildEbpf(options) => build_ebpf::run(options),
        Task::Bench(options) => bench::run(options),
        Task::Conformance(options) => conformance::run(options),
        Task::Day(options) => day::run(&options),
        Task::Fuzz(options) => fuzz::run(options),
        Task::Dist(options) => dist::run(options),
        Task::Tools(options) => tools::run(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
