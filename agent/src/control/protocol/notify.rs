//! Who is told of decisions.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::SCHEMA;

/// Who is told of decisions.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NotifyList {
    /// [`SCHEMA`].
    pub schema: u32,
    /// In the order of the config.
    pub notifiers: Vec<NotifierView>,
}

/// A notifier as it is shown. Counts are since it was started.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NotifierView {
    /// Name.
    pub name: String,
    /// `email`, `webhook`, `command` or `journal`.
    pub kind: String,
    /// Who is told, without what may be secret.
    pub receiver: String,
    /// What it tells of.
    pub on: Vec<String>,
    /// Messages told.
    pub told: u64,
    /// Messages that wait for a digest or a retry.
    pub waiting: u64,
    /// Messages lost: given up, or more than can wait.
    pub lost: u64,
    /// Since when deliveries fail; `null` while they do not.
    pub failing_since: Option<String>,
    /// Why the last delivery that failed did.
    pub last_error: Option<String>,
}

/// How a trial of notifiers went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct NotifyTested {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of each that was tried.
    pub results: Vec<NotifyResult>,
}

/// How a trial of one notifier went.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NotifyResult {
    /// Name.
    pub name: String,
    /// Why it did not take the message; `null` where it did.
    pub error: Option<String>,
}
