//! Lines about connections.

use super::{
    super::{
        Line, Reading,
        address::literal,
        name,
        text::{after, before, find, starts_with_any, until},
    },
    Exim,
    client::{self, Client, Found},
    field::Fields,
    reject,
};
use crate::event::{Event, EventKind, Score, Service};

/// What Exim refused by itself, on a line that has what the client wrote before the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// Too large.
    Message,
    /// Too many.
    Recipients,
}

/// Lines that say nothing about what a client does.
pub(super) const SILENT: &[&[u8]] = &[
    b"ATRN ",
    b"Completed",
    b"DKIM: ",
    b"DNS list lookup ",
    b"End queue run",
    b"List of ",
    b"SIGHUP received",
    b"SMTP connection outbound ",
    b"Start queue run",
    b"TLS cached session ",
    b"TLS session: ",
    b"Warning: ",
    b"cwd=",
    b"daemon ",
    b"exim 4.",
    b"exim 5.",
    b"exim user ",
    b"host name alias list truncated",
    b"ident connection to ",
    b"list matching forced to fail",
    b"lowest numbered MX record ",
    b"no immediate delivery",
    b"pid ",
    b"queue run",
    b"remote host address is the local host",
    b"removed ",
    b"routing failed ",
];

/// Lines of a server that cannot do its work.
const FAULTS: &[&[u8]] = &[
    b"Cannot open ",
    b"DANE error",
    b"Exim configuration error",
    b"Failed to ",
    b"PANIC",
    b"TLS error (",
    b"acl condition",
    b"failed to ",
    b"host name lookup ",
    b"malware acl condition",
    b"socket bind() ",
    b"spam acl condition",
    b"unable to ",
];

/// What may follow a client where a verb does.
const VERBS: &[&[u8]] = &[
    b" rejected ",
    b" temporarily rejected ",
    b" dropped by '",
    b" sender verify ",
    b" Warning: ",
    b" incomplete transaction ",
    b" unauthenticated ",
    b" discarded ",
    b" P=",
    b" L ",
    b" DS ",
];

impl Exim {
    pub(super) fn of_connection(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let then = |head: &[u8]| text.strip_prefix(head);
        match text.first() {
            Some(b'H') => {
                if let Some(rest) = then(b"H=") {
                    return self.host(line, rest);
                }
            }
            Some(b'S') => {
                if let Some(rest) = then(b"SMTP ") {
                    return self.smtp(line, rest);
                }
            }
            Some(b'n') => {
                if let Some(reading) = self.no(line, text) {
                    return reading;
                }
            }
            Some(b'r') => {
                if let Some(rest) = then(b"rejected MAIL FROM:<") {
                    return self.refused(line, rest, Refusal::Message);
                }
                if let Some(rest) = then(b"rejected ") {
                    return self.rejected_from(line, rest);
                }
                if let Some(rest) = then(b"refused connection from ") {
                    return self.from(line, rest, &[b" ("], EventKind::ClientRejected);
                }
            }
            Some(b't') => {
                if let Some(rest) = then(b"too many recipients: message rejected: sender=<") {
                    return self.refused(line, rest, Refusal::Recipients);
                }
            }
            Some(b'u') => {
                if let Some(rest) =
                    then(b"unexpected disconnection while reading SMTP command from ")
                {
                    return self.weighs_nothing(line, rest, &[b" D="], EventKind::LostConnection);
                }
                if let Some(rest) = then(b"unqualified ") {
                    return match after(&rest[..rest.len().min(32)], b" rejected: <") {
                        Some(_) => self.unqualified(line, rest),
                        None => Reading::Unknown,
                    };
                }
            }
            Some(b'T') => {
                if let Some(rest) = then(b"TLS error on connection from ") {
                    return self.tls_error(line, rest);
                }
            }
            Some(b'C') => {
                if let Some(rest) = then(b"Connection from ") {
                    return self.refused_connection(line, rest);
                }
            }
            _ => {}
        }
        if let Some(reading) = self.authenticator(line, text) {
            return reading;
        }
        if starts_with_any(text, SILENT) || starts_with_any(text, &[b"ETRN ", b"U=", b"F="]) {
            Reading::Ignored
        } else if starts_with_any(text, FAULTS) {
            Reading::Event(line.event(EventKind::ServerFault, Service::Smtp))
        } else {
            Reading::Unknown
        }
    }

