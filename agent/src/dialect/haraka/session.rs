//! A connection, and what Haraka says of it at its end.

use std::net::IpAddr;

use super::{
    super::{Line, text::number},
    record::Fields,
};
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
    /// Something was put off (4xx), or went wrong here, which may have led to the rest.
    pub(super) is_excused: bool,
    /// It has gone over a limit.
    pub(super) is_limited: bool,
    /// Logins that failed, and whose delay was not logged yet.
    pub(super) untold_failures: u16,
    /// Size of the message that is being received.
    pub(super) bytes: Option<u64>,
    /// How many recipients it has.
    pub(super) recipients: Option<u32>,
}

/// What the line says that ends a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary<'a> {
    is_early: bool,
    is_relaying: bool,
    errors: u32,
    refused_recipients: u32,
    accepted_messages: u32,
    refused_messages: u32,
    last_refusal: &'a [u8],
}

impl<'a> Summary<'a> {
    pub(super) fn read(fields: &Fields<'a>) -> Self {
        let mut summary = Self::default();
        for (name, value) in *fields {
            match name {
                b"early" => summary.is_early = is_yes(value),
                b"relay" => summary.is_relaying = is_yes(value),
                b"errors" => summary.errors = number(value).unwrap_or(0),
                b"rcpts" => {
                    summary.refused_recipients = counts(value).map_or(0, |[_, _, refused]| refused);
                }
                b"msgs" => {
                    if let Some([accepted, _, refused]) = counts(value) {
                        summary.accepted_messages = accepted;
                        summary.refused_messages = refused;
                    }
                }
                b"lr" => summary.last_refusal = value,
                _ => {}
            }
        }
        summary
    }
}

/// `Y`, in 2.x of old `1` or `true`.
fn is_yes(value: &[u8]) -> bool {
    matches!(value, b"Y" | b"1" | b"true")
}

/// `ACCEPTED/PUT OFF/REFUSED`
pub(super) fn counts(text: &[u8]) -> Option<[u32; 3]> {
    let mut parts = text.split(|&byte| byte == b'/').map(number);
    let counts = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(counts)
}

impl Session {
    pub(super) fn new(line: &Line<'_>, address: Option<IpAddr>) -> Self {
        Self {
            id: line.new_session(),
            address,
            is_scored: false,
            has_achieved: false,
            is_excused: false,
            is_limited: false,
            untold_failures: 0,
            bytes: None,
            recipients: None,
        }
    }

    /// What its end is: what was refused weighs, if nothing did by itself.
    pub(super) fn conclusion(&self, summary: &Summary<'_>) -> (EventKind, Score) {
        let has_achieved =
            self.has_achieved || summary.is_relaying || summary.accepted_messages > 0;
        let refusal = summary.last_refusal;
        let is_excused = self.is_excused || refusal.starts_with(b"4");
        if self.is_scored || has_achieved || is_excused {
            return (EventKind::Disconnect, Score::ZERO);
        }
        let text = refusal.get(4..).unwrap_or_default();
        let is_refusal = refusal.starts_with(b"5");
        let kind = if is_refusal
            && summary.refused_recipients > 0
            && text.starts_with(b"I cannot deliver mail for ")
        {
            // No line of its own tells of it.
            EventKind::RelayDenied
        } else if is_refusal && text.starts_with(b"You talk too soon") {
            EventKind::EarlyTalker
        } else if summary.is_early
            || summary.errors > 0
            || summary.refused_recipients > 0
            || summary.refused_messages > 0
        {
            EventKind::BadSession
        } else {
            EventKind::Disconnect
        };
        (kind, kind.score())
    }
}
