//! Courier: its IMAP and POP3 servers (courier-imap), and its ESMTP server.
//!
//! Shapes are those of courier-imap's `imaplogin.c`, `pop3login.c`, `pop3dserver.c` and `imapd.c`, of `tcpd.c` and `tlsc.c`, and of
//! Courier's `courieresmtpd.c`. A user's name stands before the address, as it was sent; the address is the last field of that
//! name. What an ESMTP client says stands behind its address.

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::{bracketed, host, leading, literal},
    reply::{self, Stage},
    text::{after, before, find, split_last, starts_with_any},
};
use crate::event::{EventKind, Service};

/// Courier.
pub(super) const DIALECT: Dialect = Dialect {
    name: "courier",
    speaks: |program| service(program).is_some(),
    bare_program: Some(b"imapd"),
    start: || Box::new(Courier),
};

struct Courier;

/// The service of a program, by its tag: `imapd`, `pop3d-ssl`, `courierpop3login`, `courieresmtpd`...
fn service(program: &[u8]) -> Option<Service> {
    let own = program.strip_prefix(b"courier");
    let rest = own.unwrap_or(program);
    let rest = rest.strip_prefix(b"-").unwrap_or(rest);
    let rest = rest.strip_suffix(b"-ssl").unwrap_or(rest);
    let rest = rest.strip_suffix(b"login").unwrap_or(rest);
    match rest {
        b"imapd" | b"imap" => Some(Service::Imap),
        b"pop3d" | b"pop3" => Some(Service::Pop),
        b"esmtpd" | b"esmtpd-msa" => Some(Service::Smtp),
        b"authdaemond" | b"authdaemond.plain" | b"authdaemond.mysql" => Some(Service::Imap),
        b"d" | b"esmtp" | b"local" | b"filter" | b"tls" | b"tcpd" | b"mlm" | b"uucp" | b"dsn" => {
            own.map(|_| Service::Smtp)
        }
        _ => None,
    }
}

impl Interpreter for Courier {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let Some(service) = service(line.program) else {
            return Reading::Unknown;
        };
        if find(line.program, b"authdaemond").is_some() {
            return daemon_of_logins(line);
        }
        match line.program {
            b"courieresmtp" | b"courierlocal" | b"courierfilter" | b"couriermlm"
            | b"courieruucp" | b"courierdsn" => Reading::Ignored,
            b"courierd" => queue(line),
            _ => client(line, service),
        }
    }
}

/// What a server says about its client.
fn client(line: &Line<'_>, service: Service) -> Reading {
    let text = line.message;
    let then = |head: &[u8]| text.strip_prefix(head);
    if let Some(rest) = then(b"LOGIN FAILED, ") {
        return with_user(line, service, EventKind::AuthFailure, rest);
    }
    if let Some(rest) = then(b"LOGIN, ") {
        return with_user(line, service, EventKind::AuthSuccess, rest);
    }
    if let Some(rest) = then(b"Connection, ") {
        return with_user(line, service, EventKind::Connect, rest);
    }
    if let Some(rest) = then(b"LOGOUT, ").or(then(b"DISCONNECTED, ")) {
        return with_user(line, service, EventKind::Disconnect, rest);
    }
    if let Some(rest) = then(b"TIMEOUT, ") {
        return with_user(line, service, EventKind::LostConnection, rest);
    }
    if let Some(rest) = then(b"error,relay=") {
        return esmtp_error(line, rest);
    }
    if let Some(rest) = then(b"started,ip=") {
        return match bracketed(rest) {
            Some((address, [] | [b',', ..])) => line.told(EventKind::Connect, service, address),
            _ => Reading::Unknown,
        };
    }
    if let Some(rest) = then(b"Maximum connection limit reached for ") {
        return match leading(rest) {
            Some((address, [])) => line.told(EventKind::RateLimited, service, address),
            _ => Reading::Unknown,
        };
    }
    if let Some(rest) = then(b"ip=") {
        return match bracketed(rest) {
            Some((address, rest)) if rest.starts_with(b", couriertls: ") => {
                line.told(EventKind::TlsFailure, service, address)
            }
            Some((address, b", Connection")) => line.told(EventKind::Connect, service, address),
            Some((_, [b',', ..])) => Reading::Ignored,
            _ => Reading::Unknown,
        };
    }
    if starts_with_any(
        text,
        &[b"couriertls: ", b"Unexpected SSL connection shutdown"],
    ) {
        return Reading::Event(line.event(EventKind::TlsFailure, service));
    }
    if starts_with_any(
        text,
        &[
            b"authentication error: ",
            b"Authentication daemon ",
            b"chdir ",
            b"Maximum number of ",
            b"Temporary error, ",
            b"ERROR: ",
        ],
    ) {
        return line.fault(service);
    }
    if starts_with_any(
        text,
        &[b"Waiting.", b"Started ", b"id=", b"stopped", b"Restart"],
    ) {
        return Reading::Ignored;
    }
    Reading::Unknown
}

