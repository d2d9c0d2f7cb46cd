//! Lines about connections.

use super::{
    super::{
        Line, Reading, name,
        text::{after, before, find, rfind, starts_with_any},
    },
    Sendmail,
    client::{bracketed, client, last},
    fault,
};
use crate::event::{EventKind, Score};

impl Sendmail {
    /// What follows `connect from `.
    pub(super) fn connect(&mut self, line: &Line<'_>, text: &[u8], tail: &[u8]) -> Reading {
        match client(text) {
            Some((address, rest)) if rest.is_empty() || rest.starts_with(tail) => {
                Reading::Event(self.connections.begin(line, address))
            }
            // From this host.
            _ => Reading::Ignored,
        }
    }

    /// Lines that begin with the client. What follows is read to its end: such a line may also be a recipient's, who chose a
    /// name that looks like a client.
    pub(super) fn client_first(&mut self, line: &Line<'_>, text: &[u8]) -> Option<Reading> {
        let (address, rest) = client(text)?;
        if let Some(rest) =
            rest.strip_prefix(b" did not issue MAIL/EXPN/VRFY/ETRN during connection to ")
        {
            if rest.contains(&b' ') {
                return Some(Reading::Unknown);
            }
            return Some(self.did_nothing(line, address));
        }
        let rest = rest.strip_prefix(b": ")?;
        let (kind, score) = if let Some(rest) = rest.strip_prefix(b"possible SMTP attack: command=")
        {
            let command = before(rest, b", count=");
            let count = rest[command.len()..].strip_prefix(b", count=")?;
            let is_count = !count.is_empty() && count.iter().all(u8::is_ascii_digit);
            if command.contains(&b' ') || !is_count {
                return Some(Reading::Unknown);
            }
            match command {
                b"AUTH" => (EventKind::AuthFailure, EventKind::TooManyErrors.score()),
                _ => (EventKind::TooManyErrors, EventKind::TooManyErrors.score()),
            }
        } else if rest == b"Possible SMTP RCPT flood, throttling." {
            (EventKind::RateLimited, EventKind::RateLimited.score())
        } else {
            let verb = before(rest, b" ").to_ascii_uppercase();
            match &verb[..] {
                b"VRFY" | b"EXPN" if rest.ends_with(b" [rejected]") => {
                    (EventKind::ClientRejected, EventKind::ClientRejected.score())
                }
                b"VRFY" | b"EXPN" | b"ETRN" => return Some(Reading::Ignored),
                _ => return Some(Reading::Unknown),
            }
        };
        let event = self.connections.event(line, address, kind, |_| score);
        Some(Reading::Event(event))
    }

    /// `a [192.0.2.1] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA`. So do those that only look whether there is
    /// a server, and those that break off.
    fn did_nothing(&mut self, line: &Line<'_>, address: std::net::IpAddr) -> Reading {
        let mut event = self
            .connections
            .event(line, address, EventKind::Disconnect, |session| {
                let is_bad = session.has_sent_garbage && !session.is_scored;
                if is_bad {
                    EventKind::BadSession.score()
                } else {
                    Score::ZERO
                }
            });
        if event.is_offence() {
            event.kind = EventKind::BadSession;
        }
        Reading::Event(event)
    }

    /// `commands from NAME [192.0.2.1] due to pre-greeting traffic after 6 seconds`, `server EHLO from ... due to traffic
    /// before response`. NAME is the address in brackets if there is none.
    pub(super) fn rejecting(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        if text.starts_with(b"connections on daemon ") {
            return fault(line);
        }
        let Some(rest) = after(text, b" from ") else {
            return Reading::Ignored;
        };
        let Some((address, rest)) = client(rest) else {
            return Reading::Unknown;
        };
        let rest = match rest.strip_prefix(b" ").and_then(bracketed) {
            Some((again, rest)) if again == address => rest,
            Some(_) => return Reading::Refused,
            None => rest,
        };
        if rest.starts_with(b" due to pre-greeting traffic") {
            let kind = EventKind::EarlyTalker;
            let event = self
                .connections
                .event(line, address, kind, |_| kind.score());
            return Reading::Event(event);
        }
        if rest.starts_with(b" due to traffic before response") {
            let kind = EventKind::ProtocolError;
            let event = self.connections.event(line, address, kind, |session| {
                if session.is_scored {
                    Score::ZERO
                } else {
                    kind.score()
                }
            });
            return Reading::Event(event);
        }
        let event = self
            .connections
            .event(line, address, EventKind::ClientRejected, |_| Score::ZERO);
        Reading::Event(event)
    }

    /// `a [192.0.2.1] to MTA after mail`, `a [192.0.2.1] during server cmd read`.
    pub(super) fn lost(&mut self, line: &Line<'_>, text: &[u8], tail: &[u8]) -> Reading {
        match client(text) {
            Some((address, rest)) if rest.starts_with(tail) => {
                let kind = EventKind::LostConnection;
                Reading::Event(self.connections.event(line, address, kind, |_| Score::ZERO))
            }
            // From this host, or to another server.
            _ => Reading::Ignored,
        }
    }