    /// What follows `H=`.
    pub(super) fn host(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let (client, rest) = match client::at(text, VERBS) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let (fields, rest) = Fields::read(rest);
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        if let Some(rest) = rest.strip_prefix(b"rejected ") {
            return self.reject(line, client, fields, rest, false);
        }
        if let Some(rest) = rest.strip_prefix(b"temporarily rejected ") {
            return self.reject(line, client, fields, rest, true);
        }
        if rest.starts_with(b"dropped by '") {
            let kind = EventKind::ClientRejected;
            return self.scores(line, client, kind, kind.score());
        }
        if rest.starts_with(b"sender verify ") {
            // The refusal follows, on a line of its own.
            return self.scores(line, client, EventKind::SenderRejected, Score::ZERO);
        }
        if rest.starts_with(b"incomplete transaction (connection lost)") {
            return self.scores(line, client, EventKind::LostConnection, Score::ZERO);
        }
        if starts_with_any(
            rest,
            &[b"incomplete transaction (", b"Warning: ", b"discarded "],
        ) {
            return Reading::Ignored;
        }
        Reading::Unknown
    }

    fn reject(
        &mut self,
        line: &Line<'_>,
        client: Client,
        fields: Fields<'_>,
        text: &[u8],
        is_temporary: bool,
    ) -> Reading {
        let reject = reject::read(text, is_temporary);
        let is_bounce = fields.sender == Some(b"") && !text.starts_with(b"connection ");
        let event = self
            .connections
            .event(line, client, reject.kind, |session| {
                let is_own = fields.login.is_some() || session.has_authenticated;
                let score = match reject.kind {
                    _ if is_bounce => Score::ZERO,
                    EventKind::RelayDenied if is_own => Score::ZERO,
                    _ => reject.score,
                };
                session.is_excused |= score == Score::ZERO;
                score
            });
        Reading::Event(Event {
            recipient: reject.recipient.and_then(name),
            account: fields.account().and_then(name),
            ..event
        })
    }

    /// `no host name found ...`, `no MAIL in SMTP connection ...`.
    fn no(&mut self, line: &Line<'_>, text: &[u8]) -> Option<Reading> {
        if let Some(rest) = text.strip_prefix(b"no host name found for IP address ") {
            let Some(address) = literal(rest) else {
                return Some(Reading::Unknown);
            };
            let mut event = line.event(EventKind::Connect, Service::Smtp);
            event.address = Some(address);
            return Some(Reading::Event(event));
        }
        if let Some(rest) = text.strip_prefix(b"no IP address found for host ") {
            // The name is from DNS, and holds no blank.
            let name = before(rest, b" ");
            let Some(rest) = rest[name.len()..].strip_prefix(b" (during SMTP connection from ")
            else {
                return Some(Reading::Ignored);
            };
            return Some(self.weighs_nothing(line, rest, &[b")"], EventKind::Connect));
        }
        let rest = text.strip_prefix(b"no MAIL in ")?;
        let rest = ["TFO* ", "TFO "]
            .iter()
            .find_map(|flag| rest.strip_prefix(flag.as_bytes()))
            .unwrap_or(rest);
        let rest = rest.strip_prefix(b"SMTP connection from ")?;
        Some(self.no_mail(line, rest))
    }

