//! The command line as its users have it: the real binary, with an agent that gives canned answers, and with none.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agent;
mod answers;
mod breaker;
mod changes;
mod errors;
mod files;
mod lists;
mod permission;
mod streams;
