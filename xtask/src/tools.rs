//! `cargo xtask tools`: installs what the demo, the tests and the checks need.

use std::{path::PathBuf, process::Command};

use anyhow::Result;
use clap::Args;
use mailwall_tests::SERVERS;

use crate::{apt, command, repository, roots};

/// Version of cargo-deny.
const CARGO_DENY: &str = "0.20.2";
/// Version of cargo-deb.
const CARGO_DEB: &str = "3.8.0";

/// Options of the command.
#[derive(Args)]
pub struct Options {}

/// Runs the command.
///
/// # Errors
/// When something cannot be installed.
pub fn run(_options: Options) -> Result<()> {
    apt::ensure(&apt::TEST_BED)?;
    for (software, made) in roots::ensure(SERVERS) {
        println!("{}: {}", software.title, made?.display());
    }
    let deny = cargo_deny()?;
    println!("cargo-deny: {}", deny.display());
    Ok(())
}

/// cargo-deny, installed under `target/tools` when it is not there.
///
/// # Errors
/// When it cannot be installed.
pub fn cargo_deny() -> Result<PathBuf> {
    installed("cargo-deny", CARGO_DENY)
}

/// cargo-deb, likewise.
///
/// # Errors
/// When it cannot be installed.
pub fn cargo_deb() -> Result<PathBuf> {
    installed("cargo-deb", CARGO_DEB)
}

fn installed(name: &str, version: &str) -> Result<PathBuf> {
    let tools = repository::target().join("tools");
    let program = tools.join("bin").join(name);
    let is_there = command::run_quietly(Command::new(&program).arg("--version"))
        .is_ok_and(|found| found.trim().ends_with(version));
    if !is_there {
        println!(
            "installing {name} {version} under {}: some minutes",
            tools.display()
        );
        command::run_quietly(
            repository::cargo(&["install", name, "--version", version, "--locked"])
                .arg("--root")
                .arg(&tools)
                .arg("--target-dir")
                .arg(tools.join("build")),
        )?;
    }
    Ok(program)
}
