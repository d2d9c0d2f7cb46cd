//! mailwall: keeps abusive hosts away from a mail server.
#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test fails by panicking")
)]

// Vocabulary: plain data.
pub mod ban;
pub mod decision;
pub mod event;
pub mod line;

// Decision core: pure.
pub mod rule;

// Edges in.
pub mod host;

// Edges out.
pub mod filter;

// Operation.
pub mod clock;
pub mod doctor;
pub mod control {
    //! The control socket.
    pub mod protocol;
}
