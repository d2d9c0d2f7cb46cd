//! The policy service, as it is shown.

use serde::{Deserialize, Serialize};

/// The policy service, since it began to listen.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PolicyView {
    /// Where.
    pub listen: String,
    /// Whether it does.
    pub listening: bool,
    /// Connections open now.
    pub connections: usize,
    /// Requests.
    pub requests: u64,
    /// Every kind of answer, with zeroes.
    pub answers: Vec<PolicyAnswers>,
    /// Clients that are made to wait now.
    pub held: usize,
    /// Connections refused because there were too many.
    pub refused: u64,
    /// Requests that were let through because the agent was too busy to judge them.
    pub late: u64,
    /// Connections closed because of what they sent, or how slowly.
    pub garbage: u64,
    /// The last of these, when and what was wrong with it.
    pub last_garbage: Option<String>,
}

/// How often one kind of answer was given.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PolicyAnswers {
    /// `dunno`, `sleep`, `421`, `450` (also 452), `reject` or `hold`.
    pub action: String,
    /// How often.
    pub given: u64,
    /// How often it was not given, because it is only observed.
    pub observed: u64,
}
