//! Counts what `cargo test` reports.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

/// Results of all test programs so far.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed, and runs that ended before they could count.
    pub failed: usize,
    /// Tests that were ignored.
    pub ignored: usize,
    failures: Vec<String>,
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

    /// Counts the results of another run; its failures are named with `place`.
    pub fn add(&mut self, place: &str, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        let failures = other.failures.into_iter();
        self.failures
            .extend(failures.map(|failure| format!("{failure} {place}")));
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
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
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
            "test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 7 filtered out; finished in 1.00s",
            "a test result: ok. 9 passed",
        ] {
            tally.read(line);
        }
        let expected = Tally {
            passed: 43,
            failed: 1,
            ignored: 2,
            failures: vec!["ban::widens".to_owned()],
        };
        assert_eq!(tally, expected);
    }
}
