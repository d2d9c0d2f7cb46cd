//! What a plugin answered: `hook=HOOK plugin=PLUGIN function=NAME params="TEXT" retval=CODE msg="TEXT"` (`plugins.js`).

use super::{
    super::{
        reason,
        reply::{Stage, refusal},
        text::find,
    },
    record::Fields,
};
use crate::event::{EventKind, Score};

/// A refusal by a plugin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denial {
    pub(super) kind: EventKind,
    pub(super) score: Score,
    pub(super) is_temporary: bool,
}

/// Most of a message that is looked at.
const MESSAGE_MAX: usize = 256;

impl Denial {
    pub(super) fn of_hook(fields: &Fields<'_>) -> Option<Self> {
        let hook = fields.get(b"hook")?;
        let plugin = fields.get(b"plugin").unwrap_or_default();
        let code = fields.get(b"retval")?;
        let message = fields.get(b"msg").unwrap_or_default();
        let denial = Self::new(hook, plugin, code, message)?;
        Some(match hook {
            // The core tells of these by itself, with the address that was refused.
            b"mail" | b"rcpt" | b"rcpt_ok" | b"data_post" | b"queue" | b"queue_outbound" => Self {
                score: Score::ZERO,
                ..denial
            },
            _ => denial,
        })
    }

    /// What `code` means for the client; `None` unless it is a refusal.
    pub(super) fn new(hook: &[u8], plugin: &[u8], code: &[u8], message: &[u8]) -> Option<Self> {
        let is_temporary = match code {
            b"DENY" | b"DENYDISCONNECT" => false,
            b"DENYSOFT" | b"DENYSOFTDISCONNECT" => true,
            _ => return None,
        };
        let message = &message[..message.len().min(MESSAGE_MAX)];
        let kind = kind(hook, plugin, message);
        let is_weightless = is_temporary
            // A command that is not known may be a new one; the end of the connection says whether it came to anything.
            || kind == EventKind::ProtocolError;
        Some(Self {
            kind,
            score: match is_weightless {
                true => Score::ZERO,
                false => kind.score(),
            },
            is_temporary,
        })
    }
}

fn kind(hook: &[u8], plugin: &[u8], message: &[u8]) -> EventKind {
    let is_plugin = |word: &[u8]| find(plugin, word).is_some();
    if is_plugin(b"early_talker") || message.starts_with(b"You talk too soon") {
        return EventKind::EarlyTalker;
    }
    if is_plugin(b"max_unrecognized") || message.starts_with(b"Too many unrecognized commands") {
        return EventKind::TooManyErrors;
    }
    if is_plugin(b"limit") {
        return match find(message, b"errors").is_some() {
            true => EventKind::TooManyErrors,
            false => EventKind::RateLimited,
        };
    }
    if is_plugin(b"dnsbl") || is_plugin(b"dns-list") || is_plugin(b"dnswl") {
        return EventKind::DnsblRejected;
    }
    match hook {
        b"connect" | b"connect_init" | b"lookup_rdns" => of_stage(Stage::Connect, message),
        b"helo" | b"ehlo" => of_stage(Stage::Helo, message),
        b"mail" => of_stage(Stage::Mail, message),
        b"rcpt" | b"rcpt_ok" => of_stage(Stage::Rcpt, message),
        b"data" | b"data_post" | b"queue" | b"queue_outbound" | b"max_data_exceeded" => {
            EventKind::ContentRejected
        }
        _ => EventKind::ProtocolError,
    }
}

fn of_stage(stage: Stage, message: &[u8]) -> EventKind {
    if message.starts_with(b"I cannot deliver mail for ") {
        return EventKind::RelayDenied;
    }
    let reply = [b"550 ", message].concat();
    match (refusal(stage, &reply), reason::of_words(message)) {
        (
            Some((EventKind::ClientRejected, _)),
            Some(kind @ (EventKind::RelayDenied | EventKind::UnknownRecipient)),
        ) if stage == Stage::Rcpt => kind,
        (Some((kind, _)), _) => kind,
        (None, _) => EventKind::ClientRejected,
    }
}
