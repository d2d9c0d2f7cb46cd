//! Why a login process let a client go: `(auth failed, 2 attempts in 6 secs)`, and 2.4's word after it, `(auth_failed)`.

use super::{
    super::text::{after, find, starts_with},
    number,
};
use crate::event::{EventKind, Score};

/// What a reason says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reason {
    /// What happened.
    pub(super) kind: EventKind,
    /// What one such attempt weighs.
    pub(super) score: Score,
    /// How many attempts there were.
    pub(super) attempts: i16,
}

/// Reasons by how they begin. Those that are the server's trouble, or a policy's, weigh nothing; nor does a connection on
/// which nothing was tried.
const REASONS: &[(&[u8], EventKind, bool)] = &[
    (b"auth failed", EventKind::AuthFailure, true),
    (b"authorization failed", EventKind::AuthFailure, true),
    (b"proxy dest auth failed", EventKind::AuthFailure, true),
    (
        b"proxy dest authentication failure",
        EventKind::AuthFailure,
        true,
    ),
    (b"proxy dest ", EventKind::ServerFault, false),
    (
        b"sent invalid base64 in response",
        EventKind::AuthFailure,
        true,
    ),
    (b"user disabled", EventKind::AuthFailure, true),
    // The password was right.
    (b"password expired", EventKind::AuthFailure, false),
    (b"login disabled", EventKind::AuthFailure, false),
    (b"tried to use ", EventKind::AuthNotOffered, true),
    (b"cleartext auth", EventKind::AuthNotOffered, true),
    (
        b"anonymous logins disabled",
        EventKind::AuthNotOffered,
        true,
    ),
    (b"client didn't finish ", EventKind::AuthAborted, true),
    (b"auth aborted by client", EventKind::AuthAborted, true),
    (b"aborted authentication", EventKind::AuthAborted, true),
    (
        b"disconnected while authenticating",
        EventKind::AuthAborted,
        true,
    ),
    (
        b"disconnected while finishing login",
        EventKind::LostConnection,
        false,
    ),
    (b"no auth attempts", EventKind::LostConnection, false),
    (
        b"disconnected before auth was ready",
        EventKind::LostConnection,
        false,
    ),
    (
        b"disconnected before greeting",
        EventKind::LostConnection,
        false,
    ),
    (
        b"disconnected during TLS handshake",
        EventKind::TlsFailure,
        false,
    ),
    (b"cert required", EventKind::TlsFailure, false),
    (b"client sent an ", EventKind::TlsFailure, false),
    (b"client didn't send a cert", EventKind::TlsFailure, false),
    (b"connection limit reached", EventKind::RateLimited, true),
    (b"auth referral", EventKind::Disconnect, false),
    (
        b"auth service reported temporary failure",
        EventKind::ServerFault,
        false,
    ),
    (
        b"auth process communication failure",
        EventKind::ServerFault,
        false,
    ),
    (b"internal failure", EventKind::ServerFault, false),
    (
        b"client_limit and process_limit",
        EventKind::ServerFault,
        false,
    ),
    (b"The process is shutting", EventKind::ServerFault, false),
];

/// What Dovecot says before the reason, by how it begins; for what it lets go without one, and where this says more.
const HEADS: &[(&[u8], EventKind, bool)] = &[
    (
        b"Maximum number of connections from user+IP",
        EventKind::RateLimited,
        true,
    ),
    (b"Connection queue full", EventKind::ServerFault, false),
    (b"Internal login failure", EventKind::ServerFault, false),
    (b"Internal auth failure", EventKind::ServerFault, false),
    (b"Auth process", EventKind::ServerFault, false),
    (b"Shutting down", EventKind::ServerFault, false),
    (b"Timeout while finishing", EventKind::ServerFault, false),
    (b"TLS initialization failed", EventKind::ServerFault, false),
];

/// How Dovecot begins to say that a client is gone.
const GONE: &[&[u8]] = &[
    b"Disconnected",
    b"Aborted login",
    b"Login aborted",
    b"Client has quit the connection",
    b"Remote closed connection",
    b"Connection closed",
    b"Logged out",
    b"Internal login failure",
    b"Internal auth failure",
    b"Shutting down",
    b"Timeout while finishing login",
    b"Auth process broken",
];

