//! What auth and its workers say with `auth_verbose`: `PASSDB(NAME,ADDRESS,<SESSION>): MESSAGE`.
//!
//! The name is the client's; by default Dovecot lets only letters, digits and `.-_@` through (`auth_username_chars`), but that
//! can be switched off. The message may hold the password it gave (`auth_verbose_passwords`). So what Dovecot adds to the name
//! is taken from the right of the parenthesis, and a line in which two could be the closing one is refused.

use super::{
    super::{
        Line, Reading,
        address::{LITERAL_MAX, literal},
        name,
        text::{after, before, find, starts_with_any},
    },
    Level, bracketed, level, of_level,
    told::{Client, Told},
};
use crate::event::{Event, EventKind, Score, Service};

/// Longest name of a passdb.
const PASSDB_MAX: usize = 32;

/// What a message says: failures because of what the client sent weigh, what came of the server or its settings does not.
const MESSAGES: &[(&[u8], EventKind, bool)] = &[
    (b"unknown user", EventKind::AuthFailure, true),
    (b"Unknown user", EventKind::AuthFailure, true),
    (b"user not found", EventKind::AuthFailure, true),
    (b"User not found", EventKind::AuthFailure, true),
    (b"Password mismatch", EventKind::AuthFailure, true),
    (b"password mismatch", EventKind::AuthFailure, true),
    (b"invalid credentials", EventKind::AuthFailure, true),
    (b"Invalid credentials", EventKind::AuthFailure, true),
    (
        b"Authentication failure due to policy server",
        EventKind::AuthFailure,
        true,
    ),
    (b"Authentication failed", EventKind::AuthFailure, true),
    (b"authentication failed", EventKind::AuthFailure, true),
    (b"Login failed", EventKind::AuthFailure, true),
    (
        b"Username character disallowed",
        EventKind::AuthFailure,
        true,
    ),
    (
        b"Username contains disallowed",
        EventKind::AuthFailure,
        true,
    ),
    (
        b"Attempted login with password having illegal chars",
        EventKind::AuthFailure,
        true,
    ),
    (b"Empty username", EventKind::AuthFailure, true),
    (b"empty username", EventKind::AuthFailure, true),
    (b"Empty password", EventKind::AuthFailure, true),
    (b"invalid input", EventKind::AuthFailure, true),
    (b"invalid response", EventKind::AuthFailure, true),
    (b"Invalid ", EventKind::AuthFailure, true),
    (b"pam_acct_mgmt() failed", EventKind::AuthFailure, false),
    (b"pam_", EventKind::ServerFault, false),
    (b"User is disabled", EventKind::AuthFailure, true),
    (b"user is disabled", EventKind::AuthFailure, true),
    (b"user disabled", EventKind::AuthFailure, true),
    (b"User is missing", EventKind::ServerFault, false),
    (b"Password expired", EventKind::AuthFailure, false),
    (b"password expired", EventKind::AuthFailure, false),
    (b"Requested ", EventKind::ServerFault, false),
    (b"Internal auth failure", EventKind::ServerFault, false),
    (b"Request timed out", EventKind::ServerFault, false),
    (b"Request ", EventKind::ServerFault, false),
    (b"Temporary ", EventKind::ServerFault, false),
    (b"temp", EventKind::ServerFault, false),
];

/// What `pam_authenticate()` says when PAM itself does not work (Linux-PAM, OpenPAM).
const PAM_FAULTS: &[&[u8]] = &[
    b"Authentication service cannot retrieve",
    b"Critical error",
    b"Conversation ",
    b"Memory buffer error",
    b"Module is unknown",
    b"Error in service module",
    b"System error",
    b"Symbol not found",
    b"Failed to load module",
    b"General failure",
];

/// What is said without a client, or about one that did nothing wrong.
const SILENT: &[&[u8]] = &[
    b"Connected to ",
    b"auth client ",
    b"auth workers",
    b"cache ",
    b"client in: ",
    b"client out: ",
    b"lookup",
    b"master in: ",
    b"master out: ",
    b"passwd-file ",
    b"query",
    b"Killed with signal",
    b"Loading modules",
    b"Module loaded",
    b"new auth connection",
    b"proxying",
    b"Finished ",
    b"Auth cache ",
    b"SHA1 hash",
];

/// A line of auth after its process, as in syslog.
pub(super) fn read(told: &mut Told, line: &Line<'_>, message: &[u8]) -> Reading {
    let text = without_connections(message);
    if starts_with_any(text, SILENT) {
        return Reading::Ignored;
    }
    let head = &text[..text.len().min(PASSDB_MAX + 1)];
    let Some(open) = find(head, b"(") else {
        return Reading::Unknown;
    };
    let passdb = &text[..open];
    // PAM's own lines have this form too: `pam_unix(dovecot:auth): `.
    let is_passdb = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    if passdb.is_empty() || !passdb.iter().all(is_passdb) {
        return Reading::Unknown;
    }
    match Named::read(&text[open + 1..]) {
        Ok(named) => failure(told, line, passdb, &named, named.rest),
        Err(reading) => reading,
    }
}

/// A line of 2.4 from the inside of its process on: `NAME,ADDRESS,sasl:login)<SESSION>: Info: PASSDB: MESSAGE`.
pub(super) fn read_named(told: &mut Told, line: &Line<'_>, inside: &[u8]) -> Reading {
    let named = match Named::read(inside) {
        Ok(named) => named,
        Err(reading) => return reading,
    };
    let (level, text) = level(named.rest);
    if matches!(level, Level::Debug | Level::Error) {
        return of_level(line, level);
    }
    let (passdb, message) = match find(&text[..text.len().min(PASSDB_MAX)], b": ") {
        Some(end) => (&text[..end], &text[end + 2..]),
        None => (b"".as_slice(), text),
    };
    match failure(told, line, passdb, &named, message) {
        // Some messages name no passdb.
        Reading::Unknown if !passdb.is_empty() => failure(told, line, b"", &named, text),
        reading => reading,
    }
}

