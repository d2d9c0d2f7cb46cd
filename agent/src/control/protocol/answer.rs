//! What the agent answers.

use serde::{Deserialize, Serialize};

use super::{
    AccountDone, AccountList, AccountShown, AllowAdded, AllowList, AllowRemoved, BanAdded,
    BanCheck, BanList, BanRemoved, BansSet, BreakerResumed, BreakerShown, Counters, EventLog,
    HostList, KickDone, LoggedEvent, NotifyList, NotifyTested, RuleList, SourceList, Staged,
    Status,
};
#[cfg(doc)]
use super::{Request, SCHEMA};

/// One answer, on one line. `"answer"` names it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::BanList`].
    BanList(BanList),
    /// To [`Request::BanAdd`].
    BanAdded(BanAdded),
    /// To [`Request::BanStage`].
    Staged(Staged),
    /// To [`Request::BanCommit`].
    BansSet(BansSet),
    /// To [`Request::BanRemove`].
    BanRemoved(BanRemoved),
    /// To [`Request::BanCheck`].
    BanCheck(BanCheck),
    /// To [`Request::AllowList`].
    AllowList(AllowList),
    /// To [`Request::AllowAdd`].
    AllowAdded(AllowAdded),
    /// To [`Request::AllowRemove`].
    AllowRemoved(AllowRemoved),
    /// To [`Request::RuleList`].
    RuleList(RuleList),
    /// To [`Request::SourceList`].
    SourceList(SourceList),
    /// To [`Request::Events`] without `follow`.
    Events(EventLog),
    /// To [`Request::Events`] with `follow`, one a line.
    Event(LoggedEvent),
    /// To [`Request::Report`].
    Report(Box<super::Report>),
    /// To [`Request::NotifyList`].
    NotifyList(NotifyList),
    /// To [`Request::NotifyTest`].
    NotifyTested(NotifyTested),
    /// To [`Request::AccountList`].
    AccountList(AccountList),
    /// To [`Request::AccountShow`].
    AccountShown(Box<AccountShown>),
    /// To [`Request::AccountHold`] and [`Request::AccountRelease`].
    AccountDone(AccountDone),
    /// To [`Request::Kick`].
    Kicked(KickDone),
    /// To [`Request::BreakerShow`].
    BreakerShown(BreakerShown),
    /// To [`Request::BreakerResume`].
    BreakerResumed(BreakerResumed),
    /// To [`Request::HostList`].
    HostList(HostList),
    /// To [`Request::Counters`].
    Counters(Counters),
    /// To [`Request::Reload`].
    Reloaded(Reloaded),
    /// To any request that was not carried out.
    Refused(Refused),
}

/// Why a request was not carried out: nothing of it was.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refused {
    /// Kind of refusal, for exit codes.
    pub kind: RefusalKind,
    /// What failed, with the value; one line, no full stop.
    pub error: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refused {
    /// A refusal of what cannot be done, without a hint.
    pub fn failed(error: String) -> Self {
        Self {
            kind: RefusalKind::Failed,
            error,
            hint: None,
        }
    }
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The caller may not ask for it: exit code 4.
    NotPermitted,
    /// It cannot be done, or must not be: exit code 1.
    Failed,
}

/// What a reload changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reloaded {
    /// [`SCHEMA`].
    pub schema: u32,
    /// One line a change; empty when the config is as it was.
    pub changes: Vec<String>,
    /// What takes effect only at the next start.
    pub needs_restart: Vec<String>,
}
