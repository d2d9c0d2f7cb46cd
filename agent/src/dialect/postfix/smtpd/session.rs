//! One client's time with an smtpd process, and what it comes to.

use std::net::IpAddr;

use super::super::{super::Line, client::Client, disconnect::Tally};
use crate::event::{EventKind, Score, SessionId};

/// Most recipients that a server asks for which only checks whether a sender exists.
const PROBES_MAX: u32 = 4;

/// What a session did so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) address: Option<IpAddr>,
    /// Its first line was seen.
    pub(super) is_whole: bool,
    /// Something of it weighed against the client.
    pub(super) is_scored: bool,
    /// Something of it failed that is not held against the client; what else fails may follow from that.
    pub(super) is_excused: bool,
    pub(super) has_authenticated: bool,
    pub(super) auth: Auth,
    pub(super) has_lost_connection: bool,
    pub(super) has_lost_data: bool,
    /// It began TLS with bytes that are no TLS.
    pub(super) has_sent_garbage: bool,
}

/// What is known of a session's logins that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Auth {
    /// Nothing.
    Untold,
    /// A line of their own told of them.
    Told,
    /// The client asked for a mechanism that there is not.
    NoMechanism,
    /// The client went away.
    Lost,
    /// It was the server's fault.
    Fault,
}

impl Session {
    pub(super) fn new(line: &Line<'_>, address: Option<IpAddr>) -> Self {
        Self {
            id: line.new_session(),
            address,
            is_whole: false,
            is_scored: false,
            is_excused: false,
            has_authenticated: false,
            auth: Auth::Untold,
            has_lost_connection: false,
            has_lost_data: false,
            has_sent_garbage: false,
        }
    }

    /// Whether it may be that of `client`: a process that names another one has begun another session.
    pub(super) fn is_of(&self, client: Client) -> bool {
        self.address == client.address || client.address.is_none()
    }

    /// Keeps in mind that something weighed this much.
    pub(super) fn weigh(&mut self, score: Score) {
        self.is_scored |= score > Score::ZERO;
        self.is_excused |= score == Score::ZERO;
    }

    /// What its end says, beyond what its lines said.
    pub(super) fn conclusion(&self, tally: Tally) -> (EventKind, Score) {
        let is_good = tally.data.ok > 0 || tally.auth.ok > 0 || self.has_authenticated;
        let kind = if is_good {
            EventKind::Disconnect
        } else if let Some(kind) = self.untold_login(tally) {
            kind
        } else if self.is_bad(tally) {
            EventKind::BadSession
        } else {
            EventKind::Disconnect
        };
        (kind, kind.score())
    }

    /// A login that failed without a line of its own.
    fn untold_login(&self, tally: Tally) -> Option<EventKind> {
        if !tally.auth.only_refused() {
            return None;
        }
        match self.auth {
            Auth::Told | Auth::Fault => None,
            Auth::Lost => Some(EventKind::AuthAborted),
            Auth::NoMechanism => Some(EventKind::AuthNotOffered),
            Auth::Untold if self.is_whole => Some(EventKind::AuthNotOffered),
            // The line that told of it may have been written before this log begins.
            Auth::Untold => Some(EventKind::AuthFailure),
        }
    }

    /// Whether it tried and achieved nothing, and no line said why.
    fn is_bad(&self, tally: Tally) -> bool {
        if !self.is_whole || self.is_scored || self.is_excused {
            return false;
        }
        // A connection lost within the message, or a message refused at its end, is no misdeed by itself.
        let has_failed_data = tally.data.refused > 0 && tally.rcpt.ok == 0 && !self.has_lost_data;
        let has_probed =
            tally.rcpt.ok > PROBES_MAX && tally.data.refused == 0 && !self.has_lost_connection;
        tally.other.refused > 0
            || tally.rcpt.refused > 0
            || has_failed_data
            || has_probed
            || self.has_sent_garbage
    }
}