    /// `host (helo) [192.0.2.1] D=34s A=plain:joe C=EHLO,AUTH`: a connection's end, with what was tried.
    fn no_mail(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let (client, rest) = match client::at(text, &[b" D="]) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let (fields, _) = Fields::read(rest);
        let commands = find(rest, b" C=").map_or(b"".as_slice(), |at| &rest[at + 3..]);
        let has_tried = commands.split(|&byte| byte == b',').any(|command| {
            matches!(
                command,
                b"AUTH" | b"VRFY" | b"EXPN" | b"RCPT" | b"DATA" | b"BDAT"
            )
        });
        let is_bad = has_tried && fields.login.is_none();
        let kind = if is_bad {
            EventKind::BadSession
        } else {
            EventKind::Disconnect
        };
        let event = self.connections.event(line, client, kind, |session| {
            let is_told = session.is_scored || session.is_excused || session.has_authenticated;
            if is_told { Score::ZERO } else { kind.score() }
        });
        Reading::Event(event)
    }

    /// What follows `SMTP `.
    fn smtp(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let then = |head: &[u8]| text.strip_prefix(head);
        if let Some(rest) = then(b"connection from ") {
            return self.connection(line, rest);
        }
        if let Some(rest) = then(b"call from ") {
            return self.from(line, rest, &[b" dropped: "], EventKind::TooManyErrors);
        }
        if let Some(rest) = then(b"protocol error in \"").or(then(b"syntax error in \"")) {
            return self.error(line, rest);
        }
        if let Some(rest) = then(b"protocol synchronization error (") {
            return self.synchronization(line, rest);
        }
        if let Some(rest) = then(b"command timeout on TLS connection from ")
            .or(then(b"command timeout on connection from "))
            .or(then(
                b"data timeout (message abandoned) on connection from ",
            ))
            .or(then(
                b"data timeout (message abandoned) on TLS connection from ",
            ))
            .or(then(b"connection lost after final dot "))
        {
            return self.weighs_nothing(line, rest, &[b" D=", b" P="], EventKind::LostConnection);
        }
        Reading::Unknown
    }

    /// `[192.0.2.1]:4711 (TCP/IP connection count = 1)`, `... closed by QUIT`, `... lost D=1s`.
    fn connection(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        const TAILS: &[&[u8]] = &[b" (", b" closed ", b" lost", b" D=", b" refused"];
        let (client, rest) = match client::at(text, TAILS) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let (_, rest) = Fields::read(rest);
        if rest.starts_with(b" (TCP/IP connection count") {
            return Reading::Event(self.connections.begin(line, client));
        }
        if rest.starts_with(b" lost") {
            return self.scores(line, client, EventKind::LostConnection, Score::ZERO);
        }
        if rest.starts_with(b" closed by DROP in ACL") {
            let kind = EventKind::ClientRejected;
            let event = self.connections.event(line, client, kind, |session| {
                // The ACL told before what it did.
                let is_told = session.is_scored || session.is_excused;
                if is_told { Score::ZERO } else { kind.score() }
            });
            return Reading::Event(event);
        }
        if rest.starts_with(b" closed ") {
            return self.scores(line, client, EventKind::Disconnect, Score::ZERO);
        }
        Reading::Ignored
    }

    /// `AUTH LOGIN" H=(x) [192.0.2.1] AUTH command used when not advertised`: the client's command stands before the client.
    fn error(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let (client, rest) = match client::after_any(text, b"\" H=", &[b" "]) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let (_, reason) = Fields::read(rest);
        let is_login = reason.starts_with(b" AUTH command used when not advertised")
            || reason.ends_with(b" authentication mechanism not supported");
        if is_login {
            let kind = EventKind::AuthNotOffered;
            return self.scores(line, client, kind, kind.score());
        }
        let is_foreign = starts_with_any(text, FOREIGN);
        let kind = if is_foreign {
            EventKind::NonSmtp
        } else {
            EventKind::ProtocolError
        };
        // One mistake makes the next commands wrong too.
        let score = if is_foreign {
            kind.score()
        } else {
            Score::tenths(10)
        };
        let event = self.connections.event(line, client, kind, |session| {
            let is_first = !session.has_erred && !session.is_scored;
            session.has_erred = true;
            if is_first || is_foreign {
                score
            } else {
                Score::ZERO
            }
        });
        Reading::Event(event)
    }

