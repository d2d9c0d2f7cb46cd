//! What smtpd refuses, in the light of the session; and cleanup, in its name.

use super::{
    super::{
        super::{
            Line, Reading, name,
            sessions::Key,
            text::{after, starts_with_any},
        },
        after_queue_id, after_stage,
        client::{self, Client, client},
        queue::Queue,
        reject,
    },
    Smtpd, event_of,
};
use crate::event::{Event, EventKind, Score, Service};

impl Smtpd {
    /// What a client was refused.
    pub(super) fn reject(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let (client, reject) = match refusal(text) {
            Ok(refusal) => refusal,
            Err(reading) => return reading,
        };
        let mut score = reject.score;
        let session = self.update(line, client, |session| {
            if session.has_authenticated && reject.kind == EventKind::RelayDenied {
                score = Score::ZERO;
            }
            session.weigh(score);
        });
        Reading::Event(Event {
            recipient: reject.recipient.and_then(name),
            ..event_of(line, &session, reject.kind, score)
        })
    }

    /// What would have been refused, were it not for `warn_if_reject`.
    pub(super) fn reject_warning(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let (client, reject) = match refusal(text) {
            Ok(refusal) => refusal,
            Err(reading) => return reading,
        };
        let session = self.update(line, client, |_| {});
        Reading::Event(Event {
            recipient: reject.recipient.and_then(name),
            ..event_of(line, &session, reject.kind, Score::ZERO)
        })
    }

    /// `END-OF-MESSAGE: 550 5.7.1 ...`: a filter's answer, on a line that names no client.
    pub(super) fn proxy_reject(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some(answer) = after(text, b": ") else {
            return Reading::Unknown;
        };
        let score = match answer.first() {
            Some(b'5') if !reject::is_bounce(text) => EventKind::ContentRejected.score(),
            _ => Score::ZERO,
        };
        self.of_process(line, EventKind::ContentRejected, score)
    }

    /// cleanup's refusal of a message. Only the queue id is believed: what stands before the client's address is the
    /// message's.
    pub(in super::super) fn read_cleanup(&mut self, line: &Line<'_>, queue: &mut Queue) -> Reading {
        const REFUSALS: &[&[u8]] = &[
            b"reject: ",
            b"milter-header-reject: ",
            b"milter-body-reject: ",
        ];
        let (queue_id, text) = after_queue_id(line.message);
        let milter = text.strip_prefix(b"milter-reject: ");
        if queue_id.is_empty() || (milter.is_none() && !starts_with_any(text, REFUSALS)) {
            return Reading::Ignored;
        }
        let Some(message) = queue.get(Key::new(&[line.host, queue_id])) else {
            return Reading::Ignored;
        };
        // `END-OF-MESSAGE from NAME[ADDRESS]: 4.7.1 ...`
        let is_temporary = milter
            .and_then(after_stage)
            .and_then(|(_, rest)| client(rest))
            .is_some_and(|(_, rest)| rest.starts_with(b": 4"));
        let mut event = line.event(EventKind::ContentRejected, Service::Smtp);
        event.address = message.address;
        event.session = Some(message.session);
        if is_temporary || reject::is_bounce(text) || event.address.is_none() {
            event.score = Score::ZERO;
        }
        let process = message.process;
        if let Some(session) = process.and_then(|process| self.sessions.get(process))
            && Some(session.id) == event.session
        {
            session.weigh(event.score);
        }
        Reading::Event(event)
    }
}

/// `RCPT from NAME[ADDRESS]: 550 5.1.1 ...`
fn refusal(text: &[u8]) -> Result<(Client, reject::Reject<'_>), Reading> {
    let (stage, rest) = after_stage(text).ok_or(Reading::Unknown)?;
    let (client, rest) = client(rest).ok_or_else(|| client::no_client(rest))?;
    let reason = rest.strip_prefix(b": ").ok_or(Reading::Unknown)?;
    let reject = reject::read(stage, reason).ok_or(Reading::Unknown)?;
    Ok((client, reject))
}
