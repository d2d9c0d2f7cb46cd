//! `cargo xtask ci`: what CI checks beside the tests. Every check is tried, so that one run tells all that is wrong.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use mailwall_tests::Stopwatch;

use crate::{command, dist, repository, skips::Skips, tools};

/// Files with more lines are named: a second noun may have moved in.
const LINES_MAX: usize = 400;

/// A check; what it cannot do on this machine it adds to the skips.
type Check = fn(&mut Skips) -> Result<()>;

/// Options of the command.
#[derive(Args)]
pub struct Options {}

/// Runs the command.
///
/// # Errors
/// When a check fails.
pub fn run(_options: Options) -> Result<()> {
    let watch = Stopwatch::start();
    let mut skips = Skips::default();
    let checks: [(&str, Check); 7] = [
        ("format", format),
        ("lints", lints),
        ("documentation", documentation),
        ("the BPF object", bpf_object),
        ("dependencies", dependencies),
        ("the package", dist::try_package),
        ("long files", long_files),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        println!("\n== {name}");
        match check(&mut skips) {
            Ok(()) => println!("{name}: in order"),
            Err(error) => {
                println!("{name}: {error:#}");
                failed.push(name);
            }
        }
    }
    println!();
    skips.print();
    println!("took {} s", watch.elapsed().as_secs());
    let skipped = skips.failures();
    if !failed.is_empty() || skipped > 0 {
        failed.extend((skipped > 0).then_some("a check that was skipped"));
        bail!("not in order: {}", failed.join(", "));
    }
    println!("all checks in order");
    Ok(())
}

fn format(_skips: &mut Skips) -> Result<()> {
    command::run(&mut repository::cargo(&["fmt", "--all", "--check"]))
}

fn lints(_skips: &mut Skips) -> Result<()> {
    command::run(&mut repository::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))
}

fn documentation(_skips: &mut Skips) -> Result<()> {
    command::run(
        repository::cargo(&[
            "doc",
            "--workspace",
            "--no-deps",
            "--lib",
            "--document-private-items",
            "--quiet",
        ])
        .env(
            "RUSTDOCFLAGS",
            "--deny warnings --allow rustdoc::private-intra-doc-links",
        ),
    )
}

fn bpf_object(skips: &mut Skips) -> Result<()> {
    let xtask = std::env::current_exe().context("find the running program")?;
    let said = command::run_quietly(Command::new(xtask).args(["build-ebpf", "--check"]))?;
    print!("{said}");
    if let Some(why) = said.lines().find_map(|line| line.strip_prefix("SKIPPED: ")) {
        skips.add_pardonable("the check of the BPF object", why);
    }
    Ok(())
}

fn dependencies(skips: &mut Skips) -> Result<()> {
    let deny = tools::cargo_deny().context("install cargo-deny")?;
    let check = |what: &[&str]| {
        let mut command = Command::new(&deny);
        command
            .current_dir(repository::root())
            .args(["--workspace", "check", "--show-stats"])
            .args(what);
        command
    };
    command::run(&mut check(&["licenses", "bans", "sources"]))?;
    // The list of known holes is fetched anew, and not every machine may fetch it.
    match command::run_quietly(&mut check(&["--disable-fetch", "advisories"])) {
        Ok(_) => Ok(()),
        Err(_) => advisories(skips, &mut check(&["advisories"])),
    }
}

fn advisories(skips: &mut Skips, check: &mut Command) -> Result<()> {
    match command::run_quietly(check) {
        Ok(_) => Ok(()),
        Err(error) if format!("{error:#}").contains("failed to fetch advisory database") => {
            skips.add_pardonable(
                "known holes in dependencies",
                "their list cannot be fetched here",
            );
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn long_files(_skips: &mut Skips) -> Result<()> {
    let listed = command::run_quietly(
        Command::new("git")
            .args(["ls-files", "*.rs"])
            .current_dir(repository::root()),
    )?;
    for file in listed.lines() {
        let text = std::fs::read_to_string(repository::root().join(file))?;
        let lines = text.lines().count();
        if lines > LINES_MAX {
            println!("{file}: {lines} lines");
        }
    }
    Ok(())
}