    /// `input sent without waiting for greeting): rejected connection from H=[192.0.2.1] input="..."`, or `next input sent too
    /// soon: pipelining was not advertised): rejected "RSET" H=[192.0.2.1] next input="..."`.
    fn synchronization(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        // What stands in the brackets is Exim's own.
        let head = &text[..text.len().min(128)];
        let Some(rest) = find(head, b"): rejected ").map(|at| &text[at + b"): rejected ".len()..])
        else {
            return Reading::Unknown;
        };
        let tails: &[&[u8]] = &[b" input=\"", b" next input=\"", b" "];
        let (found, kind) = match rest.strip_prefix(b"connection from ") {
            Some(rest) => (client::at(rest, tails), EventKind::EarlyTalker),
            None => (
                client::after_any(rest, b"\" H=", tails),
                EventKind::ProtocolError,
            ),
        };
        match found {
            Found::Client(client, _) => self.scores(line, client, kind, kind.score()),
            Found::Refused => Reading::Refused,
            Found::Nobody => Reading::Unknown,
        }
    }

    /// `EHLO from [192.0.2.1]: syntactically invalid argument(s): x`, `MAIL from [192.0.2.1]: no HELO/EHLO given`.
    fn rejected_from(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let verb = before(text, b" ");
        let Some(rest) = text[verb.len()..].strip_prefix(b" from ") else {
            return Reading::Unknown;
        };
        let kind = match verb {
            b"EHLO" | b"HELO" | b"MAIL" => EventKind::HeloRejected,
            _ => EventKind::ClientRejected,
        };
        let (client, _) = match client::at(rest, &[b": "]) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let event = self.connections.event(line, client, kind, |session| {
            let is_first = !session.has_erred;
            session.has_erred = true;
            if is_first { kind.score() } else { Score::ZERO }
        });
        Reading::Event(event)
    }

    /// What follows the `<` of a sender.
    pub(super) fn refused(&mut self, line: &Line<'_>, text: &[u8], refusal: Refusal) -> Reading {
        let Some((sender, rest)) = until(text, b'>') else {
            return Reading::Unknown;
        };
        let Some(rest) = rest.strip_prefix(b" H=") else {
            return Reading::Unknown;
        };
        let client = match client::at(rest, &[b": "]) {
            Found::Client(client, _) => client,
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let (kind, score) = match refusal {
            // An honest mistake.
            Refusal::Message => (EventKind::ContentRejected, Score::ZERO),
            Refusal::Recipients if sender.is_empty() => (EventKind::RateLimited, Score::ZERO),
            Refusal::Recipients => (EventKind::RateLimited, EventKind::RateLimited.score()),
        };
        self.scores(line, client, kind, score)
    }

    /// `verify rejected: <root> H=(x) [192.0.2.1] (failed to find host name from IP address)`: what is unqualified is as the
    /// client wrote it.
    fn unqualified(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let kind = match before(text, b" ") {
            b"sender" => EventKind::SenderRejected,
            b"verify" => EventKind::ClientRejected,
            _ => EventKind::ProtocolError,
        };
        match client::after_any(text, b"> H=", &[b" ("]) {
            Found::Client(client, _) => self.scores(line, client, kind, Score::tenths(10)),
            Found::Refused => Reading::Refused,
            Found::Nobody => Reading::Unknown,
        }
    }

    /// `(x) [192.0.2.1] (gnutls_handshake): An unexpected TLS packet was received.`
    fn tls_error(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let (client, rest) = match client::at(text, &[b" (", b": "]) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let is_garbage = GARBAGE.iter().any(|words| find(rest, words).is_some());
        let kind = if is_garbage {
            EventKind::BadSession
        } else {
            EventKind::TlsFailure
        };
        let event = self.connections.event(line, client, kind, |session| {
            if session.is_scored {
                Score::ZERO
            } else {
                kind.score()
            }
        });
        Reading::Event(event)
    }

    /// `[192.0.2.1] refused: too many connections from that IP address`.
    fn refused_connection(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let (client, rest) = match client::at(text, &[b" refused: "]) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Reading::Refused,
            Found::Nobody => return Reading::Unknown,
        };
        let (_, rest) = Fields::read(rest);
        let score = if rest.ends_with(b"from that IP address") {
            EventKind::RateLimited.score()
        } else {
            // The server is busy.
            Score::ZERO
        };
        self.scores(line, client, EventKind::RateLimited, score)
    }

