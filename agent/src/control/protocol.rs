//! What goes over the control socket, and what `--json` prints: one JSON object a line, each answer with `"schema": 1`.
//!
//! Conventions: times are RFC 3339 in UTC, durations are whole seconds in fields that end in `_s`, nets and addresses are
//! strings, names are kebab-case, what is absent is `null`, what is empty is `[]`. Fields may be added; a change of one is a
//! new [`SCHEMA`].

mod account;
mod allow;
mod answer;
mod ban;
mod breaker;
mod counters;
mod event;
mod host;
mod notify;
mod policy;
mod report;
mod request;
mod rule;
mod source;
mod staged;
mod status;

pub use account::{
    AccountDone, AccountList, AccountShown, AccountSort, AccountView, DayView, HoldView, KickDone,
    KickWhom, SeenView, SessionView,
};
pub use allow::{AllowAdded, AllowList, AllowRemoved, AllowView};
pub use answer::{Answer, RefusalKind, Refused, Reloaded};
pub use ban::{BanAdded, BanCheck, BanList, BanRemoved, BanView, EvidenceView};
pub use breaker::{BreakerResumed, BreakerShown, PauseView};
pub use counters::{Counters, PacketCounter};
pub use event::{EventLog, LoggedEvent};
pub use host::{HostList, HostView};
pub use notify::{NotifierView, NotifyList, NotifyResult, NotifyTested};
pub use policy::{PolicyAnswers, PolicyView};
pub use report::*;
pub use request::{BanFilter, BanSort, Request};
pub use rule::{DelayView, RuleList, RuleView, ThenView};
pub use source::{Source, SourceList};
pub use staged::{BansSet, Commit, Skipped, Staged, StagedBan};
pub use status::{DatabaseView, Interface, LimitView, Limits, Status};

/// Version of the format.
pub const SCHEMA: u32 = 1;
/// Most bytes of a request: room for a million nets in one `ban-add`.
pub const REQUEST_MAX: usize = 64 << 20;
/// Most nets in one request.
pub const NETS_MAX: usize = 1_000_000;
