//! Sendmail 8: what its daemons say about clients, through any syslog.
//!
//! Shapes are those of `srvrsmtp.c`, `collect.c`, `envelope.c`, `deliver.c`, `milter.c`, `tls.c` and `daemon.c`. A process serves
//! one client, so lines that name none are joined by process and by queue id: the address of `<x@y>... User unknown` stands
//! on the `from=` line of the same message, or on an earlier line of the connection.

mod client;
mod envelope;
mod ruleset;
mod session;
mod smtp;

use self::session::Connections;
use super::{
    Dialect, Interpreter, Line, Reading,
    text::{after, starts_with_any},
};
use crate::event::{EventKind, Service};

/// Sendmail.
pub(super) const DIALECT: Dialect = Dialect {
    name: "sendmail",
    speaks,
    bare_program: None,
    start: || Box::new(Sendmail::default()),
};

#[derive(Default)]
struct Sendmail {
    connections: Connections,
}

/// `sendmail`, `sm-mta`, `sm-msp-queue`, `sm-acceptingconnections`, `MSP`.
fn speaks(program: &[u8]) -> bool {
    match program.strip_prefix(b"sendmail") {
        Some(rest) => matches!(rest, b"" | b".sendmail") || rest.starts_with(b"-"),
        None => starts_with_any(program, &[b"sm-", b"MSP", b"sm_"]),
    }
}

impl Interpreter for Sendmail {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let (queue_id, text) = after_queue_id(line.message);
        let then = |head: &[u8]| text.strip_prefix(head);
        match text.first() {
            Some(b'r') => {
                if let Some(rest) = then(b"ruleset=") {
                    return self.ruleset(line, rest);
                }
                if let Some(rest) = then(b"rejecting ") {
                    return self.rejecting(line, rest);
                }
            }
            Some(b'f') => {
                if let Some(rest) = then(b"from=") {
                    return self.from(line, queue_id, rest);
                }
            }
            Some(b't') => {
                if let Some(rest) = then(b"to=") {
                    return self.to(line, queue_id, rest);
                }
                if let Some(rest) = then(b"timeout waiting for input from ") {
                    return self.lost(line, rest, b" during server ");
                }
            }
            Some(b'l') => {
                if let Some(rest) = then(b"lost input channel from ") {
                    return self.lost(line, rest, b" to ");
                }
            }
            Some(b'A' | b'S') => {
                if let Some(reading) = self.login(line, text) {
                    return reading;
                }
                if let Some(rest) = then(b"STARTTLS=") {
                    return self.starttls(line, rest);
                }
                if let Some(rest) = then(b"SMTP connect from ") {
                    return self.connect(line, rest, b" (");
                }
                if let Some(rest) = then(b"SYSERR(") {
                    return match after(&rest[..rest.len().min(64)], b"): collect: ") {
                        Some(_) => self.collect(
                            line,
                            queue_id,
                            after(rest, b"): collect: ").unwrap_or_default(),
                        ),
                        None => fault(line),
                    };
                }
            }
            Some(b'c') => {
                if let Some(rest) = then(b"connect from ") {
                    return self.connect(line, rest, b" ");
                }
                if let Some(rest) = then(b"collect: ") {
                    return self.collect(line, queue_id, rest);
                }
            }
            Some(b'i') => {
                if let Some(rest) = then(b"invalid domain name (") {
                    return self.invalid_helo(line, rest);
                }
            }
            Some(b'M') => {
                if let Some(rest) = then(b"Milter: ") {
                    return self.milter(line, queue_id, rest);
                }
                if text.starts_with(b"Milter (") && is_milter_fault(text) {
                    return fault(line);
                }
            }
            Some(b'P') => {
                if let Some(rest) = then(b"POSSIBLE ATTACK from ") {
                    return self.weighs(line, rest, b": ", EventKind::ProtocolError);
                }
            }
            Some(b'<') => return self.recipient(line, queue_id, text),
            Some(b'"') => return self.bogus_command(line, text),
            _ => {}
        }
        if starts_with_any(text, SILENT) {
            return Reading::Ignored;
        }
        if starts_with_any(text, FAULTS) {
            return fault(line);
        }
        if let Some(reading) = self.client_first(line, text) {
            return reading;
        }
        if queue_id.is_empty() {
            return Reading::Unknown;
        }
        self.of_message(line, queue_id, text)
    }
}

fn fault(line: &Line<'_>) -> Reading {
    Reading::Event(line.event(EventKind::ServerFault, Service::Smtp))
}

/// `Milter (clamav): error connecting to filter: ...`, `Milter (clamav): to error state`.
fn is_milter_fault(text: &[u8]) -> bool {
    const FAULTS: &[&[u8]] = &[b"error", b"timeout", b"cannot ", b"unknown "];
    let what = after(text, b"): ").unwrap_or_default();
    starts_with_any(what, FAULTS) || what.ends_with(b"error state")
}

/// Takes a queue id and its colon off the front (`6ALH9lEu000052: `, `NOQUEUE: `): eight characters of time and number, then
/// the process in at least five digits. What sendmail cuts in pieces has a number after the id (`6ALH9lEu000052[2]: `), and is
/// not read: a piece may end where its author likes.
fn after_queue_id(message: &[u8]) -> (&[u8], &[u8]) {
    if let Some(rest) = message.strip_prefix(b"NOQUEUE: ") {
        return (b"", rest);
    }
    let length = message
        .iter()
        .take(24)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let (id, rest) = message.split_at(length);
    let is_id = length >= 12 && id[length - 5..].iter().all(u8::is_ascii_digit);
    match rest {
        [b':', b' ', rest @ ..] if is_id => (id, rest),
        _ => (b"", message),
    }
}

/// Lines that say nothing about what a client does.
const SILENT: &[&[u8]] = &[
    b"--- ",
    b"<-- ",
    b"AUTH: ",
    b"AUTH error ",
    b"AUTH warning",
    b"AUTH=client",
    b"Authentication-Warning: ",
    b"ETRN ",
    b"Milter ",
    b"SASL ",
    b"Too many recipients",
    b"accepting connections again",
    b"alias ",
    b"clone",
    b"discarded",
    b"dropenvelope",
    b"engine=",
    b"forward ",
    b"gethostbyaddr(",
    b"grew WorkList",
    b"makeconnection",
    b"message size ",
    b"milter=",
    b"poststats: ",
    b"quarantine",
    b"restarting ",
    b"return to sender: ",
    b"runqueue: ",
    b"done; ",
    b"starting daemon ",
    b"started as: ",
    b"stopping daemon",
    b"tls_clt_features",
    b"tls_srv_features",
    b"xconnect",
];

/// Lines of a server that cannot do its work.
const FAULTS: &[&[u8]] = &[
    b"Losing ",
    b"NOQUEUE: low on ",
    b"daemon ",
    b"deferring connections ",
    b"error: ",
    b"fill_fd",
    b"getla",
    b"internal error",
    b"low on space",
    b"opendaemonsocket",
    b"problem creating SMTP socket",
    b"rejecting connections on daemon ",
    b"unable to ",
];
