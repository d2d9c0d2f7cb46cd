//! Connections that accounts are logged in on.

use std::sync::Arc;

use super::finding::Sum;
use crate::{
    account::LiveSession,
    event::{Event, SessionId},
    rule::{Moment, Tracked},
};

/// Most connections that are remembered; the one longest without an event is forgotten.
pub(crate) const LIVE_MAX: usize = 65_536;
/// How long a connection is remembered after its last event: IMAP clients stay for hours, and an end is not always told.
const REMEMBERED: std::time::Duration = std::time::Duration::from_secs(86_400);

/// All of them.
#[derive(Debug)]
pub(super) struct Live {
    sessions: Tracked<SessionId, Connection>,
}

/// One, and what the rules on connections have counted on it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) shown: LiveSession,
    /// Its end was told. What it did may be told after that: Postfix accepts a message in another process.
    is_over: bool,
    /// For each rule on accounts; shorter where the last ones have counted nothing.
    sums: Vec<u64>,
    /// The rules that have spoken of it, as bits.
    told: u64,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            sessions: Tracked::new(LIVE_MAX),
        }
    }

    /// A login or a message of `account` on a connection.
    pub(super) fn touch(&mut self, session: SessionId, account: &Arc<str>, event: &Event) {
        let fresh = || Connection {
            shown: LiveSession {
                session,
                account: Arc::clone(account),
                address: event.address,
                port: event.port,
                service: event.service,
                since: event.at,
                messages: 0,
            },
            is_over: false,
            sums: Vec::new(),
            told: 0,
        };
        let (connection, _) = self.sessions.touch(session, Moment::from(event.at), fresh);
        let shown = &mut connection.shown;
        shown.account = Arc::clone(account);
        shown.address = shown.address.or(event.address);
        shown.port = shown.port.or(event.port);
        shown.messages += u32::from(event.is_message());
    }

    /// The account that is logged in on a connection.
    pub(super) fn account(&self, session: SessionId) -> Option<&Arc<str>> {
        let connection = self.sessions.get(&session)?;
        Some(&connection.shown.account)
    }

    /// Adds up what the rule of that number counts on a connection; the sum, when it is near `limit`, or is that for the first time.
    pub(super) fn add(
        &mut self,
        session: SessionId,
        rule: usize,
        amount: u64,
        limit: u64,
    ) -> Option<Sum> {
        let connection = self.sessions.get_mut(&session)?;
        if connection.sums.len() <= rule {
            connection.sums.resize(rule + 1, 0);
        }
        let sum = &mut connection.sums[rule];
        *sum = sum.saturating_add(amount);
        let bit = 1_u64.checked_shl(u32::try_from(rule).ok()?)?;
        let told = &mut connection.told;
        Sum::of(*sum, limit, || {
            let is_first = *told & bit == 0;
            *told |= bit;
            is_first
        })
    }

    /// The rules changed: what they counted begins anew.
    pub(super) fn reset(&mut self) {
        self.sessions.for_each(|connection| {
            connection.sums.clear();
            connection.told = 0;
        });
    }

    pub(super) fn end(&mut self, session: SessionId) {
        if let Some(connection) = self.sessions.get_mut(&session) {
            connection.is_over = true;
        }
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.sessions.pop_idle(now, REMEMBERED).is_some() {}
    }

    /// Those whose end was not told.
    pub(super) fn iter(&self) -> impl Iterator<Item = &LiveSession> {
        let open = self
            .sessions
            .values()
            .filter(|connection| !connection.is_over);
        open.map(|connection| &connection.shown)
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sessions.len() == 0
    }
}
