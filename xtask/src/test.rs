//! `cargo xtask test`: prepares, runs every test that this machine can run, and ends with a line that counts them.

pub mod kernels;
mod tally;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use mailwall_tests::{POSTFIX, SERVERS, Stopwatch, Testbed};
use tally::Tally;

use crate::{apt, command, repository, roots, skips::Skips};

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// Runs only tests whose name contains this
    filter: Option<String>,
    /// Runs the filter tests under Debian's kernels, in emulated machines
    #[arg(
        long,
        value_name = "WHEN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "only"
    )]
    kernels: Option<Kernels>,
    /// Runs only the fault tests, all of each: 200 kills, two minutes of 200,000 lines a second; half an hour in all
    #[arg(long, conflicts_with_all = ["kernels", "soak"])]
    faults: bool,
    /// Runs only the soak test: a steady load for so many minutes, and what the agent needs of memory meanwhile
    #[arg(
        long,
        value_name = "MINUTES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with_all = ["kernels", "filter"]
    )]
    soak: Option<u32>,
}

/// When the filter tests are run under Debian's kernels.
#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Kernels {
    /// Instead of all other tests
    Only,
    /// After all other tests
    Also,
}

/// Runs the command.
///
/// # Errors
/// When a test fails, or, in CI, is skipped.
pub fn run(options: Options) -> Result<()> {
    let watch = Stopwatch::start();
    let mut skips = Skips::default();
    let mut tally = Tally::default();
    let filter = options.filter.as_deref();
    if options.faults || options.soak.is_some() {
        run_faults(&mut tally, &mut skips, filter, options.soak)?;
        return report(&tally, &skips, watch);
    }
    if options.kernels != Some(Kernels::Only) {
        run_here(&mut tally, &mut skips, filter)?;
    }
    if options.kernels.is_some() {
        kernels::run(&mut tally, &mut skips, filter)?;
    }
    report(&tally, &skips, watch)
}

/// Runs every test that can be run under the kernel of this machine.
fn run_here(tally: &mut Tally, skips: &mut Skips, filter: Option<&str>) -> Result<()> {
    let bed = prepare(skips);
    heading("unit tests, without root");
    tally.run(
        "the unit tests",
        repository::cargo(&["test", "--workspace", "--exclude", "mailwall-tests"]),
        filter,
    )?;

    match bed {
        Bed::Whole | Bed::WithoutPostfix => {
            heading("filter and system tests, as root");
            command::run(&mut repository::cargo(&["build", "--package", "mailwall"]))?;
            let mut cargo = repository::cargo(&["test", "--package", "mailwall-tests"]);
            if let Bed::WithoutPostfix = bed {
                cargo.env("MAILWALL_MAIL_SERVER", "responder");
            }
            tally.run("the filter and system tests", cargo, filter)?;
        }
        Bed::None => {
            heading("tests of the repository's structure");
            tally.run(
                "the structure tests",
                repository::cargo(&["test", "--package", "mailwall-tests", "--test", "structure"]),
                filter,
            )?;
        }
    }
    Ok(())
}

/// Runs the fault tests, all of each, or for so many minutes the soak test.
fn run_faults(
    tally: &mut Tally,
    skips: &mut Skips,
    filter: Option<&str>,
    soak: Option<u32>,
) -> Result<()> {
    if let Bed::None = prepare(skips) {
        return Ok(());
    }
    command::run(&mut repository::cargo(&["build", "--package", "mailwall"]))?;
    let mut cargo = repository::cargo(&["test", "--package", "mailwall-tests", "--test", "faults"]);
    match soak {
        Some(minutes) => {
            heading(&format!("soak test, {minutes} minutes"));
            // What it prints is what it is run for.
            cargo
                .env("MAILWALL_SOAK_MINUTES", minutes.to_string())
                .env("RUST_TEST_NOCAPTURE", "1");
            tally.run("the soak test", cargo, Some("soak::"))
        }
        None => {
            heading("fault tests, all of each");
            cargo.env("MAILWALL_FAULTS", "whole");
            tally.run("the fault tests", cargo, filter)
        }
    }
}

/// What the system tests can be run on.
enum Bed {
    /// Namespaces, BPF, Postfix.
    Whole,
    /// The same with the built-in responder.
    WithoutPostfix,
    /// Nothing.
    None,
}

fn prepare(skips: &mut Skips) -> Bed {
    if !nix::unistd::geteuid().is_root() {
        skips.add(
            "the filter and system tests",
            "they need root, for network namespaces and BPF",
        );
        return Bed::None;
    }
    if let Err(error) = apt::ensure(&apt::TEST_BED).and_then(|()| Testbed::new().map(drop)) {
        skips.add("the filter and system tests", &format!("{error:#}"));
        return Bed::None;
    }
    let mut bed = Bed::Whole;
    for (software, made) in roots::ensure(SERVERS) {
        let Err(error) = made else { continue };
        let title = software.title;
        let what = if software.name == POSTFIX.name {
            bed = Bed::WithoutPostfix;
            format!(
                "the system tests against a real {title} (they run against the built-in responder)"
            )
        } else {
            format!("the system tests against a real {title}")
        };
        skips.add(&what, &format!("{error:#}"));
    }
    bed
}

fn report(tally: &Tally, skips: &Skips, watch: Stopwatch) -> Result<()> {
    println!();
    for failure in tally.failures() {
        println!("failed: {failure}");
    }
    for skip in tally.skips() {
        println!("skipped: {skip}");
    }
    skips.print();
    println!("took {} s", watch.elapsed().as_secs());
    let failed = tally.failed + skips.failures();
    let skipped = tally.skipped + skips.len() - skips.failures();
    let closing = format!("{} passed, {failed} failed", tally.passed);
    match skipped {
        0 => println!("{closing}"),
        _ => println!("{closing}, {skipped} skipped"),
    }
    if failed > 0 {
        bail!("{failed} failed");
    }
    Ok(())
}

fn heading(text: &str) {
    println!("\n== {text}");
}
