//! Cyrus: its IMAP, POP3, LMTP and ManageSieve servers, 2.x to 3.12.
//!
//! Shapes are those of `imapd.c`, `pop3d.c`, `lmtpengine.c`, `timsieved/parser.c`, `loginlog.c` and `master/service.c`. The client stands
//! first in a line, as `NAME [ADDRESS]`; users' names follow it.

mod fields;

use self::fields::Fields;
use super::{
    Dialect, Interpreter, Line, Reading,
    address::{bracketed, host, leading},
    text::{before, split_last, starts_with_any},
};
use crate::event::{EventKind, Score, Service};

/// Cyrus.
pub(super) const DIALECT: Dialect = Dialect {
    name: "cyrus",
    speaks: |program| service(program).is_some(),
    bare_program: Some(b"imap"),
    start: || Box::new(Cyrus),
};

struct Cyrus;

/// The service of a program: `cyrus/imaps` or, where no prefix is configured, `imaps`.
fn service(program: &[u8]) -> Option<Service> {
    let own = program
        .strip_prefix(b"cyrus/")
        .or_else(|| program.strip_prefix(b"cyrus-imapd/"));
    match own.unwrap_or(program) {
        b"imap" | b"imaps" | b"imapd" | b"imapds" => Some(Service::Imap),
        b"pop3" | b"pop3s" | b"pop3d" => Some(Service::Pop),
        b"sieve" | b"timsieved" | b"managesieve" => Some(Service::Sieve),
        b"lmtp" | b"lmtpunix" | b"lmtpd" => Some(Service::Smtp),
        _ => own.map(|_| Service::Imap),
    }
}

/// Lines that say nothing about what a client does.
const SILENT: &[&[u8]] = &[
    b"Connection reset by peer",
    b"DIGEST-MD5 ",
    b"Delivered: ",
    b"Expunged ",
    b"Fatal error: ",
    b"GSSAPI ",
    b"NTLM ",
    b"SQUAT ",
    b"SSL_",
    b"TLS server engine",
    b"USAGE ",
    b"about to exec",
    b"accepted connection",
    b"auditlog: ",
    b"checkpointing ",
    b"client id",
    b"connection to ",
    b"couldn't ",
    b"counts: ",
    b"created ",
    b"cyrusdb",
    b"decompressed ",
    b"deleting ",
    b"dupelim: ",
    b"duplicate_",
    b"entered ",
    b"executed",
    b"exiting",
    b"fetching ",
    b"idle for too long",
    b"idling",
    b"inittls: ",
    b"lmtp connection preauth",
    b"login.magic",
    b"mystore: ",
    b"no cyrus ",
    b"open: ",
    b"process ",
    b"purged ",
    b"ready for work",
    b"reused ",
    b"seen_db: ",
    b"service ",
    b"signaled to",
    b"skiplist: ",
    b"sql_select",
    b"starting ",
    b"starttls: ",
    b"telling master",
    b"timed out",
    b"twoskip: ",
    b"unable to ",
    b"user ",
    b"verify error",
    b"warning: ",
    b"graceful shutdown",
];

impl Interpreter for Cyrus {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let text = line.message;
        let Some(service) = service(line.program) else {
            return Reading::Unknown;
        };
        if let Some(rest) = text.strip_prefix(b"badlogin: ") {
            return failure(line, service, rest);
        }
        if let Some(rest) = text.strip_prefix(b"login: ") {
            return success(line, service, rest);
        }
        if text.starts_with(b"event=") {
            return event(line, service);
        }
        if let Some(rest) = after_tls_failure(text) {
            return match host(rest) {
                Some((address, [])) => line.told(EventKind::TlsFailure, service, address),
                _ => Reading::Unknown,
            };
        }
        if let Some(rest) = text.strip_prefix(b"refused connection from ") {
            let client = host(rest).or_else(|| leading(rest));
            return match client {
                Some((address, [])) => Reading::Event(
                    line.event_of(EventKind::ClientRejected, service, address)
                        .with_score(Score::ZERO),
                ),
                // By name.
                _ => Reading::Ignored,
            };
        }
        if starts_with_any(text, &[b"DBERROR", b"IOERROR", b"LOCKERROR", b"FATAL"]) {
            return line.fault(service);
        }
        if starts_with_any(text, SILENT)
            || line.program.starts_with(b"cyrus/") && is_tool(line.program)
        {
            return Reading::Ignored;
        }
        Reading::Unknown
    }
}

/// Programs of Cyrus that serve no client.
fn is_tool(program: &[u8]) -> bool {
    let name = program.strip_prefix(b"cyrus/").unwrap_or(program);
    !matches!(
        name,
        b"imap"
            | b"imaps"
            | b"imapd"
            | b"pop3"
            | b"pop3s"
            | b"pop3d"
            | b"sieve"
            | b"timsieved"
            | b"managesieve"
    )
}

