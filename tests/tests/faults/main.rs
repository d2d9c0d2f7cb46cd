//! Faults brought about on purpose, one kind in each file, and after each the same question ([`Scene::ask`]): is every ban that is
//! not over enforced, is every other one gone, is no line lost or counted twice? They need root. The form that is run by default
//! is short; `cargo xtask test --faults` runs the whole.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bpffs;
mod burst;
mod calendar;
mod clock;
mod database;
mod disk;
mod flood;
mod interface;
mod journal;
mod kill;
mod ledger;
mod map;
mod memory;
mod rotation;
mod scene;
mod soak;

use std::env;

use scene::Scene;

/// Says that the whole is to be run, in place of the short form.
const WHOLE: &str = "MAILWALL_FAULTS";

/// How much of something is done: `few` in the short form, `many` in the whole.
fn so_many(few: usize, many: usize) -> usize {
    if env::var_os(WHOLE).is_some_and(|form| form == "whole") {
        many
    } else {
        few
    }
}