fn failure(
    told: &mut Told,
    line: &Line<'_>,
    passdb: &[u8],
    named: &Named<'_>,
    message: &[u8],
) -> Reading {
    if starts_with_any(message, SILENT) {
        return Reading::Ignored;
    }
    let Some((kind, weighs)) = meaning(message) else {
        return Reading::Unknown;
    };
    // No line says for which service; programs beside Dovecot's own (Postfix, Exim) ask for a login without a session.
    let service = match named.client.session {
        b"" => Service::Smtp,
        _ => Service::Imap,
    };
    let client = &named.client;
    let mut event = Event {
        kind,
        score: Score::ZERO,
        address: client.address,
        account: name(client.account).filter(|account| **account != *"?"),
        ..line.event(kind, service)
    };
    if weighs {
        let (session, is_again) = told.by_auth(line, client, passdb, event.at);
        event.session = Some(session);
        if !is_again {
            event.score = kind.score();
        }
    }
    Reading::Event(event)
}

fn meaning(message: &[u8]) -> Option<(EventKind, bool)> {
    if let Some(why) = message.strip_prefix(b"pam_authenticate() failed: ") {
        return Some(match starts_with_any(why, PAM_FAULTS) {
            true => (EventKind::ServerFault, false),
            false => (EventKind::AuthFailure, true),
        });
    }
    let row = MESSAGES.iter().find(|(text, ..)| message.starts_with(text));
    row.map(|&(_, kind, weighs)| (kind, weighs))
}

/// Takes off what a worker says of its connections: `conn unix:auth-worker (pid=27359,uid=97): auth-worker<55>: `.
fn without_connections(message: &[u8]) -> &[u8] {
    let mut text = message;
    if text.starts_with(b"conn ")
        && let Some(rest) = after(text, b"): ")
    {
        text = rest;
    }
    for head in [b"auth-worker".as_slice(), b"client", b"request"] {
        let Some(rest) = text.strip_prefix(head) else {
            continue;
        };
        match rest {
            [b':', b' ', rest @ ..] => text = rest,
            [b'<', ..] => {
                if let Some((_, [b':', b' ', rest @ ..])) = bracketed(rest) {
                    text = rest;
                }
            }
            _ => {}
        }
    }
    text
}

/// A client as auth names it, and what follows.
struct Named<'a> {
    client: Client<'a>,
    rest: &'a [u8],
}

impl<'a> Named<'a> {
    /// Reads `NAME,ADDRESS,<SESSION>): REST`. The parenthesis is the first that closes a client with an address; when
    /// another could be meant, the line is refused.
    fn read(text: &'a [u8]) -> Result<Self, Reading> {
        let mut first = None;
        let mut found: Option<Self> = None;
        for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b')') {
            let Some((session, rest)) = after_close(&text[at + 1..]) else {
                continue;
            };
            first = first.or(Some(at));
            let Some(mut client) = inside(&text[..at]) else {
                continue;
            };
            if let Some(found) = &found {
                if found.client.address != client.address {
                    return Err(Reading::Refused);
                }
                continue;
            }
            if first != Some(at) {
                return Err(Reading::Refused);
            }
            if client.session.is_empty() {
                client.session = session;
            }
            found = Some(Self { client, rest });
        }
        if let Some(found) = found {
            return Ok(found);
        }
        // No address: the program that asked for the login gave none.
        let at = first.ok_or(Reading::Unknown)?;
        let (_, rest) = after_close(&text[at + 1..]).ok_or(Reading::Unknown)?;
        let client = Client {
            address: None,
            account: before(&text[..at], b","),
            session: b"",
        };
        Ok(Self { client, rest })
    }
}

/// `: REST`, in 2.4 also `<SESSION>: REST`.
fn after_close(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut session = b"".as_slice();
    let mut text = text;
    for _ in 0..2 {
        if let Some((id, rest)) = bracketed(text) {
            (session, text) = (id, rest);
        }
    }
    Some((session, text.strip_prefix(b": ")?))
}

/// `NAME,ADDRESS`, then `,master`, `,sasl:MECHANISM` and `,<SESSION>`, from the right.
fn inside(text: &[u8]) -> Option<Client<'_>> {
    const WORDS_MAX: usize = 2;
    let (mut rest, mut session) = (text, b"".as_slice());
    if text.ends_with(b">") {
        let at = last_comma(text)?;
        (session, _) = bracketed(&text[at + 1..])?;
        rest = &text[..at];
    }
    for _ in 0..=WORDS_MAX {
        let at = last_comma(rest)?;
        let word = &rest[at + 1..];
        if let Some(address) = literal(word) {
            return Some(Client {
                address: Some(address),
                account: &rest[..at],
                session,
            });
        }
        if word != b"master" && !word.starts_with(b"sasl:") {
            return None;
        }
        rest = &rest[..at];
    }
    None
}

/// Where the last comma is, if what follows it may be an address, a word or a session.
fn last_comma(text: &[u8]) -> Option<usize> {
    const WORD_MAX: usize = 132;
    const { assert!(WORD_MAX > LITERAL_MAX) };
    let from = text.len().saturating_sub(WORD_MAX);
    let at = text[from..].iter().rposition(|&byte| byte == b',')?;
    Some(from + at)
}
