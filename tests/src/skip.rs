//! Tests that cannot be run where they are.

use std::io::{Write as _, stdout};

/// What a line begins with that names a test that skips itself, and why.
pub const SKIPPED: &str = "SKIPPED: ";

/// Says that a test skips itself, so that it is seen: what a test prints that passes is not. The test is counted as skipped by
/// `cargo xtask test`.
pub fn skip(test: &str, why: &str) {
    // The line may stand behind the name of the test; without a terminal to say it on, the test is skipped all the same.
    let _said = stdout().write_all(format!("\n{SKIPPED}{test}: {why}\n").as_bytes());
}
