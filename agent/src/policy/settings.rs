//! What the service does, as the configuration says.

use std::time::Duration;

use crate::limit::LimitRule;

/// What the service does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicySettings {
    /// To a host in a session that is older than its ban.
    pub banned: Response,
    /// To a client over a `[[limit]]` that the kernel did not hold off.
    pub over_limit: Response,
    /// To an account whose mail is to be held.
    pub held_account: Response,
    /// Sessions that may be made to wait at once: each occupies a process of Postfix.
    pub sleepers: u16,
    /// To a client that is to wait, when as many wait already.
    pub when_full: Response,
    /// Unknown recipients in a session after which each further recipient waits; 0 for never.
    pub bad_recipients: u16,
    /// How long it waits.
    pub bad_recipient_delay: Duration,
    /// Recipients of a message; 0 for as many as the client likes.
    pub recipients: u16,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            banned: Response::Close,
            over_limit: Response::Close,
            held_account: Response::Hold,
            sleepers: 50,
            when_full: Response::Dunno,
            bad_recipients: 0,
            bad_recipient_delay: Duration::from_secs(1),
            recipients: 0,
        }
    }
}

/// How a client is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Response {
    /// It is let through.
    Dunno,
    /// 421, and the connection is closed.
    Close,
    /// 450 (for a `[[limit]]`: 452): not now, and the connection stays.
    Defer,
    /// 554: never.
    Reject,
    /// The message is put into the hold queue.
    Hold,
}

impl Response {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Dunno,
        Self::Close,
        Self::Defer,
        Self::Reject,
        Self::Hold,
    ];

    /// Name in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dunno => "dunno",
            Self::Close => "421",
            Self::Defer => "450",
            Self::Reject => "reject",
            Self::Hold => "hold",
        }
    }
}

/// The narrowest limit that a client is under.
pub(super) fn limit_of(limits: &[LimitRule], client: std::net::IpAddr) -> Option<&LimitRule> {
    let narrowest = limits
        .iter()
        .filter(|limit| limit.network.is_some_and(|net| net.contains(&client)))
        .max_by_key(|limit| limit.network.map(|net| net.prefix_len()));
    let limit = narrowest.or_else(|| limits.iter().find(|limit| limit.network.is_none()))?;
    limit.limits_anything().then_some(limit)
}
