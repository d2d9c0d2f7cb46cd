//! Lines with the id of a message: `1xUohT-00000M-0o <= a@b H=...`, and since 4.97 `1xUoon-0000000000M-1hQc <= ...`.

use super::{
    super::{
        Line, Reading, name,
        sessions::Key,
        text::{after, before, find, starts_with_any, until},
    },
    Exim,
    client::{self, Found},
    field::Fields,
    smtp::Refusal,
};
use crate::{
    event::{Event, EventKind, Score, Service},
    lanes,
};

/// Takes the id of a message off the front.
pub(super) fn after_id(text: &[u8]) -> Option<(&[u8], &[u8])> {
    // Up to 4.96 and since: three parts, of 6, 6 and 2 or of 6, 11 and 4 letters and digits.
    after_form::<16>(text, [6, 13]).or_else(|| after_form::<23>(text, [6, 18]))
}

/// The same for ids of `N` bytes with two dashes.
fn after_form<const N: usize>(text: &[u8], dashes: [usize; 2]) -> Option<(&[u8], &[u8])> {
    let mut id = *text.first_chunk::<N>()?;
    let rest = text[N..].strip_prefix(b" ")?;
    for dash in dashes {
        if std::mem::replace(&mut id[dash], b'0') != b'-' {
            return None;
        }
    }
    let is_id = id[0].is_ascii_digit()
        && id
            .iter()
            .fold(true, |all, &byte| all & lanes::is_alphanumeric(byte));
    is_id.then_some((&text[..N], rest))
}

impl Exim {
    pub(super) fn of_message(&mut self, line: &Line<'_>, id: &[u8], text: &[u8]) -> Reading {
        let key = Key::new(&[line.host, id]);
        if let Some(rest) = text.strip_prefix(b"<= ") {
            return self.accepted(line, key, rest);
        }
        if let Some(rest) = text.strip_prefix(b"** ") {
            return self.bounced(line, key, rest);
        }
        if text.starts_with(b"Completed") {
            self.accounts.remove(key);
            return Reading::Ignored;
        }
        if let Some(rest) = text.strip_prefix(b"H=") {
            return match self.host(line, rest) {
                // What a message meets on its way out begins so too.
                Reading::Unknown => Reading::Ignored,
                reading => reading,
            };
        }
        if let Some(rest) = text.strip_prefix(b"F=") {
            return self.scanned(line, rest);
        }
        if let Some(rest) = text.strip_prefix(b"rejected from <") {
            return self.refused(line, rest, Refusal::Message);
        }
        if let Some(rest) = text.strip_prefix(b"SA: ") {
            return self.spam_assassin(line, rest);
        }
        Reading::Ignored
    }

    /// `joe@x H=(pc) [192.0.2.1] P=esmtpsa A=plain:joe S=1`: a message came in.
    fn accepted(&mut self, line: &Line<'_>, message: Key, text: &[u8]) -> Reading {
        let Some((sender, rest)) = until(text, b' ') else {
            return Reading::Unknown;
        };
        let Some(rest) = rest.strip_prefix(b"H=") else {
            // From this host: `U=joe P=local`, `R=...`.
            return Reading::Ignored;
        };
        let (client, rest) = match client::at(rest, &[b" P=", b" R=", b" L ", b" K "]) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let (fields, rest) = Fields::read(rest);
        let kind = if fields.login.is_some() {
            EventKind::AuthSuccess
        } else if sender == b"<>" {
            EventKind::BounceIn
        } else {
            EventKind::MailAccepted
        };
        let event = self.connections.event(line, client, kind, |session| {
            session.has_authenticated |= fields.login.is_some();
            kind.score()
        });
        let account = fields.account().and_then(name);
        if let Some(account) = &account {
            self.accounts.insert(message, account.clone());
        }
        Reading::Event(Event {
            account,
            bytes: fields.size,
            recipients: Fields::recipients(rest),
            ..event
        })
    }

    /// `bad@remote.example <x@y> R=dnslookup T=remote_smtp H=mx.remote.example [192.0.2.1]: SMTP error ...`: a message of
    /// an account did not get where it was to go. The address is that of another server. What was only refused for now, until
    /// Exim's patience was over, says nothing about the recipient.
    fn bounced(&mut self, line: &Line<'_>, message: Key, text: &[u8]) -> Reading {
        if text.ends_with(b": retry timeout exceeded") {
            return Reading::Ignored;
        }
        let Some(account) = self.accounts.get(message) else {
            return Reading::Ignored;
        };
        let mut event = line.event(EventKind::BounceOut, Service::Smtp);
        event.account = Some(account.clone());
        event.recipient = until(text, b' ').and_then(|(recipient, _)| name(recipient));
        Reading::Event(event)
    }

    /// `a@b H=(x) [192.0.2.1] P=smtp rejected by local_scan(): ...`: the sender stands before the client.
    fn scanned(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let bracketed = text.strip_prefix(b"<").and_then(|text| until(text, b'>'));
        let Some((sender, rest)) = bracketed.or_else(|| until(text, b' ')) else {
            return Reading::Unknown;
        };
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let Some(rest) = rest.strip_prefix(b"H=") else {
            return Reading::Ignored;
        };
        let (client, rest) =
            match client::at(rest, &[b" P=", b" rejected ", b" temporarily rejected "]) {
                Found::Client(client, rest) => (client, rest),
                Found::Refused => return Reading::Refused,
                Found::Nobody => return Reading::Unknown,
            };
        let (fields, verb) = Fields::read(rest);
        let is_harmless =
            sender.is_empty() || sender == b"<>" || verb.starts_with(b" temporarily ");
        if !starts_with_any(verb, &[b" rejected ", b" temporarily rejected "]) {
            return Reading::Ignored;
        }
        let kind = EventKind::ContentRejected;
        let event = self.connections.event(line, client, kind, |session| {
            let is_harmless = is_harmless || fields.login.is_some();
            session.is_excused |= is_harmless;
            if is_harmless {
                Score::ZERO
            } else {
                kind.score()
            }
        });
        Reading::Event(event)
    }

    /// SA-Exim: `Action: permanently rejected message: score=... From <a@b> (host=NULL [192.0.2.1]) for joe@x`. The message's
    /// id and its sender stand before the client.
    fn spam_assassin(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some(action) = text.strip_prefix(b"Action: ") else {
            return Reading::Ignored;
        };
        let is_refused = starts_with_any(
            action,
            &[
                b"permanently rejected ",
                b"silently tossed ",
                b"teergrubed ",
            ],
        );
        if !is_refused && !action.starts_with(b"temporarily rejected ") {
            return Reading::Ignored;
        }
        let (client, _) = match client::after_any(action, b" (host=", &[b") for ", b")"]) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let is_bounce = after(action, b" From <")
            .is_some_and(|sender| before(sender, b" ") == b">")
            && find(action, b" From <")
                .is_some_and(|at| find(&action[at + 1..], b" From <").is_none());
        let kind = EventKind::ContentRejected;
        let event = self.connections.event(line, client, kind, |_| {
            if is_refused && !is_bounce {
                kind.score()
            } else {
                Score::ZERO
            }
        });
        Reading::Event(event)
    }
}
