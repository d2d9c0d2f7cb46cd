//! PAM, as it logs in the name of mail programs: `pam_unix(dovecot:auth): authentication failure; ... rhost=ADDRESS`, and
//! saslauthd beside it.
//!
//! Shapes are those of Linux-PAM's `pam_unix/support.c` and of saslauthd's `saslauthd-main.c`. `ruser=` and `user=` are what
//! the client called itself, unescaped, and stand on both sides of `rhost=`, so either may forge one.

use super::{
    Dialect, Interpreter, Line, Reading,
    address::{LITERAL_MAX, literal},
    name,
    text::{after, before, find, starts_with_any},
};
use crate::event::{Event, EventKind, Score, Service};

/// PAM for mail.
pub(super) const DIALECT: Dialect = Dialect {
    name: "pam",
    speaks,
    bare_program: None,
    start: || Box::new(Pam),
};

struct Pam;

/// Programs that ask PAM about mail users. `daemon` is one that gave itself no name.
const PROGRAMS: &[&[u8]] = &[
    b"auth",
    b"auth-worker",
    b"authdaemond",
    b"daemon",
    b"dovecot",
    b"dovecot-auth",
    b"exim",
    b"exim4",
    b"imap",
    b"imapd",
    b"imaps",
    b"ipop3d",
    b"perdition",
    b"pop3",
    b"pop3d",
    b"pop3s",
    b"saslauthd",
    b"sendmail",
    b"sieve",
    b"sm-mta",
    b"solid-pop3d",
];

/// Most failures that one line weighs.
const FAILURES_MAX: i16 = 100;

fn speaks(program: &[u8]) -> bool {
    PROGRAMS.contains(&program) || program.starts_with(b"cyrus/")
}

impl Interpreter for Pam {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let message = line.message;
        match message.strip_prefix(b"pam_") {
            Some(rest) => module(line, rest),
            None if line.program == b"saslauthd" => saslauthd(line, message),
            None => Reading::Unknown,
        }
    }
}

/// `unix(dovecot:auth): MESSAGE`.
fn module(line: &Line<'_>, text: &[u8]) -> Reading {
    const HEAD_MAX: usize = 80;
    let Some(end) = find(&text[..text.len().min(HEAD_MAX)], b"): ") else {
        return Reading::Unknown;
    };
    let module = before(&text[..end], b"(");
    let Some(asked) = text[..end].get(module.len() + 1..) else {
        return Reading::Unknown;
    };
    let message = &text[end + b"): ".len()..];
    // Old versions name no service.
    let (service, step) = match find(asked, b":") {
        Some(at) => (&asked[..at], &asked[at + 1..]),
        None => (b"".as_slice(), asked),
    };
    let Some(service) = mail_service(service) else {
        return Reading::Ignored;
    };
    if step != b"auth" {
        return Reading::Ignored;
    }
    let Some((failures, fields)) = failures(message) else {
        return Reading::Ignored;
    };
    // The other modules are asked about what pam_unix has told of.
    let score = match module {
        b"unix" => EventKind::AuthFailure.score().times(failures),
        _ => Score::ZERO,
    };
    match fields_of(fields) {
        Ok((address, account)) => Reading::Event(Event {
            address,
            account: name(account),
            score,
            ..line.event(EventKind::AuthFailure, service)
        }),
        Err(reading) => reading,
    }
}

/// What follows `authentication failure; ` or `2 more authentication failures; `, and how many there were.
fn failures(message: &[u8]) -> Option<(i16, &[u8])> {
    if let Some(fields) = message.strip_prefix(b"authentication failure; ") {
        return Some((1, fields));
    }
    let digits = message
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let count: i32 = std::str::from_utf8(&message[..digits]).ok()?.parse().ok()?;
    let rest = message[digits..].strip_prefix(b" more authentication failure")?;
    let fields = rest
        .strip_prefix(b"s")
        .unwrap_or(rest)
        .strip_prefix(b"; ")?;
    let count = i16::try_from(count).unwrap_or(FAILURES_MAX);
    Some((count.clamp(1, FAILURES_MAX), fields))
}