    /// `plain authenticator failed for (x) [192.0.2.1]: 535 Incorrect authentication data (set_id=joe)`.
    fn authenticator(&mut self, line: &Line<'_>, text: &[u8]) -> Option<Reading> {
        /// Longest name of an authenticator.
        const AUTHENTICATOR_MAX: usize = 64;
        let end = text
            .iter()
            .take(AUTHENTICATOR_MAX)
            .position(|&byte| byte == b' ')?;
        let rest = text[end..].strip_prefix(b" authenticator failed for ")?;
        let (client, rest) = match client::at(rest, &[b": 4", b": 5"]) {
            Found::Client(client, rest) => (client, rest),
            Found::Refused => return Some(Reading::Refused),
            Found::Nobody => return Some(Reading::Unknown),
        };
        let (_, rest) = Fields::read(rest);
        let Some(answer) = rest.strip_prefix(b": ") else {
            return Some(Reading::Unknown);
        };
        let kind = match answer {
            [b'4', ..] => EventKind::ServerFault,
            [b'5', ..] if starts_with_any(answer, &[b"501 Authentication cancelled"]) => {
                EventKind::AuthAborted
            }
            [b'5', ..] => EventKind::AuthFailure,
            _ => return Some(Reading::Unknown),
        };
        let event = self.connections.event(line, client, kind, |session| {
            session.is_excused |= kind == EventKind::ServerFault;
            kind.score()
        });
        let account = after(answer, b" (set_id=").map(|account| {
            account
                .strip_suffix(b")")
                .unwrap_or(before(account, b"): "))
        });
        Some(Reading::Event(Event {
            account: account.and_then(name),
            ..event
        }))
    }

    fn from(&mut self, line: &Line<'_>, text: &[u8], tails: &[&[u8]], kind: EventKind) -> Reading {
        match client::at(text, tails) {
            Found::Client(client, _) => self.scores(line, client, kind, kind.score()),
            Found::Refused => Reading::Refused,
            Found::Nobody => Reading::Unknown,
        }
    }

    fn weighs_nothing(
        &mut self,
        line: &Line<'_>,
        text: &[u8],
        tails: &[&[u8]],
        kind: EventKind,
    ) -> Reading {
        match client::at(text, tails) {
            Found::Client(client, _) => self.scores(line, client, kind, Score::ZERO),
            Found::Refused => Reading::Refused,
            Found::Nobody => Reading::Unknown,
        }
    }

    fn scores(
        &mut self,
        line: &Line<'_>,
        client: Client,
        kind: EventKind,
        score: Score,
    ) -> Reading {
        Reading::Event(self.connections.event(line, client, kind, |_| score))
    }
}

/// Beginnings of other protocols: HTTP's methods, TLS records of a handshake.
const FOREIGN: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b"PUT ",
    b"CONNECT ",
    b"OPTIONS ",
    b"PROPFIND ",
    b"PRI * HTTP/",
    b"\\026\\003",
    b"Host: ",
    b"User-Agent: ",
    b"SSH-",
];

/// What TLS libraries say of bytes that are no TLS.
const GARBAGE: &[&[u8]] = &[
    b"An unexpected TLS packet was received",
    b"A packet with illegal or unsupported version was received",
    b"wrong version number",
    b"http request",
    b"https proxy request",
];
