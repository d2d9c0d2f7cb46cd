//! Decisions as entries of the journal, with fields to ask for: `journalctl -u mailwall MAILWALL_NET=203.0.113.7/32`.

use std::fmt::Write as _;

use tracing::{Level, enabled};

use super::Daemon;
use crate::{
    ban::{Ban, End, Sort},
    decision::Decision,
    duration,
    journald::{self, Entry, Journal, Priority},
};

/// Names a ban in the journal, whatever its words (`journalctl MESSAGE_ID=...`).
const BAN_ID: &str = "5f2d8a3c9b514e0e8a6c1d7f3e904b21";
/// Names the end of one.
const UNBAN_ID: &str = "0c7be94d1f6a4c35b8d2a9e47f10356c";

/// The journal, where the agent's log goes there; else decisions are lines on stderr.
pub(super) fn open() -> Option<Journal> {
    journald::is_stderr().then(|| Journal::of_host().ok())?
}

impl Daemon {
    /// Whether the journal has taken a decision; if not, it is to be said on stderr.
    pub(super) fn journal_takes(&self, decision: &Decision) -> bool {
        let Some(journal) = &self.journal else {
            return false;
        };
        // Who wants to hear of nothing but problems does not want it there either.
        if !enabled!(Level::INFO) {
            return true;
        }
        entry(decision).is_some_and(|entry| journal.send(&entry).is_ok())
    }
}

/// `None` for what has no fields of its own.
fn entry(decision: &Decision) -> Option<Entry> {
    match decision {
        Decision::Ban(ban) => {
            let (event, verb) = match ban.sort {
                Sort::Ban => ("ban", "banned"),
                Sort::Delay => ("delay", "delayed"),
            };
            Some(ban_entry(ban, event, verb))
        }
        Decision::WouldBan(ban) => Some(ban_entry(ban, "would-ban", "would have banned")),
        Decision::Unban { net, pardon } => {
            let why = pardon.as_str();
            let entry = Entry::new(Priority::Info, &format!("unbanned {net}: {why}"));
            Some(
                entry
                    .field("MESSAGE_ID", UNBAN_ID)
                    .field("MAILWALL_EVENT", "unban")
                    .field("MAILWALL_NET", &net.to_string())
                    .field("MAILWALL_WHY", why),
            )
        }
        // Each is a line on stderr.
        Decision::Tarpit(_)
        | Decision::Hold(_)
        | Decision::Release { .. }
        | Decision::Kick(_)
        | Decision::Notify(_) => None,
    }
}

fn ban_entry(ban: &Ban, event: &str, verb: &str) -> Entry {
    let length = ban.end.remaining(ban.since);
    let mut message = format!("{verb} {} ", ban.net);
    let _ = match length {
        Some(length) => write!(message, "for {}", duration::format(length)),
        None => write!(message, "until removed"),
    };
    let _ = write!(message, " by {}: {}", ban.origin, ban.reason);
    let entry = Entry::new(Priority::Info, &message)
        .field("MESSAGE_ID", BAN_ID)
        .field("MAILWALL_EVENT", event)
        .field("MAILWALL_NET", &ban.net.to_string())
        .field("MAILWALL_RULE", &ban.origin.to_string())
        .maybe("MAILWALL_FOR_S", length.map(|length| length.as_secs()))
        .field(
            "MAILWALL_PERMANENT",
            if ban.end == End::Never { "1" } else { "0" },
        )
        .field("MAILWALL_OFFENCES", &ban.offences.to_string())
        .field("MAILWALL_LEVEL", &ban.level.to_string())
        .field("MAILWALL_REASON", &ban.reason);
    let evidence = ban.evidence.iter();
    evidence.fold(entry, |entry, evidence| {
        entry.field("MAILWALL_EVIDENCE", &evidence.text)
    })
}