/// The service that was asked for, if it is one of mail.
fn mail_service(service: &[u8]) -> Option<Service> {
    Some(match service {
        b"" | b"dovecot" | b"imap" | b"imap4" | b"imaps" | b"imapd" | b"cyrus" | b"mail" => {
            Service::Imap
        }
        b"pop" | b"pop3" | b"pop3s" | b"pop3d" | b"ipop3d" | b"solid-pop3d" => Service::Pop,
        b"smtp" | b"smtps" | b"smtpd" | b"submission" | b"sendmail" | b"exim" | b"exim4"
        | b"postfix" => Service::Smtp,
        b"sieve" | b"managesieve" => Service::Sieve,
        _ => return None,
    })
}

/// The client's address and account, out of `logname=... tty=dovecot ruser=joe rhost=ADDRESS  user=joe`.
///
/// PAM writes nothing after `rhost=` but blanks and `user=`. Whatever else calls itself `rhost=` is in a name; where that
/// leaves two, and the program hands on what the client calls itself as `ruser=`, no one can tell.
fn fields_of(fields: &[u8]) -> Result<(Option<std::net::IpAddr>, &[u8]), Reading> {
    let ruser = after(fields, b" ruser=").ok_or(Reading::Unknown)?;
    // `ruser=` is followed by the blank of ` rhost=`.
    let is_local = ruser.starts_with(b" rhost=");
    let is_of_dovecot = find(before(fields, b" ruser="), b"tty=dovecot").is_some();
    let mut found: Option<Host<'_>> = None;
    let mut rest = ruser;
    while let Some(text) = after(rest, b" rhost=") {
        rest = text;
        let Some(host) = Host::read(text) else {
            continue;
        };
        match &found {
            Some(found) if found.text == host.text => {}
            Some(_) if is_local && !is_of_dovecot => break,
            Some(_) => return Err(Reading::Refused),
            None => found = Some(host),
        }
    }
    let host = found.ok_or(Reading::Unknown)?;
    let account = match host.user {
        b"" => before(ruser, b" rhost="),
        user => user,
    };
    Ok((literal(host.text), account))
}

/// What `rhost=` may be followed by.
struct Host<'a> {
    text: &'a [u8],
    user: &'a [u8],
}

impl<'a> Host<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        const NAME_MAX: usize = 255;
        const { assert!(NAME_MAX > LITERAL_MAX) };
        let host = before(&text[..text.len().min(NAME_MAX)], b" ");
        let rest = &text[host.len()..];
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        let rest = &rest[blanks..];
        let user = match rest.strip_prefix(b"user=") {
            Some(user) => user,
            None if rest.is_empty() => b"",
            None => return None,
        };
        Some(Self { text: host, user })
    }
}

/// `do_auth         : auth failure: [user=joe] [service=smtp] [realm=] [mech=pam] [reason=PAM auth error]`: no address.
fn saslauthd(line: &Line<'_>, message: &[u8]) -> Reading {
    const SILENT: &[&[u8]] = &[
        b"auth_krb5",
        b"auth_zero_time",
        b"cache_",
        b"detach_tty",
        b"do_auth         : auth success",
        b"do_request",
        b"have_baton",
        b"ipc_",
        b"main ",
        b"master ",
        b"rel_accept_lock",
        b"get_accept_lock",
        b"server_exit",
        b"set_",
    ];
    if starts_with_any(message, SILENT) {
        return Reading::Ignored;
    }
    // In some versions the function is left out, but not its colon.
    let Some(end) = find(&message[..message.len().min(24)], b": ") else {
        return Reading::Unknown;
    };
    let text = &message[end + 2..];
    let Some(rest) = text.strip_prefix(b"auth failure: [user=") else {
        return match text.starts_with(b"auth success: ") {
            true => Reading::Ignored,
            false => Reading::Unknown,
        };
    };
    let account = before(rest, b"] [service=");
    Reading::Event(Event {
        account: name(account),
        ..line.event(EventKind::AuthFailure, Service::Smtp)
    })
}
