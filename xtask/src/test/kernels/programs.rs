//! The test programs, with their libraries in them.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{command::run_quietly, repository};

/// Names of the test programs, as under `tests/tests/`.
const NAMES: [&str; 2] = ["filter", "filter_edge"];

/// What they are built for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A test program.
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Where it lies.
    pub path: PathBuf,
}

/// Builds them in a folder of their own, for everything in it is built in another way.
///
/// # Errors
/// When they cannot be built.
pub fn build() -> Result<Vec<Program>> {
    let mut cargo = repository::cargo(&["test", "--no-run", "--package", "mailwall-tests"]);
    for name in NAMES {
        cargo.args(["--test", name]);
    }
    // Emulated code is slow: optimised a little, the tests take less than half as long.
    cargo
        .args(["--target", TARGET, "--message-format", "json"])
        .arg("--target-dir")
        .arg(repository::target().join("kernels/build"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CARGO_PROFILE_DEV_STRIP", "symbols");
    println!("the first time this takes some minutes");
    let said = run_quietly(&mut cargo)?;
    let mut programs: Vec<Program> = said.lines().filter_map(built).collect();
    programs.sort_by_key(|program| program.name);
    ensure!(
        programs.len() == NAMES.len(),
        "cargo built {} of {} test programs",
        programs.len(),
        NAMES.len()
    );
    Ok(programs)
}

/// The test program that a message of cargo tells of.
fn built(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = message["executable"].as_str()?;
    let name = message["target"]["name"].as_str()?;
    let name = NAMES.into_iter().find(|known| *known == name)?;
    Some(Program {
        name,
        path: path.into(),
    })
}