/// `user=joe, ip=[192.0.2.1], port=[4711], protocol=IMAP`, `method=PLAIN, ip=[192.0.2.1]` or `ip=[192.0.2.1]`. A name may hold
/// anything, so it is the last `ip=` that Courier wrote.
fn with_user(line: &Line<'_>, service: Service, kind: EventKind, text: &[u8]) -> Reading {
    let (head, rest) = match text.strip_prefix(b"ip=") {
        Some(rest) if find(rest, b", ip=[").is_none() => (b"".as_slice(), rest),
        _ => match split_last(text, b", ip=") {
            Some(parts) => parts,
            None => return Reading::Unknown,
        },
    };
    let Some((address, rest)) = bracketed(rest) else {
        return Reading::Unknown;
    };
    if !is_end(rest) {
        return Reading::Refused;
    }
    let mut event = line.event_of(kind, service, address);
    if let Some(user) = head.strip_prefix(b"user=") {
        event = event.with_account(user);
    } else if !head.is_empty() && !head.starts_with(b"method=") {
        return Reading::Unknown;
    }
    Reading::Event(event)
}

/// Whether `text` is what Courier writes behind an address: fields `, NAME=VALUE` whose values are numbers, words or in brackets.
fn is_end(text: &[u8]) -> bool {
    text.is_empty()
        || text.strip_prefix(b", ").is_some_and(|fields| {
            let is_part =
                |&byte: &u8| byte.is_ascii_alphanumeric() || b"=, []-_.:+/".contains(&byte);
            fields.iter().all(is_part)
        })
}

/// `IP,from=<a>,to=<b>: 550 User unknown.` or `IP,msg="535 Authentication failed.",cmd: AUTH LOGIN joe`, with a port and the
/// answer of an ident server between them.
fn esmtp_error(line: &Line<'_>, text: &[u8]) -> Reading {
    let end = text.iter().take(64).position(|&byte| byte == b',');
    let Some((address, rest)) = end.and_then(|end| Some((literal(&text[..end])?, &text[end..])))
    else {
        return Reading::Unknown;
    };
    if let Some(message) = after(rest, b",msg=\"") {
        // The ident server's answer may hold it, but cannot hide the other: only the kind is at stake.
        let command = after(message, b"\",cmd: ").unwrap_or_default();
        return esmtp_refusal(line, address, Stage::of(command), message, rest, command);
    }
    // In the addresses Courier replaces `<`, `>` and `:` by blanks.
    let Some(answer) = after(rest, b": ") else {
        return Reading::Unknown;
    };
    let stage = match find(rest, b",to=<") {
        Some(_) => Stage::Rcpt,
        None => Stage::Mail,
    };
    esmtp_refusal(line, address, stage, answer, rest, b"")
}

fn esmtp_refusal(
    line: &Line<'_>,
    address: IpAddr,
    stage: Stage,
    answer: &[u8],
    fields: &[u8],
    command: &[u8],
) -> Reading {
    let Some((kind, score)) = reply::refusal(stage, answer) else {
        return Reading::Ignored;
    };
    let mut event = line
        .event_of(kind, Service::Smtp, address)
        .with_score(score)
        .excused(find(fields, b",from=<>").is_some());
    if let Some(recipient) = after(fields, b",to=<") {
        event = event.with_recipient(before(recipient, b">"));
    }
    if kind == EventKind::AuthFailure {
        // `AUTH LOGIN joe`: Courier adds the name to the command, if it could read it.
        let mut words = command.splitn(3, |&byte| byte == b' ').skip(2);
        if let Some(user) = words.next() {
            event = event.with_account(split_last(user, b" ").map_or(user, |(_, user)| user));
        }
    }
    Reading::Event(event)
}

/// `newmsg,id=ID: dns; HELO (NAME [ADDRESS])`. Blanks in a HELO name are replaced by `_`.
fn queue(line: &Line<'_>) -> Reading {
    let Some(text) = line.message.strip_prefix(b"newmsg,id=") else {
        return Reading::Ignored;
    };
    let Some(text) = after(text, b": dns; ") else {
        return Reading::Ignored;
    };
    match after(text, b" (").and_then(host) {
        Some((address, rest)) if rest == b")" || rest.starts_with(b"),") => {
            line.told(EventKind::MailAccepted, Service::Smtp, address)
        }
        _ => Reading::Ignored,
    }
}

/// The daemon that looks accounts up: its lines name no client.
fn daemon_of_logins(line: &Line<'_>) -> Reading {
    let troubles = [b"failed to connect".as_slice(), b"mysql_", b"ldap_", b"PQ"];
    if starts_with_any(line.message, &troubles) {
        return line.fault(Service::Imap);
    }
    Reading::Ignored
}
