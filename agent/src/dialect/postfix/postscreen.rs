//! postscreen, which tests clients before it lets them in. Its lines name `[ADDRESS]:PORT`, which is also the session.

use std::net::IpAddr;

use super::{
    super::{
        Line, Reading, name,
        sessions::{Key, Sessions},
        text::{after, starts_with_any},
    },
    after_queue_id, after_stage,
    client::{self, Client, client},
    reject, server_fault,
};
use crate::event::{Event, EventKind, Score, Service, SessionId};

/// All connections to postscreen.
#[derive(Default)]
pub(super) struct Postscreen {
    sessions: Sessions<Session>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    id: SessionId,
    address: Option<IpAddr>,
    /// Something of it weighed against the client: the refusals that follow are about that.
    is_scored: bool,
    /// What a list said of the client, which weighs once postscreen refuses it for that.
    listed: Option<EventKind>,
    is_non_smtp: bool,
    has_hung_up: bool,
}

/// Lines that say nothing about what a client does.
const SILENT: &[&[u8]] = &[
    b"ALLOWLISTED ",
    b"ALLOWLIST VETO ",
    b"WHITELISTED ",
    b"WHITELIST VETO ",
    b"cache ",
    b"close database ",
    b"entering STRESS mode",
    b"leaving STRESS mode",
    b"reload",
    b"statistics: ",
    b"using backwards-compatible ",
    b"warning: ",
];

impl Postscreen {
    pub(super) fn read(&mut self, line: &Line<'_>, message: &[u8]) -> Reading {
        let (_, text) = after_queue_id(message);
        let then = |head: &[u8]| text.strip_prefix(head);
        if let Some(rest) = then(b"CONNECT from ") {
            return self.connect(line, rest);
        }
        if let Some(rest) = then(b"DISCONNECT ") {
            return self.disconnect(line, rest);
        }
        if let Some(rest) = then(b"PASS OLD ").or(then(b"PASS NEW ")) {
            return self.pass(line, rest);
        }
        if let Some(rest) = then(b"reject: ") {
            return self.reject(line, rest);
        }
        if let Some(rest) = then(b"PREGREET ") {
            return self.pregreet(line, rest);
        }
        if let Some(rest) = then(b"HANGUP after ").and_then(after_from) {
            return self.hangup(line, rest);
        }
        if let Some(rest) = then(b"DNSBL rank ").and_then(|rest| after(rest, b" for ")) {
            return self.listed(line, rest, EventKind::DnsblRejected);
        }
        if let Some(rest) = then(b"DENYLISTED ").or(then(b"BLACKLISTED ")) {
            return self.listed(line, rest, EventKind::ClientRejected);
        }
        if let Some((kind, score, rest)) = misdeed(text) {
            return self.weighs(line, rest, kind, score);
        }
        if starts_with_any(text, &[b"fatal: ", b"panic: ", b"error: "]) {
            return server_fault(line);
        }
        if starts_with_any(text, SILENT) || is_filtered(text) {
            return Reading::Ignored;
        }
        client::no_client(text)
    }

    fn connect(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((client, _)) = connection(text, &[b" "]) else {
            return client::no_client(text);
        };
        let session = Session::new(line, client);
        if let Some(key) = key(line, client) {
            self.sessions.insert(key, session);
        }
        told(line, session, EventKind::Connect, Score::ZERO)
    }

    /// Where postscreen drops whom a list names, this is all it says of it.
    fn disconnect(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((client, _)) = connection(text, &[]) else {
            return client::no_client(text);
        };
        let session = key(line, client)
            .and_then(|key| self.sessions.remove(key))
            .filter(|session| session.address == client.address)
            .unwrap_or_else(|| Session::new(line, client));
        let kind = match session.listed {
            Some(kind) if !session.is_scored && !session.has_hung_up => kind,
            _ => EventKind::Disconnect,
        };
        told(line, session, kind, kind.score())
    }

    /// The connection goes on to smtpd, or the client is to come again.
    fn pass(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((client, _)) = connection(text, &[]) else {
            return client::no_client(text);
        };
        if let Some(key) = key(line, client) {
            self.sessions.remove(key);
        }
        Reading::Ignored
    }

    fn reject(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((stage, rest)) = after_stage(text) else {
            return Reading::Unknown;
        };
        let Some((client, reason)) = connection(rest, &[b": "]) else {
            return client::no_client(rest);
        };
        let (kind, score, recipient) = match reject::read(stage, reason) {
            Some(reject) => (reject.kind, reject.score, reject.recipient),
            None if reason == b"too many connections" => {
                (EventKind::RateLimited, EventKind::RateLimited.score(), None)
            }
            None if reason == b"all server ports busy" => {
                (EventKind::ServerFault, Score::ZERO, None)
            }
            None => return Reading::Unknown,
        };
        let mut weight = score;
        let session = self.update(line, client, |session| {
            // Each recipient is refused for the one thing that the client did before.
            if session.is_scored {
                weight = Score::ZERO;
            }
            session.listed = None;
            session.is_scored |= weight > Score::ZERO;
        });
        let mut event = event_of(line, session, kind, weight);
        event.recipient = recipient.and_then(name);
        Reading::Event(event)
    }

    /// `24 after 0 from [ADDRESS]:PORT: EHLO x`
    fn pregreet(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some(rest) = after_from(text) else {
            return Reading::Unknown;
        };
        let said = connection(rest, &[b": "]).map_or(b"".as_slice(), |(_, said)| said);
        let kind = if is_another_protocol(said) {
            EventKind::NonSmtp
        } else {
            EventKind::EarlyTalker
        };
        self.weighs(line, rest, kind, kind.score())
    }