/// What follows `imaps TLS negotiation failed: `, `STARTTLS negotiation failed: `...
fn after_tls_failure(text: &[u8]) -> Option<&[u8]> {
    const HEADS: &[&[u8]] = &[
        b"STARTTLS negotiation failed: ",
        b"TLS negotiation failed: ",
        b"imaps TLS negotiation failed: ",
        b"pop3s TLS negotiation failed: ",
        b"nntps TLS negotiation failed: ",
        b"https TLS negotiation failed: ",
    ];
    HEADS.iter().find_map(|head| text.strip_prefix(*head))
}

/// `NAME [ADDRESS] plaintext USER SASL(-13): ...`, `NAME [ADDRESS] MECHANISM [SASL(-13): ...]`, `NAME [ADDRESS] MECHANISM (USER) [...]`.
fn failure(line: &Line<'_>, service: Service, text: &[u8]) -> Reading {
    // lmtpd names sockets of this host so.
    if text.starts_with(b"[unix socket]") {
        return Reading::Ignored;
    }
    // lmtpd's older versions write the address alone.
    let client = host(text).or_else(|| leading(text));
    let Some((address, rest)) = client else {
        return Reading::Unknown;
    };
    let Some(rest) = rest.strip_prefix(b" ") else {
        return Reading::Unknown;
    };
    let mechanism = before(rest, b" ");
    let after_mechanism = &rest[(mechanism.len() + 1).min(rest.len())..];
    if [rest, after_mechanism]
        .into_iter()
        .any(|text| bracketed(text).is_some())
    {
        return Reading::Refused;
    }
    let rest = after_mechanism;
    let (user, error) = if mechanism.eq_ignore_ascii_case(b"plaintext") {
        match split_last(rest, b" SASL(") {
            Some((user, error)) => (user, error),
            None => (before(rest, b" "), b"".as_slice()),
        }
    } else if let Some(inside) = rest.strip_prefix(b"(") {
        split_last(inside, b") [").unwrap_or((b"", inside))
    } else {
        (b"".as_slice(), rest)
    };
    let (kind, score) = reason(error);
    let event = line.event_of(kind, service, address).with_score(score);
    Reading::Event(event.with_account(user))
}

/// What an error says: a code of SASL, `SASL(-13): ...` or `-13): ...`, or words. What follows the code may repeat the user's name.
fn reason(error: &[u8]) -> (EventKind, Score) {
    let error = error.strip_prefix(b"[").unwrap_or(error);
    let error = error.strip_prefix(b"SASL(").unwrap_or(error);
    let kind = match before(error, b")") {
        // SASL_FAIL, SASL_NOMEM, SASL_TRYAGAIN, SASL_UNAVAIL.
        b"-1" | b"-2" | b"-8" | b"-24" => EventKind::ServerFault,
        // SASL_NOMECH, SASL_TOOWEAK, SASL_ENCRYPT.
        b"-4" | b"-15" | b"-16" => EventKind::AuthNotOffered,
        // SASL_BADPROT: also a client that breaks off.
        b"-5" => EventKind::AuthAborted,
        _ if starts_with_any(error, &[b"generic failure", b"System I/O error"]) => {
            EventKind::ServerFault
        }
        _ => EventKind::AuthFailure,
    };
    (kind, kind.score())
}

/// `NAME [ADDRESS] USER MECHANISM+TLS User logged in SESSIONID=<...>`. Users of some domains are written with blanks.
fn success(line: &Line<'_>, service: Service, text: &[u8]) -> Reading {
    if text.starts_with(b"[unix socket]") {
        return Reading::Ignored;
    }
    let Some((address, [b' ', rest @ ..])) = host(text).or_else(|| leading(text)) else {
        return Reading::Unknown;
    };
    let user = before(rest, b" ");
    let event = line.event_of(EventKind::AuthSuccess, service, address);
    Reading::Event(event.with_account(user))
}

/// `event=login.bad r.clienthost="NAME [ADDRESS]" u.username=joe login.mech=PLAIN error="..."`, since 3.12.
fn event(line: &Line<'_>, service: Service) -> Reading {
    let mut fields = Fields(line.message);
    let kind = match fields.next() {
        Some((b"event", b"login.bad")) => EventKind::AuthFailure,
        Some((b"event", b"login.good")) => EventKind::AuthSuccess,
        _ => return Reading::Ignored,
    };
    let (mut address, mut user, mut score) = (None, b"".as_slice(), kind.score());
    let mut kind = kind;
    while let Some((name, value)) = fields.next() {
        match name {
            b"r.clienthost" if address.is_some() => return Reading::Refused,
            b"r.clienthost" => match host(value).or_else(|| bracketed(value)) {
                Some((found, [])) => address = Some(found),
                _ => return Reading::Ignored,
            },
            b"u.username" => user = value,
            b"login.anonymous" => (kind, score) = (EventKind::Connect, Score::ZERO),
            b"error" if kind != EventKind::AuthSuccess => (kind, score) = reason(value),
            _ => {}
        }
    }
    // What is left over is of no known shape.
    let (Some(address), true) = (address, fields.0.is_empty()) else {
        return Reading::Unknown;
    };
    let event = line.event_of(kind, service, address).with_score(score);
    Reading::Event(event.with_account(user))
}
