//! Decisions as entries of the journal, with fields to ask for: `journalctl -u mailwall MAILWALL_NET=203.0.113.7/32`.

use std::fmt::Write as _;

use tracing::{Level, enabled};

use super::Daemon;
use crate::{
    ban::{Ban, End, Evidence, Sort},
    decision::{Decision, Hold, Notice, Tarpit, Topic, Trial, Whom},
    duration,
    journald::{self, Entry, Journal, Priority},
    line,
};

/// Names a ban in the journal, whatever its words (`journalctl MESSAGE_ID=...`).
const BAN_ID: &str = "5f2d8a3c9b514e0e8a6c1d7f3e904b21";
/// Names the end of one.
const UNBAN_ID: &str = "0c7be94d1f6a4c35b8d2a9e47f10356c";
/// Most characters of an account's name.
const ACCOUNT_MAX: usize = 255;

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
        Decision::WouldAct(trial) => Some(trial_entry(trial)),
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
        Decision::Tarpit(tarpit) => Some(tarpit_entry(tarpit)),
        Decision::Hold(hold) => Some(hold_entry(hold)),
        Decision::Release { account, pardon } => {
            let (account, why) = (shown(account), pardon.as_str());
            let entry = Entry::new(Priority::Info, &format!("released {account}: {why}"));
            Some(
                entry
                    .field("MAILWALL_EVENT", "release")
                    .field("MAILWALL_ACCOUNT", &account)
                    .field("MAILWALL_WHY", why),
            )
        }
        Decision::Kick(kick) => {
            let whom = match &kick.whom {
                Whom::Net(net) => net.to_string(),
                Whom::Account(account) => shown(account),
            };
            let message = format!("ended connections of {whom} by {}", kick.origin);
            let entry = about(Entry::new(Priority::Info, &message), Some(&kick.whom));
            Some(
                entry
                    .field("MAILWALL_EVENT", "kick")
                    .field("MAILWALL_RULE", &kick.origin.to_string()),
            )
        }
        Decision::Notify(notice) => Some(notice_entry(notice)),
    }
}

fn tarpit_entry(tarpit: &Tarpit) -> Entry {
    let net = tarpit.net;
    let delay = duration::format(tarpit.delay);
    let message = format!("slowed down {net} by {delay}: {}", tarpit.reason);
    Entry::new(Priority::Info, &message)
        .field("MAILWALL_EVENT", "tarpit")
        .field("MAILWALL_NET", &net.to_string())
        .field("MAILWALL_RULE", &tarpit.origin.to_string())
        .field("MAILWALL_DELAY_S", &tarpit.delay.as_secs().to_string())
        .field("MAILWALL_OFFENCES", &tarpit.count.to_string())
        .field("MAILWALL_REASON", &tarpit.reason)
}

fn hold_entry(hold: &Hold) -> Entry {
    let account = shown(&hold.account);
    let length = hold.end.remaining(hold.since);
    let message = format!("held {account} by {}: {}", hold.origin, hold.reason);
    let entry = Entry::new(Priority::Notice, &message)
        .field("MAILWALL_EVENT", "hold")
        .field("MAILWALL_ACCOUNT", &account)
        .field("MAILWALL_RULE", &hold.origin.to_string())
        .maybe("MAILWALL_FOR_S", length.map(|length| length.as_secs()))
        .field("MAILWALL_OFFENCES", &hold.count.to_string())
        .field("MAILWALL_REASON", &hold.reason);
    with_evidence(entry, &hold.evidence)
}

fn trial_entry(trial: &Trial) -> Entry {
    let whom = match &trial.whom {
        Whom::Net(net) => net.to_string(),
        Whom::Account(account) => shown(account),
    };
    let Trial { doing, reason, .. } = trial;
    let message = format!("would have acted on {whom} ({doing}): {reason}");
    let entry = about(Entry::new(Priority::Info, &message), Some(&trial.whom))
        .field("MAILWALL_EVENT", trial.deed.as_trial())
        .field("MAILWALL_RULE", &trial.origin.to_string())
        .field("MAILWALL_OFFENCES", &trial.count.to_string())
        .field("MAILWALL_REASON", reason);
    with_evidence(entry, &trial.evidence)
}

fn notice_entry(notice: &Notice) -> Entry {
    let priority = match notice.topic {
        Topic::Alarm => Priority::Warning,
        Topic::Rule | Topic::Account | Topic::AllClear => Priority::Notice,
    };
    let entry = about(Entry::new(priority, &notice.text), notice.whom.as_ref())
        .field("MAILWALL_EVENT", "notice")
        .field("MAILWALL_TOPIC", notice.topic.as_str())
        .field("MAILWALL_RULE", &notice.origin.to_string());
    with_evidence(entry, &notice.evidence)
}

/// Whom it is about.
fn about(entry: Entry, whom: Option<&Whom>) -> Entry {
    match whom {
        None => entry,
        Some(Whom::Net(net)) => entry.field("MAILWALL_NET", &net.to_string()),
        Some(Whom::Account(account)) => entry.field("MAILWALL_ACCOUNT", &shown(account)),
    }
}

/// An account as it may stand in an entry: its name comes from a log.
fn shown(account: &str) -> String {
    line::escaped(account.as_bytes(), ACCOUNT_MAX)
}

fn with_evidence(entry: Entry, evidence: &[Evidence]) -> Entry {
    evidence.iter().fold(entry, |entry, evidence| {
        entry.field("MAILWALL_EVIDENCE", &evidence.text)
    })
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
    with_evidence(entry, &ban.evidence)
}
