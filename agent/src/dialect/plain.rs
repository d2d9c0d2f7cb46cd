//! Events of programs whose lines name their client themselves.

use std::net::IpAddr;

use super::{Line, Reading};
use crate::event::{Event, EventKind, Score, Service};

impl Line<'_> {
    /// Its event about the client at `address`, with the kind's own score.
    pub(super) fn event_of(&self, kind: EventKind, service: Service, address: IpAddr) -> Event {
        Event {
            address: Some(address),
            ..self.event(kind, service)
        }
    }

    /// Says that this happened to the client at `address`.
    pub(super) fn told(&self, kind: EventKind, service: Service, address: IpAddr) -> Reading {
        Reading::Event(self.event_of(kind, service, address))
    }

    /// Says that the server could not do its work.
    pub(super) fn fault(&self, service: Service) -> Reading {
        Reading::Event(self.event(EventKind::ServerFault, service))
    }
}

impl Event {
    /// The same, with `account`.
    pub(super) fn with_account(mut self, account: &[u8]) -> Self {
        self.account = super::name(account);
        self
    }

    /// The same, with `recipient`.
    pub(super) fn with_recipient(mut self, recipient: &[u8]) -> Self {
        self.recipient = super::name(recipient);
        self
    }

    /// The same, weighing `score`.
    pub(super) fn with_score(mut self, score: Score) -> Self {
        self.score = score;
        self
    }

    /// The same, weighing nothing if it `is_excused`.
    pub(super) fn excused(mut self, is_excused: bool) -> Self {
        if is_excused {
            self.score = Score::ZERO;
        }
        self
    }
}
