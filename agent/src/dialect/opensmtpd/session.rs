//! A session of smtpd.

use std::net::IpAddr;

use super::{super::Line, has_any};
use crate::event::{EventKind, Score, SessionId};

/// What is known of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) address: Option<IpAddr>,
    /// Something that happened in it weighs already.
    pub(super) is_scored: bool,
    /// A message was accepted, or a login.
    pub(super) has_achieved: bool,
    /// Something was put off (4xx), which may have led to the rest.
    pub(super) is_excused: bool,
    /// It has gone over a limit.
    pub(super) is_limited: bool,
    /// Commands that were refused.
    pub(super) errors: u16,
    /// Logins that failed, and whose answer was not logged yet.
    pub(super) untold_failures: u16,
}

/// What a TLS library says of bytes that are not TLS.
const NOT_TLS: &[&[u8]] = &[
    b"http request",
    b"https proxy request",
    b"unknown protocol",
    b"wrong version number",
];

impl Session {
    pub(super) fn new(line: &Line<'_>, address: Option<IpAddr>) -> Self {
        Self {
            id: line.new_session(),
            address,
            is_scored: false,
            has_achieved: false,
            is_excused: false,
            is_limited: false,
            errors: 0,
            untold_failures: 0,
        }
    }

    /// What its end is: commands that came to nothing weigh, if none of them did by itself.
    pub(super) fn conclusion(&self, reason: &[u8]) -> (EventKind, Score) {
        let is_clean = self.is_scored || self.has_achieved || self.is_excused;
        let is_tls = has_any(reason, &[b"handshake", b"SSL", b"tls", b"TLS"]);
        let is_not_tls = is_tls && has_any(reason, NOT_TLS);
        if !is_clean && (self.errors > 0 || is_not_tls) {
            return (EventKind::BadSession, EventKind::BadSession.score());
        }
        let kind = match reason {
            _ if is_tls => EventKind::TlsFailure,
            b"quit" => EventKind::Disconnect,
            _ => EventKind::LostConnection,
        };
        (kind, Score::ZERO)
    }
}