    fn hangup(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((client, _)) = connection(text, &[b" "]) else {
            return client::no_client(text);
        };
        let session = self.update(line, client, |session| session.has_hung_up = true);
        told(line, session, EventKind::LostConnection, Score::ZERO)
    }

    /// What follows tells whether the client is refused for it.
    fn listed(&mut self, line: &Line<'_>, text: &[u8], kind: EventKind) -> Reading {
        let Some((client, _)) = connection(text, &[]) else {
            return client::no_client(text);
        };
        let session = self.update(line, client, |session| session.listed = Some(kind));
        told(line, session, kind, Score::ZERO)
    }

    fn weighs(&mut self, line: &Line<'_>, text: &[u8], kind: EventKind, score: Score) -> Reading {
        let Some((client, _)) = connection(text, &[b" ", b": "]) else {
            return client::no_client(text);
        };
        let mut weight = score;
        let session = self.update(line, client, |session| {
            if kind == EventKind::NonSmtp {
                // What came before its turn is read again after it.
                if session.is_non_smtp {
                    weight = Score::ZERO;
                }
                session.is_non_smtp = true;
            }
            session.is_scored |= weight > Score::ZERO;
        });
        told(line, session, kind, weight)
    }

    fn update(
        &mut self,
        line: &Line<'_>,
        client: Client,
        change: impl FnOnce(&mut Session),
    ) -> Session {
        self.sessions.update(
            key(line, client),
            |session| session.address == client.address,
            || Session::new(line, client),
            change,
        )
    }
}

impl Session {
    fn new(line: &Line<'_>, client: Client) -> Self {
        Self {
            id: line.new_session(),
            address: client.address,
            is_scored: false,
            listed: None,
            is_non_smtp: false,
            has_hung_up: false,
        }
    }
}

/// What a client did wrong, by postscreen's own name for it.
fn misdeed(text: &[u8]) -> Option<(EventKind, Score, &[u8])> {
    const MISDEEDS: &[(&[u8], EventKind, i16)] = &[
        (b"COMMAND PIPELINING from ", EventKind::ProtocolError, 20),
        (b"NON-SMTP COMMAND from ", EventKind::NonSmtp, 50),
        (b"BARE NEWLINE from ", EventKind::ProtocolError, 20),
        (b"COMMAND LENGTH LIMIT from ", EventKind::ProtocolError, 20),
        // An honest list with many recipients gets here too, once.
        (b"COMMAND COUNT LIMIT from ", EventKind::RateLimited, 10),
        // No more than slow.
        (b"COMMAND TIME LIMIT from ", EventKind::LostConnection, 0),
        // It was refused before.
        (
            b"DATA without valid RCPT from ",
            EventKind::ProtocolError,
            0,
        ),
        (
            b"BDAT without valid RCPT from ",
            EventKind::ProtocolError,
            0,
        ),
    ];
    MISDEEDS.iter().find_map(|&(head, kind, tenths)| {
        let rest = text.strip_prefix(head)?;
        Some((kind, Score::tenths(tenths), rest))
    })
}

/// `[ADDRESS]:PORT: replacing command "..." with "..."`, `[ADDRESS]:PORT: discarding EHLO keywords: ...`; some versions leave
/// out the colon before the port.
fn is_filtered(text: &[u8]) -> bool {
    let Some((_, rest)) = client(text) else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let says: [&[u8]; 2] = [b": replacing command \"", b": discarding EHLO keywords: "];
    starts_with_any(&rest[digits..], &says)
}

/// What follows ` from `. What stands before it are numbers.
fn after_from(text: &[u8]) -> Option<&[u8]> {
    after(text, b" from ")
}

/// The client that `text` begins with, and what follows it and one of `separators`; nothing else may follow it.
fn connection<'a>(text: &'a [u8], separators: &[&[u8]]) -> Option<(Client, &'a [u8])> {
    let (client, rest) = client(text)?;
    if rest.is_empty() {
        return Some((client, rest));
    }
    let rest = separators
        .iter()
        .find_map(|separator| rest.strip_prefix(*separator))?;
    Some((client, rest))
}

/// HTTP, TLS, SSH and remote desktop, as Postfix escapes what it shows.
fn is_another_protocol(said: &[u8]) -> bool {
    const OTHERS: &[&[u8]] = &[
        b"CONNECT ",
        b"GET ",
        b"HEAD ",
        b"OPTIONS ",
        b"POST ",
        b"PUT ",
        b"SSH-",
        b"\\003\\000",
        b"\\026\\003",
    ];
    starts_with_any(said, OTHERS)
}

fn key(line: &Line<'_>, client: Client) -> Option<Key> {
    let port = client.port?.to_be_bytes();
    Some(match client.address? {
        IpAddr::V4(address) => Key::new(&[line.host, &address.octets(), &port]),
        IpAddr::V6(address) => Key::new(&[line.host, &address.octets(), &port]),
    })
}

fn told(line: &Line<'_>, session: Session, kind: EventKind, score: Score) -> Reading {
    Reading::Event(event_of(line, session, kind, score))
}

fn event_of(line: &Line<'_>, session: Session, kind: EventKind, score: Score) -> Event {
    Event {
        address: session.address,
        session: Some(session.id),
        score,
        ..line.event(kind, Service::Smtp)
    }
}
