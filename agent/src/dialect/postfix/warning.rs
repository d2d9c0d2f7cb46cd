//! What smtpd warns of: `warning: unknown[192.0.2.1]: SASL LOGIN authentication failed: ...` and others.

use super::super::text::{after, before, starts_with_any};
use crate::event::{EventKind, Score};

/// How a login ended that did not succeed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Login<'a> {
    /// What the client sent is wrong.
    Failed { account: Option<&'a [u8]> },
    /// The client broke it off.
    Aborted,
    /// The client asked for a way to log in that there is not. It may go on with another.
    NoMechanism,
    /// The server could not tell.
    Fault,
}

/// Reads what follows the client's `: SASL `.
pub(super) fn login(text: &[u8]) -> Option<Login<'_>> {
    // The mechanism is a word, of the client's choice.
    let end = text.iter().position(|&byte| byte == b' ')?;
    let rest = text[end..].strip_prefix(b" authentication ")?;
    if rest.starts_with(b"aborted") {
        return Some(Login::Aborted);
    }
    let rest = rest.strip_prefix(b"failed:")?;
    let reason = rest.strip_prefix(b" ").unwrap_or(rest);
    if starts_with_any(reason, SERVER_FAULTS) {
        return Some(Login::Fault);
    }
    // Cyrus SASL says it with words of its own.
    if starts_with_any(
        reason,
        &[
            b"Invalid authentication mechanism",
            b"no mechanism available",
        ],
    ) {
        return Some(Login::NoMechanism);
    }
    let account = after(reason, b", sasl_username=").filter(|name| *name != b"(unavailable)");
    Some(Login::Failed { account })
}

/// A warning with the client after it: what it means, and what the client begins.
pub(super) fn from_client(text: &[u8]) -> Option<(EventKind, Score, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"non-SMTP command from ") {
        return Some((EventKind::NonSmtp, EventKind::NonSmtp.score(), rest));
    }
    if let Some(rest) = text.strip_prefix(b"Illegal address syntax from ") {
        // Some mailing lists have such senders: less than a broken order of commands.
        return Some((EventKind::ProtocolError, Score::tenths(10), rest));
    }
    if let Some(rest) = REFUSED.iter().find_map(|head| text.strip_prefix(*head)) {
        return Some((EventKind::ServerFault, Score::ZERO, rest));
    }
    // anvil's limits: `Connection rate limit exceeded: 31 from NAME[ADDRESS] for service smtpd`.
    let limit = before(&text[..text.len().min(64)], b": ");
    if !limit.ends_with(b" limit exceeded") {
        return None;
    }
    let count = text[limit.len()..].strip_prefix(b": ")?;
    let rest = after(count, b" from ")?;
    let digits = &count[..count.len() - rest.len() - b" from ".len()];
    let is_count = digits.iter().all(u8::is_ascii_digit);
    is_count.then(|| (EventKind::RateLimited, EventKind::RateLimited.score(), rest))
}

/// Sessions that the server cannot serve with TLS as it should.
const REFUSED: &[&[u8]] = &[
    b"Refusing STARTTLS request from ",
    b"Refusing TLS service request from ",
    b"Wrapper-mode request dropped from ",
];

/// Reasons that are the server's (Dovecot's and Cyrus SASL's words).
const SERVER_FAULTS: &[&[u8]] = &[
    b"Connection lost to authentication server",
    b"Temporary authentication failure",
    b"Internal authentication",
    b"generic failure",
    b"cannot connect to ",
    b"invalid parameter supplied",
    b"Internal Error",
    b"remote authentication server unavailable",
    b"service unavailable",
];

/// Warnings that a client cannot cause, or that say nothing about one.
const SILENT: &[&[u8]] = &[
    b"SASL authentication ",
    b"bad ETRN ",
    b"bad IPv4 client address syntax from proxy: ",
    b"bad IPv6 client address syntax from proxy: ",
    b"bad TCP client port number syntax from proxy: ",
    b"haproxy read: ",
    b"Unable to look up ",
    b"malformed domain name in resource data of ",
    b"TLS library problem: ",
    b"network_biopair_interop: ",
    b"reject: ETRN ",
    b"dict_",
    b"database ",
    b"table ",
    b"support for ",
    b"using backwards-compatible ",
    b"numeric domain name ",
    b"valid_hostname: ",
    b"bad command startup ",
    b"TLS SNI ",
];

/// Warnings of a server that cannot do its work.
const FAULTS: &[&[u8]] = &[
    b"SASL: Connect to ",
    b"SASL per-connection ",
    b"connect to ",
    b"connect #",
    b"milter ",
    b"premature end-of-input on ",
    b"private/",
    b"problem talking to ",
    b"process ",
    b"proxy ",
    b"timeout on ",
    b"unable to ",
    b"cannot get ",
    b"access to SASL ",
    b"lost connection with ",
    b"no mechanism",
    b"dns_",
    b"psc_",
    b"do not list domain ",
    b"mail_queue_enter: ",
    b"not enough free space ",
    b"open ",
    b"read ",
    b"write ",
    b"service ",
    b"unknown smtpd restriction",
    b"unknown address verification status ",
    b"restriction ",
    b"access table ",
    b"check_policy_service: ",
    b"don't know ",
    b"malformed UTF-8 in policy server ",
    b"mapping DSN status ",
    b"received garbage from proxy ",
    b"timeout talking to ",
    b"milter_",
    b"rbl response code configuration error",
    b"See earlier parsing error ",
    b"SMTP reply code configuration error",
    b"DSN detail code configuration error",
    b"xsasl_",
];

/// What a warning without a client is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Clientless {
    Silent,
    Fault,
    Unknown,
}

pub(super) fn clientless(text: &[u8]) -> Clientless {
    if starts_with_any(text, SILENT) {
        Clientless::Silent
    } else if starts_with_any(text, FAULTS) || is_lookup_error(text) {
        Clientless::Fault
    } else {
        Clientless::Unknown
    }
}

/// `1.2.0.192.bl.example: RBL lookup error: ...`, and the like for other names that were looked up.
fn is_lookup_error(text: &[u8]) -> bool {
    const ERRORS: &[&[u8]] = &[
        b": RBL lookup error: ",
        b": TXT lookup error: ",
        b": MX or address lookup error: ",
        b": address or MX lookup error: ",
    ];
    let name = before(&text[..text.len().min(512)], b" ");
    let Some(name) = name.strip_suffix(b":") else {
        return false;
    };
    starts_with_any(&text[name.len()..], ERRORS)
}

/// Whether `TLS library problem: ` tells of bytes that are no TLS at all. The text is OpenSSL's.
pub(super) fn is_tls_garbage(text: &[u8]) -> bool {
    const GARBAGE: &[&[u8]] = &[
        b"wrong version number",
        b"http request",
        b"https proxy request",
    ];
    let Some(text) = text.strip_prefix(b"TLS library problem: ") else {
        return false;
    };
    text.split(|&byte| byte == b':')
        .any(|part| GARBAGE.contains(&part))
}

/// The literal in `hostname NAME does not resolve to address LITERAL[: REASON]`, or in what older versions write.
pub(super) fn unresolved(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"hostname ") {
        // The name is from DNS and holds no blank.
        let end = rest.iter().position(|&byte| byte == b' ')?;
        let rest = rest[end..].strip_prefix(b" does not resolve to address ")?;
        return Some(before(rest, b": "));
    }
    let literal = before(&text[..text.len().min(48)], b": ");
    let rest = text.get(literal.len()..)?;
    let is_old = rest.starts_with(b": hostname ") || rest.starts_with(b": address not listed for ");
    is_old.then_some(literal)
}
