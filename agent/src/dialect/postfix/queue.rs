//! Messages by queue id: smtpd says whom one is from, qmgr when it is accepted, the delivery agents when it bounces.
//!
//! No address is taken from the lines of qmgr and the delivery agents, only the queue id that they begin with.

use std::net::IpAddr;

use super::{
    super::{
        Line, Reading, name,
        sessions::{Key, Sessions},
        text::{after, before, number, rfind},
    },
    after_queue_id,
    client::client,
};
use crate::event::{Event, EventKind, Score, Service, SessionId};

/// All messages that are on their way, as far as they are remembered.
#[derive(Default)]
pub(super) struct Queue {
    messages: Sessions<Message>,
}

/// Whom a message is from.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) address: Option<IpAddr>,
    /// The account that its sender logged in to.
    pub(super) account: Option<Box<str>>,
    pub(super) session: SessionId,
    /// The process of smtpd that took it.
    pub(super) process: Option<Key>,
    /// It was told that it is accepted: qmgr begins again after each try to deliver it, and a content filter hands it back.
    pub(super) is_accepted: bool,
}

/// Whom a message was from before a content filter had it, as the filter says by XFORWARD, which Postfix takes only from
/// those it is told to trust.
pub(super) struct Forwarded {
    queue_id: Option<Key>,
    address: Option<IpAddr>,
}

impl Forwarded {
    /// `, orig_queue_id=ID, orig_client=NAME[ADDRESS]` right after the client. Behind a login's name it may be part of that.
    pub(super) fn read(line: &Line<'_>, text: &[u8]) -> Option<Self> {
        let (queue_id, rest) = match text.strip_prefix(b", orig_queue_id=") {
            Some(rest) => {
                let id = before(rest, b",");
                (Some(Key::new(&[line.host, id])), &rest[id.len()..])
            }
            None => (None, text),
        };
        let origin = rest.strip_prefix(b", orig_client=").and_then(client);
        let address = match origin {
            Some((client, [])) => client.address,
            _ => None,
        };
        (queue_id.is_some() || address.is_some()).then_some(Self { queue_id, address })
    }
}

impl Queue {
    /// A message begins.
    pub(super) fn begin(&mut self, key: Key, message: Message, forwarded: Option<Forwarded>) {
        let Some(forwarded) = forwarded else {
            self.messages.insert(key, message);
            return;
        };
        let known = forwarded.queue_id.and_then(|id| self.messages.get(id));
        let message = match known {
            // It is the same message; what went before tells, or told, of it.
            Some(first) => Message {
                is_accepted: true,
                ..first.clone()
            },
            None => Message {
                address: forwarded.address,
                ..message
            },
        };
        self.messages.insert(key, message);
    }

    pub(super) fn get(&mut self, key: Key) -> Option<&mut Message> {
        self.messages.get(key)
    }

    /// qmgr: `from=<joe@example.org>, size=3447, nrcpt=12 (queue active)`, and `removed` at the end.
    pub(super) fn read_manager(&mut self, line: &Line<'_>) -> Reading {
        let (queue_id, text) = after_queue_id(line.message);
        let key = Key::new(&[line.host, queue_id]);
        if text == b"removed" {
            self.messages.remove(key);
            return Reading::Ignored;
        }
        let Some(active) = Active::read(text) else {
            return Reading::Ignored;
        };
        let Some(message) = self.messages.get(key) else {
            return Reading::Ignored;
        };
        if message.is_accepted {
            return Reading::Ignored;
        }
        message.is_accepted = true;
        let kind = match &message.account {
            None if active.is_bounce => EventKind::BounceIn,
            _ => EventKind::MailAccepted,
        };
        let is_known = message.address.is_some();
        Reading::Event(Event {
            address: message.address,
            account: message.account.clone(),
            session: Some(message.session),
            recipients: active.recipients,
            bytes: active.bytes,
            score: if is_known { kind.score() } else { Score::ZERO },
            ..line.event(kind, Service::Smtp)
        })
    }

    /// smtp, lmtp, local and others: `to=<a@example.net>, relay=..., dsn=5.1.1, status=bounced (...)`. Weighs nothing, but it
    /// tells of the account whose message it is.
    pub(super) fn read_delivery(&mut self, line: &Line<'_>) -> Reading {
        let (queue_id, text) = after_queue_id(line.message);
        let Some(recipient) = bounced(text) else {
            return Reading::Ignored;
        };
        let message = self.messages.get(Key::new(&[line.host, queue_id]));
        let Some(message) = message.filter(|message| message.account.is_some()) else {
            return Reading::Ignored;
        };
        Reading::Event(Event {
            account: message.account.clone(),
            session: Some(message.session),
            recipient: name(recipient),
            ..line.event(EventKind::BounceOut, Service::Smtp)
        })
    }
}

/// What qmgr says of a message that it begins to deliver.
struct Active {
    is_bounce: bool,
    recipients: Option<u32>,
    bytes: Option<u64>,
}

impl Active {
    /// Reads from the right: the sender is the client's word.
    fn read(text: &[u8]) -> Option<Self> {
        let text = text
            .strip_prefix(b"from=<")?
            .strip_suffix(b" (queue active)")?;
        let at = rfind(text, b">, size=")?;
        let numbers = text[at..].strip_prefix(b">, size=")?;
        let bytes = before(numbers, b", nrcpt=");
        Some(Self {
            is_bounce: at == 0,
            recipients: after(numbers, b", nrcpt=").and_then(number),
            bytes: number(bytes),
        })
    }
}

/// The recipient of a delivery that failed for good. What the other server said stands after the status.
fn bounced(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"to=<")?;
    let rest = after(text, b">, ")?;
    let recipient = &text[..text.len() - rest.len() - b">, ".len()];
    let delivery = after(rest, b"relay=")?;
    let said = after(delivery, b", dsn=")?;
    let is_bounced = said.starts_with(b"5.") && after(said, b", ")?.starts_with(b"status=bounced ");
    is_bounced.then_some(recipient)
}
