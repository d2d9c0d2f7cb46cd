//! The test programs, as `cargo test` builds them for this host: built once for both.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{command::run_quietly, repository};

/// Names of the test programs that are run under every kernel, as under `tests/tests/`.
const NAMES: &[&str] = &["filter", "filter_attach", "filter_cards", "filter_edge"];

/// A test program.
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Where it lies.
    pub path: PathBuf,
}

/// Builds them.
///
/// # Errors
/// When they cannot be built.
pub fn build() -> Result<Vec<Program>> {
    let mut cargo = repository::cargo(&["test", "--no-run", "--package", "mailwall-tests"]);
    for name in NAMES {
        cargo.args(["--test", name]);
    }
    cargo.args(["--message-format", "json"]);
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
    let name = NAMES.iter().copied().find(|known| *known == name)?;
    Some(Program {
        name,
        path: path.into(),
    })
}