    /// `AUTH failure (PLAIN): ..., user=joe, relay=a [192.0.2.1]`, `AUTH=server, relay=a [192.0.2.1], authid=joe, mech=PLAIN`.
    pub(super) fn login(&mut self, line: &Line<'_>, text: &[u8]) -> Option<Reading> {
        if let Some(rest) = text.strip_prefix(b"AUTH=server, relay=") {
            let Some((address, rest)) = client(rest) else {
                return Some(Reading::Ignored);
            };
            let kind = EventKind::AuthSuccess;
            let mut event = self.connections.event(line, address, kind, |session| {
                session.has_authenticated = true;
                kind.score()
            });
            let account = rest.strip_prefix(b", authid=");
            event.account = account
                .map(|account| &account[..rfind(account, b", mech=").unwrap_or(account.len())])
                .and_then(name);
            if let Some(account) = &event.account {
                self.connections.has_logged_in(line, account.clone());
            }
            return Some(Reading::Event(event));
        }
        let rest = text.strip_prefix(b"AUTH failure (")?;
        let Some((address, failure)) = last(rest, b", relay=") else {
            return Some(Reading::Unknown);
        };
        let (reason, account) = match find(failure, b", user=") {
            Some(at) => (&failure[..at], name(&failure[at + b", user=".len()..])),
            None => (failure, None),
        };
        let kind = failure_of(reason);
        let mut event = self
            .connections
            .event(line, address, kind, |_| kind.score());
        event.account = account;
        Some(Reading::Event(event))
    }

    /// What follows `STARTTLS=`.
    pub(super) fn starttls(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some(text) = text.strip_prefix(b"server, error: ") else {
            return Reading::Ignored;
        };
        let Some((address, text)) = last(text, b", relay=") else {
            return Reading::Ignored;
        };
        let is_garbage =
            after(text, b"reason=").is_some_and(|reason| starts_with_any(reason, GARBAGE));
        let kind = EventKind::TlsFailure;
        Reading::Event(self.connections.event(line, address, kind, |session| {
            session.has_sent_garbage |= is_garbage;
            Score::ZERO
        }))
    }

    /// `x;y) from a [192.0.2.1]`: a HELO name that is none. The client ends the line.
    pub(super) fn invalid_helo(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let Some((address, _)) = last(text, b") from ") else {
            return Reading::Unknown;
        };
        let kind = EventKind::HeloRejected;
        Reading::Event(
            self.connections
                .event(line, address, kind, |_| kind.score()),
        )
    }

    /// `"debug" command from a [192.0.2.1] (192.0.2.1)`: commands of worms.
    pub(super) fn bogus_command(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        const COMMANDS: &[&[u8]] = &[
            b"\"debug\" command from ",
            b"\"wiz\" command from ",
            b"\"showq\" command from ",
        ];
        let Some(rest) = COMMANDS.iter().find_map(|head| text.strip_prefix(*head)) else {
            return Reading::Unknown;
        };
        self.weighs(line, rest, b" (", EventKind::NonSmtp)
    }

    /// An event of the client that `text` begins with, before a `tail`.
    pub(super) fn weighs(
        &mut self,
        line: &Line<'_>,
        text: &[u8],
        tail: &[u8],
        kind: EventKind,
    ) -> Reading {
        match client(text) {
            Some((address, rest)) if rest.starts_with(tail) => Reading::Event(
                self.connections
                    .event(line, address, kind, |_| kind.score()),
            ),
            _ => Reading::Unknown,
        }
    }
}

/// What `PLAIN): authentication failure (-13) SASL(-13): ...` means, by the code of Cyrus SASL.
fn failure_of(reason: &[u8]) -> EventKind {
    let code = after(reason, b" (-").map(|rest| before(&rest[..rest.len().min(4)], b")"));
    match code {
        // `SASL_FAIL`, `SASL_NOMEM`, `SASL_BUFOVER`, `SASL_TRYAGAIN`, `SASL_NOTINIT`, `SASL_UNAVAIL`.
        Some(b"1" | b"2" | b"3" | b"8" | b"12" | b"24") => EventKind::ServerFault,
        // `SASL_NOMECH`.
        Some(b"4") => EventKind::AuthNotOffered,
        // `SASL_BADPROT`: "bad protocol / cancel".
        Some(b"5") => EventKind::AuthAborted,
        _ => EventKind::AuthFailure,
    }
}

/// What OpenSSL says of bytes that are no TLS.
const GARBAGE: &[&[u8]] = &[
    b"wrong version number",
    b"http request",
    b"https proxy request",
    b"unknown protocol",
];
