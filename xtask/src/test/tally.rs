//! Counts what `cargo test` reports.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use mailwall_tests::SKIPPED;

/// Results of all test programs so far.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed, and runs that ended before they could count.
    pub failed: usize,
    /// Tests that were ignored, or that said they skip themselves.
    pub skipped: usize,
    failures: Vec<String>,
    skips: Vec<String>,
    /// Tests of the program that runs that said they skip themselves.
    skipping: usize,
}

impl Tally {
    /// Runs a `cargo test`, shows what it prints and counts its results.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&mut self, what: &str, mut cargo: Command, filter: Option<&str>) -> Result<()> {
        let failed_before = self.failed;
        let mut process = cargo
            .args(["--no-fail-fast", "--"])
            .args(filter)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {what}"))?;
        let output = process.stdout.take().context("the output is piped")?;
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            self.read(&line);
        }
        let status = process.wait()?;
        if !status.success() && self.failed == failed_before {
            self.fail(format!("{what} ended with {status}"));
        }
        Ok(())
    }

    /// Names of the tests that failed.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Names of the tests that skipped themselves, and why.
    pub fn skips(&self) -> &[String] {
        &self.skips
    }

    /// Counts the results of another run; its failures are named with `place`.
    pub fn add(&mut self, place: &str, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        let named =
            |names: Vec<String>| names.into_iter().map(move |name| format!("{name} {place}"));
        self.failures.extend(named(other.failures));
        self.skips.extend(named(other.skips));
    }

    /// Counts a run that ended before it could count.
    pub fn fail(&mut self, failure: String) {
        self.failed += 1;
        self.failures.push(failure);
    }

    /// Counts what a line that a test program printed tells.
    pub fn read(&mut self, line: &str) {
        if let Some(test) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(test.to_owned());
        }
        if let Some(skip) = line.strip_prefix(SKIPPED) {
            self.skipping += 1;
            self.skips.push(skip.to_owned());
        }
        let Some(counts) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.1.split("; ") {
            let Some((number, name)) = count.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            match name {
                // To the program a test that skips itself is one that passes.
                "passed" => {
                    let skipped = std::mem::take(&mut self.skipping).min(number);
                    self.passed += number - skipped;
                    self.skipped += skipped;
                }
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up() {
        let mut tally = Tally::default();
        for line in [
            "test ban::ends ... ok",
            "test ban::widens ... FAILED",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "SKIPPED: ban::flies: there are no wings",
            "test result: ok. 41 passed; 0 failed; 2 ignored; 0 measured; 7 filtered out; finished in 1.00s",
            "a test result: ok. 9 passed",
        ] {
            tally.read(line);
        }
        let expected = Tally {
            passed: 43,
            failed: 1,
            skipped: 3,
            failures: vec!["ban::widens".to_owned()],
            skips: vec!["ban::flies: there are no wings".to_owned()],
            skipping: 0,
        };
        assert_eq!(tally, expected);
    }
}
