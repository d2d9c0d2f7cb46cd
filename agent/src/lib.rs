//! mailwall keeps abusive hosts away from a mail server. This page is the map of its userspace half.
//!
//! # The flow
//!
//! ```text
//! log file ──> source ──> daemon ──> dialect ──> judge ──> daemon ──┬─> store    (durable first)
//!              follows    owns all   line to     rules,             ├─> filter   (the kernel's maps)
//!              by inode   state      Event       Decision           └─> log line, `mailwall events`, notify
//!                           ▲
//! mailwall CLI ──> control ─┤                  kernel: SYN ──> filter-ebpf ──> ban in force? limit reached? ──> drop, count
//!                           └── limit events ── kernel: connections counted, over a limit
//! ```
//!
//! [`source`] reads whole lines and caps them; its bounded channel makes it wait when the agent is behind, so the log is
//! the buffer. [`daemon`] hands each line to [`dialect`], which recognises the envelope and the program and says what
//! happened, if the client's address is certain. [`judge`] asks the allowlist, then each rule. What it decides is stored,
//! then put into the kernel's maps, then told. A checkpoint moves only together with the decisions before it. Who reaches a
//! [`limit`] with completed connections is an event like one from a log.
//!
//! # Code map
//!
//! - Vocabulary, plain data: [`event`], [`mod@line`], [`ban`], [`account`], [`allowlist`], [`limit`], [`penalty`], [`regular`] (who does
//!   well), [`providers`], [`honeypot`], [`decision`], [`checkpoint`], [`tally`] (counts for reports); and `lanes`, which looks
//!   at sixteen bytes of a line at once.
//! - Decision core, pure: [`envelope`] and [`dialect`] (one file for each mail program), [`rule`] (one for each kind of rule),
//!   [`bans`], [`judge`].
//! - Edges in: [`source`] (log files, the journal, sockets, stdin: one file for each), [`host`] (what the host says of itself).
//! - Edges out: [`filter`] (the only place that names aya: the table of bans that both halves work on, limits, attaching, upgrades),
//!   [`store`] (SQLite), [`policy`] (answers Postfix in the session), [`kick`] (the end of live connections), [`notify`] (who is
//!   told: one file for each way), [`metrics`] (Prometheus), [`journald`] (fields of decisions), [`service_manager`] (systemd);
//!   and `netlink`, which frames what some of them ask the kernel.
//! - Operation: [`config`], [`duration`], [`control`] (the socket and its protocol), [`cli`] (one file for each noun), [`exchange`]
//!   (lists of bans as other programs keep them: one file for each format), [`report`], [`doctor`], [`clock`], [`privilege`]
//!   (giving up root), [`daemon`].
//!
//! # Invariants
//!
//! - The kernel decides alone. It compares a ban's end with its own clock; maps, program and links are pinned. Nothing here
//!   has to run for a ban to hold or to end.
//! - The core does no I/O, reads no clock and has no randomness: the same lines give the same decisions, live or replayed.
//! - One task owns all state. There is no lock around bans; other tasks hold only ends of channels.
//! - Times in the core are those of the steady clock ([`clock`]): setting the host's clock moves neither windows nor bans.
//! - An address is taken only from where the mail program itself writes it. Two candidates are no event.
//! - Every table, queue and line has a bound with a name. When a map of the filter is full, the automatic ban in it that ends
//!   soonest gives way to a new one; a ban by hand or of a list never does: without room for it, it is refused whole.
//! - Nothing imports [`cli`], and only it [`daemon`]; the core imports no edge; edges do not import each other. A test checks it.

// Vocabulary: plain data.
pub mod account;
pub mod allowlist;
pub mod ban;
pub mod checkpoint;
pub mod decision;
pub mod event;
pub mod honeypot;
mod lanes;
pub mod limit;
pub mod line;
pub mod penalty;
pub mod providers;
pub mod regular;
pub mod tally;

// Decision core: pure.
pub mod bans;
pub mod dialect;
pub mod envelope;
pub mod judge;
pub mod rule;

// Edges in.
pub mod host;
pub mod source;

// Edges out.
pub mod filter;
pub mod kick;
pub mod metrics;
mod netlink;
pub mod notify;
pub mod policy;
pub mod service_manager;
pub mod store;

// Operation.
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod duration;
pub mod exchange;
pub mod journald;
pub mod privilege;
pub mod report;
