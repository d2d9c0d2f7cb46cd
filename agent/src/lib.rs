//! mailwall: keeps abusive hosts away from a mail server.
#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test fails by panicking")
)]

// Vocabulary: plain data.
pub mod ban;
pub mod decision;
pub mod duration;
pub mod event;
pub mod line;

// Decision core: pure.
pub mod dialect;
pub mod envelope;
pub mod rule;

// Operation.
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
