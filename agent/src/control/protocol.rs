//! What goes over the control socket, and what `--json` prints: one JSON object a line, each answer with `"schema": 1`.
//!
//! Conventions: times are RFC 3339 in UTC, durations are whole seconds in fields that end in `_s`, nets and addresses are
//! strings, names are kebab-case, what is absent is `null`, what is empty is `[]`. Fields may be added; a change of one is a
//! new [`SCHEMA`].

mod account;
mod answer;
mod breaker;
mod host;
mod report;
mod request;
mod staged;

pub use account::{
    AccountDone, AccountList, AccountShown, AccountSort, AccountView, DayView, HoldView, KickDone,
    KickWhom, SeenView, SessionView,
};
pub use answer::*;
pub use breaker::{BreakerResumed, BreakerShown, PauseView};
pub use host::{HostList, HostView};
pub use report::*;
pub use request::{BanFilter, BanSort, Request};
pub use staged::{BansSet, Commit, Skipped, Staged, StagedBan};

/// Version of the format.
pub const SCHEMA: u32 = 1;
/// Most bytes of a request: room for a million nets in one `ban-add`.
pub const REQUEST_MAX: usize = 64 << 20;
/// Most nets in one request.
pub const NETS_MAX: usize = 1_000_000;
