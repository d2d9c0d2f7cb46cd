//! What was not done, and why: named, counted, and in CI a failure unless it is one that CI accepts.

use std::env;

/// Skips so far.
#[derive(Default)]
pub struct Skips(Vec<Skip>);

struct Skip {
    what: String,
    why: String,
    pardonable: bool,
}

impl Skips {
    /// Remembers and names a skip.
    pub fn add(&mut self, what: &str, why: &str) {
        self.push(what, why, false);
    }

    /// Remembers and names a skip that CI accepts.
    pub fn add_pardonable(&mut self, what: &str, why: &str) {
        self.push(what, why, true);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of them are failures: in CI those that are not pardonable, elsewhere none.
    pub fn failures(&self) -> usize {
        if !in_ci() {
            return 0;
        }
        self.0.iter().filter(|skip| !skip.pardonable).count()
    }

    /// Names them all again.
    pub fn print(&self) {
        for skip in &self.0 {
            let verdict = if in_ci() && !skip.pardonable {
                "skipped, which is a failure in CI"
            } else {
                "skipped"
            };
            println!("{verdict}: {}: {}", skip.what, skip.why);
        }
    }

    fn push(&mut self, what: &str, why: &str, pardonable: bool) {
        println!("skipping {what}: {why}");
        self.0.push(Skip {
            what: what.to_owned(),
            why: why.to_owned(),
            pardonable,
        });
    }
}

fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}