/// What `head`, the program's words before the fields of the client, says of a client that is gone.
pub(super) fn read(head: &[u8]) -> Option<Reason> {
    let gone = GONE.iter().find(|gone| starts_with(head, gone))?;
    let words = head[gone.len()..]
        .strip_prefix(b": ")
        .unwrap_or(&head[gone.len()..]);
    let words = words.strip_prefix(b"Disconnected: ").unwrap_or(words);
    if let Some(reason) = of_http(head) {
        return Some(reason);
    }
    let by_head = HEADS
        .iter()
        .find(|(text, ..)| starts_with(words, text) || starts_with(head, text));
    if let Some(&(_, kind, weighs)) = by_head {
        return Some(reason(kind, weighs, 1));
    }
    let (found, text) = found(head)?;
    let Some(&(text_of, kind, weighs)) = found else {
        return Some(reason(EventKind::LostConnection, false, 0));
    };
    if text_of == b"no auth attempts" && words.starts_with(b"Too many ") {
        return Some(reason(EventKind::TooManyErrors, true, 1));
    }
    if !weighs && find(head, b"SSL_accept").is_some() {
        return Some(reason(EventKind::TlsFailure, false, 0));
    }
    Some(reason(kind, weighs, attempts(text)))
}

type Row = (&'static [u8], EventKind, bool);

/// The last group in parentheses that is a known reason; `None` inside if there is none at all.
fn found(head: &[u8]) -> Option<(Option<&'static Row>, &[u8])> {
    const GROUPS_MAX: usize = 3;
    let mut rest = head;
    for _ in 0..GROUPS_MAX {
        let Some(inside) = rest.strip_suffix(b")") else {
            break;
        };
        let at = memchr::memrchr(b'(', inside)?;
        let text = &inside[at + 1..];
        let row = REASONS
            .iter()
            .find(|(reason, ..)| starts_with(text, reason));
        if row.is_some() {
            return Some((row, text));
        }
        rest = inside[..at].strip_suffix(b" ").unwrap_or(&inside[..at]);
    }
    Some((None, b""))
}

/// `auth failed, 3 attempts in 16 secs`; with successes on the same connection, `auth failed, 1/3 successful auths in 9 secs`.
fn attempts(text: &[u8]) -> i16 {
    let Some(rest) = after(text, b", ") else {
        return 1;
    };
    let Some(first) = number(rest) else {
        return 1;
    };
    if let Some(of) = after(rest, b"/").and_then(number)
        && find(rest, b" successful auths").is_some()
    {
        return of.saturating_sub(first).max(1);
    }
    match find(rest, b" attempts").is_some_and(|at| at <= 6) {
        true => first.max(1),
        false => 1,
    }
}

/// OpenSSL knows a request of HTTP when it sees one.
fn of_http(head: &[u8]) -> Option<Reason> {
    let tls = after(head, b"SSL_accept() failed: error:")?;
    let is_http = find(tls, b":http request").or_else(|| find(tls, b":https proxy request"));
    is_http.map(|_| reason(EventKind::NonSmtp, true, 1))
}

fn reason(kind: EventKind, weighs: bool, attempts: i16) -> Reason {
    Reason {
        kind,
        score: if weighs { kind.score() } else { Score::ZERO },
        attempts,
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[track_caller]
    fn check(head: &str, expected: Option<(&str, f64, i16)>) {
        let told =
            read(head.as_bytes()).map(|it| (it.kind.as_str(), it.score.as_f64(), it.attempts));
        assert_eq!(told, expected, "{head}");
    }

    #[test]
    fn attempts_are_counted() {
        check(
            "Disconnected (auth failed, 2 attempts)",
            Some(("auth-failure", 1.0, 2)),
        );
        check(
            "Login aborted: Logged out (auth failed, 3 attempts in 9 secs) (auth_failed)",
            Some(("auth-failure", 1.0, 3)),
        );
        check(
            "Login aborted: Logged out (auth failed, 1/3 successful auths in 9 secs) (auth_failed)",
            Some(("auth-failure", 1.0, 2)),
        );
        check(
            "Disconnected (auth failed, 99999999 attempts)",
            Some(("auth-failure", 1.0, 1)),
        );
        check(
            "Disconnected (client didn't finish SASL auth, waited 9 secs)",
            Some(("auth-aborted", 1.0, 1)),
        );
    }

    #[test]
    fn what_is_no_end_of_a_session_says_nothing() {
        check("Login", None);
        check("x (auth failed, 1 attempts)", None);
        check("Disconnected)", None);
        check("Disconnected", Some(("lost-connection", 0.0, 0)));
    }
}
