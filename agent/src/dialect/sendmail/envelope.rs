//! Lines about a message: who sent it, whom it is for, what became of it.

use super::{
    super::{
        Line, Reading, name,
        reason::of_words,
        text::{after, before, find, rfind, until},
    },
    Sendmail,
    client::{client, last},
    ruleset,
};
use crate::event::{EventKind, Score, Service};

impl Sendmail {
    /// `<a@b>, size=62, class=0, nrcpts=1, msgid=<x>, proto=ESMTP, daemon=MTA, relay=a [192.0.2.1]`. Sender and `msgid=` are
    /// the client's.
    pub(super) fn from(&mut self, line: &Line<'_>, queue_id: &[u8], text: &[u8]) -> Reading {
        let Some((address, fields)) = last(text, b", relay=") else {
            // From this host: `relay=joe@localhost`.
            return Reading::Ignored;
        };
        let bracketed = text.strip_prefix(b"<").and_then(|text| until(text, b'>'));
        let (sender, _) = bracketed.unwrap_or((before(text, b", "), b""));
        let fields = fields.get(sender.len()..).unwrap_or_default();
        let is_bounce = sender.is_empty();
        let message = self.connections.is_from(line, queue_id, address);
        if let Some((kind, times)) = message.untold {
            let score = if is_bounce {
                Score::ZERO
            } else {
                kind.score().times(times)
            };
            return Reading::Event(self.connections.event(line, address, kind, |_| score));
        }
        let number = |head: &[u8]| {
            let digits = before(after(fields, head)?, b",");
            std::str::from_utf8(digits).ok()?.parse::<u64>().ok()
        };
        let has_come_in = number(b", nrcpts=") > Some(0)
            && number(b", size=") > Some(0)
            && find(fields, b", msgid=").is_some()
            && !message.is_broken;
        let kind = match has_come_in {
            false => EventKind::Disconnect,
            true if is_bounce => EventKind::BounceIn,
            true => EventKind::MailAccepted,
        };
        let mut event = self
            .connections
            .event(line, address, kind, |_| kind.score());
        if has_come_in {
            event.account = self.connections.account(line, queue_id);
        }
        Reading::Event(event)
    }

    /// `<x@y>, delay=..., relay=mx [192.0.2.1], dsn=5.1.1, stat=User unknown`: a delivery. The address is that of another
    /// server.
    pub(super) fn to(&mut self, line: &Line<'_>, queue_id: &[u8], text: &[u8]) -> Reading {
        let fields = rfind(text, b", dsn=").map_or(b"".as_slice(), |at| &text[at..]);
        if !fields.starts_with(b", dsn=5.") {
            return Reading::Ignored;
        }
        let Some(account) = self.connections.account_of(line, queue_id) else {
            return Reading::Ignored;
        };
        let mut event = line.event(EventKind::BounceOut, Service::Smtp);
        event.account = Some(account);
        event.recipient = text
            .strip_prefix(b"<")
            .and_then(|text| until(text, b'>'))
            .and_then(|(recipient, _)| name(recipient));
        Reading::Event(event)
    }

    /// `<x@y>... User unknown`, which names no client.
    pub(super) fn recipient(&mut self, line: &Line<'_>, queue_id: &[u8], text: &[u8]) -> Reading {
        let Some(at) = rfind(text, b"... ") else {
            return Reading::Unknown;
        };
        if of_words(&text[at + 4..]) != Some(EventKind::UnknownRecipient) {
            return Reading::Ignored;
        }
        let recipient = text[..at].strip_prefix(b"<").unwrap_or(&text[..at]);
        let recipient = recipient.strip_suffix(b">").unwrap_or(recipient);
        self.joined(line, queue_id, EventKind::UnknownRecipient, Some(recipient))
    }

    /// `relay=a [192.0.2.1], from=<a@b>, info=unexpected close`: a message did not come in whole.
    pub(super) fn collect(&mut self, line: &Line<'_>, queue_id: &[u8], text: &[u8]) -> Reading {
        self.connections
            .update(line, queue_id, |message| message.is_broken = true);
        let connection = [
            b"relay=".as_slice(),
            b"unexpected close on connection from ",
            b"I/O error on connection from ",
        ];
        let Some(rest) = connection.iter().find_map(|head| text.strip_prefix(*head)) else {
            return Reading::Ignored;
        };
        let Some((address, rest)) = client(rest) else {
            return Reading::Ignored;
        };
        let info = rfind(rest, b", info=").map_or(b"".as_slice(), |at| &rest[at + 7..]);
        // How mail is smuggled past another server's idea of where a message ends.
        let is_smuggled = info.starts_with(b"Bare ");
        let kind = if is_smuggled {
            EventKind::ProtocolError
        } else {
            EventKind::LostConnection
        };
        Reading::Event(
            self.connections
                .event(line, address, kind, |_| kind.score()),
        )
    }

    /// `to=<x@y>, reject=550 5.1.1 User unknown`, `connect: host=a, addr=192.0.2.1, reject=...`: a filter's answer.
    pub(super) fn milter(&mut self, line: &Line<'_>, queue_id: &[u8], text: &[u8]) -> Reading {
        let Some(at) = rfind(text, b", reject=") else {
            return Reading::Ignored;
        };
        let answer = &text[at + b", reject=".len()..];
        let ruleset: &[u8] = match before(text, b"=") {
            b"to" => b"check_rcpt",
            b"from" => b"check_mail",
            b"helo" => b"helo",
            _ if text.starts_with(b"connect") => b"check_relay",
            _ => b"milter",
        };
        let (kind, score) = ruleset::judge(ruleset, answer);
        if score == Score::ZERO {
            return Reading::Ignored;
        }
        let kind = if ruleset == b"helo" {
            EventKind::HeloRejected
        } else {
            kind
        };
        self.joined(line, queue_id, kind, None)
    }

    /// Other lines of a message.
    pub(super) fn of_message(&mut self, line: &Line<'_>, queue_id: &[u8], text: &[u8]) -> Reading {
        // `6ALH9pxN000056: DSN: Host unknown`, `6ALH9pxN000056: sender notify: ...`
        let (other, _) = super::after_queue_id(text);
        if !other.is_empty() {
            return Reading::Ignored;
        }
        // A recipient that was not written in `<>`: `joe... User unknown`.
        match rfind(text, b"... ") {
            Some(at) if at < 256 => self.recipient(line, queue_id, text),
            _ => Reading::Unknown,
        }
    }

    /// An offence on a line that names no client. If it is not known yet, it is kept for the line that names it.
    fn joined(
        &mut self,
        line: &Line<'_>,
        queue_id: &[u8],
        kind: EventKind,
        recipient: Option<&[u8]>,
    ) -> Reading {
        let Some(address) = self.connections.client(line, queue_id) else {
            self.connections.update(line, queue_id, |message| {
                let (kind, times) = message.untold.unwrap_or((kind, 0));
                message.untold = Some((kind, times.saturating_add(1).min(UNTOLD_MAX)));
            });
            return Reading::Ignored;
        };
        let mut event = self
            .connections
            .event(line, address, kind, |_| kind.score());
        event.recipient = recipient.and_then(name);
        Reading::Event(event)
    }
}

/// Most offences of one message that are kept for the line that names its client.
const UNTOLD_MAX: i16 = 100;
