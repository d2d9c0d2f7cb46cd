//! Dovecot, 1.x to 2.4: its login processes, and its auth processes and their workers.
//!
//! Shapes are those of `login-common/client-common.c`, `auth/auth-request.c` and the passdbs, and of the logs in
//! `tests/corpus/dovecot.txt`. The processes after a login and those of delivery are not believed about addresses: they log
//! what stands in messages. Of the first is read when a session ends that was logged in (`live.rs`).
//!
//! One failed login is told twice with `auth_verbose`: by auth (or its worker) at once, with its account, and by the login
//! process when the client is gone, as `auth failed, N attempts`. What auth told weighs, and of the N attempts only those
//! that it did not tell of (`told.rs`): it comes seconds to minutes earlier, and it knows each account.

mod auth;
mod live;
mod login;
mod reason;
mod session_id;
mod told;

use self::{live::Live, told::Told};
use super::{
    Dialect, Interpreter, Line, Reading,
    text::{after, before},
};
use crate::{
    envelope::{Envelope, own_stamp},
    event::{EventKind, Service},
    lanes,
};

/// Dovecot.
pub(super) const DIALECT: Dialect = Dialect {
    name: "dovecot",
    speaks,
    bare_program: Some(b"dovecot"),
    start: || Box::new(Dovecot::default()),
};

/// Most attempts that one line weighs.
const ATTEMPTS_MAX: i16 = 100;

#[derive(Default)]
struct Dovecot {
    told: Told,
    live: Live,
}

/// In syslog the tag is `dovecot` (or what `instance_name` makes of it), in Dovecot's own files it is the process.
fn speaks(program: &[u8]) -> bool {
    match program.first() {
        Some(b'd') => program.starts_with(b"dovecot"),
        _ => is_auth(program) || login::service(program).is_some(),
    }
}

fn is_auth(process: &[u8]) -> bool {
    matches!(process, b"auth" | b"auth-worker" | b"dovecot-auth")
}

/// Whether it is a process that says nothing about clients who are not logged in.
fn is_silent(process: &[u8]) -> bool {
    matches!(
        process,
        b"IMAP"
            | b"POP3"
            | b"anvil"
            | b"config"
            | b"deliver"
            | b"dict"
            | b"dict-async"
            | b"dict-expire"
            | b"director"
            | b"dns-client"
            | b"doveadm"
            | b"doveadm-server"
            | b"dsync-local"
            | b"dsync-server"
            | b"health-check"
            | b"imap"
            | b"imap-hibernate"
            | b"imap-urlauth"
            | b"imap-urlauth-worker"
            | b"indexer"
            | b"indexer-worker"
            | b"ipc"
            | b"lda"
            | b"lmtp"
            | b"log"
            | b"managesieve"
            | b"master"
            | b"old-stats"
            | b"pop3"
            | b"quota-status"
            | b"replicator"
            | b"script"
            | b"script-login"
            | b"ssl-build-param"
            | b"ssl-params"
            | b"stats"
            | b"submission"
            | b"welcome"
    )
}

/// What a line of process `name` begins with: the process, its number or user in parentheses, and the rest.
struct Process<'a> {
    name: &'a [u8],
    /// What follows the name, from the `(`, `<` or `:` on.
    rest: &'a [u8],
}

impl<'a> Process<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        const NAME_MAX: usize = 32;
        let is_name = |byte: u8| lanes::is_alphanumeric(byte) | (byte == b'-');
        let end = lanes::run(text, NAME_MAX, is_name);
        let (name, rest) = text.split_at(end);
        (!name.is_empty() && end < NAME_MAX && matches!(rest.first()?, b':' | b'(' | b'<'))
            .then_some(Self { name, rest })
    }

    /// Whether it is one that Dovecot has.
    fn is_known(&self) -> bool {
        is_auth(self.name) || login::service(self.name).is_some() || is_silent(self.name)
    }
}

impl Interpreter for Dovecot {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let message = line.message;
        if line.program.starts_with(b"dovecot") && line.program != b"dovecot-auth" {
            // `dovecot[442]: dovecot: auth(default): ...`, from a logger that adds a tag of its own.
            let message = message.strip_prefix(b"dovecot: ").unwrap_or(message);
            self.of_message(line, message)
        } else if let Some(service) = login::service(line.program) {
            self.login(line, service, message)
        } else {
            self.auth(line, message)
        }
    }

    /// `STAMP PROCESS: MESSAGE`, as Dovecot writes its own files: `log_timestamp` is as an administrator likes it, and the
    /// process may have parentheses, so this is no tag of syslog.
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let (stamp, message) = own_stamp(line)?;
        let process = Process::read(message).filter(Process::is_known)?;
        let (program, message) = match process.rest.strip_prefix(b": ") {
            Some(rest) if is_auth(process.name) => (process.name, rest),
            _ => (b"dovecot".as_slice(), message),
        };
        Some(Envelope {
            stamp: Some(stamp),
            host: b"",
            program,
            pid: None,
            message,
        })
    }
}

impl Dovecot {
    /// A message that begins with its process, as in syslog.
    fn of_message(&mut self, line: &Line<'_>, message: &[u8]) -> Reading {
        let (level, message) = level(message);
        let Some(process) = Process::read(message) else {
            return of_level(line, level);
        };
        if let Some(service) = login::service(process.name) {
            return match process.rest.strip_prefix(b": ") {
                Some(rest) => self.login(line, service, rest),
                None => Reading::Unknown,
            };
        }
        if !is_auth(process.name) {
            return match is_silent(process.name) {
                true => self.live.read(line, process.name, process.rest),
                false => of_level(line, level),
            };
        }
        if let Some(rest) = process.rest.strip_prefix(b": ") {
            return self.auth(line, rest);
        }
        let Some(inside) = process.rest.strip_prefix(b"(") else {
            return Reading::Unknown;
        };
        // `auth-worker(31326): `, `auth(default): `; 2.4 names the client there.
        let number = before(&inside[..inside.len().min(32)], b")");
        let is_number = number.iter().all(u8::is_ascii_alphanumeric);
        match inside[number.len()..].strip_prefix(b"): ") {
            Some(rest) if is_number => self.auth(line, rest),
            _ => auth::read_named(&mut self.told, line, inside),
        }
    }

    fn login(&mut self, line: &Line<'_>, service: Service, message: &[u8]) -> Reading {
        let (level, message) = level(message);
        match level {
            Level::Debug => Reading::Ignored,
            level => match login::read((&mut self.told, &mut self.live), line, service, message) {
                Reading::Unknown => of_level(line, level),
                reading => reading,
            },
        }
    }

    fn auth(&mut self, line: &Line<'_>, message: &[u8]) -> Reading {
        let (level, message) = level(message);
        match level {
            Level::Debug | Level::Error => of_level(line, level),
            level => match auth::read(&mut self.told, line, message) {
                Reading::Unknown => of_level(line, level),
                reading => reading,
            },
        }
    }
}

/// How grave a line is. Dovecot writes no word before an informational line in syslog.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

fn level(message: &[u8]) -> (Level, &[u8]) {
    let (word, level): (&[u8], _) = match message.first() {
        Some(b'I') => (b"Info: ", Level::Info),
        Some(b'D') => (b"Debug: ", Level::Debug),
        Some(b'W') => (b"Warning: ", Level::Warning),
        Some(b'E') => (b"Error: ", Level::Error),
        Some(b'F') => (b"Fatal: ", Level::Error),
        Some(b'P') => (b"Panic: ", Level::Error),
        _ => return (Level::Info, message),
    };
    match message.strip_prefix(word) {
        Some(rest) => (level, rest),
        None => (Level::Info, message),
    }
}

/// A line of no known shape: what is graver than information is the server's trouble.
fn of_level(line: &Line<'_>, level: Level) -> Reading {
    match level {
        Level::Debug | Level::Warning => Reading::Ignored,
        Level::Error => Reading::Event(line.event(EventKind::ServerFault, Service::Imap)),
        Level::Info => {
            let told = [b"Dovecot v".as_slice(), b"Killed with signal "];
            match told.iter().any(|head| line.message.starts_with(head)) {
                true => Reading::Ignored,
                false => Reading::Unknown,
            }
        }
    }
}

/// The number that `text` begins with.
fn number(text: &[u8]) -> Option<i16> {
    let digits = text
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let value: u32 = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    Some(i16::try_from(value).unwrap_or(i16::MAX))
}

/// What stands between `<` (which `text` begins with) and the next `>`, as ids of sessions do, and what follows.
fn bracketed(text: &[u8]) -> Option<(&[u8], &[u8])> {
    const ID_MAX: usize = 128;
    let inside = text.strip_prefix(b"<")?;
    let is_id_byte = |byte| lanes::between(byte, b'!', b'~') & (byte != b'<') & (byte != b'>');
    let (id, rest) = inside.split_at(lanes::run(inside, ID_MAX, is_id_byte));
    match rest {
        [b'>', rest @ ..] => Some((id, rest)),
        rest if id.len() == ID_MAX => after(rest, b">").map(|rest| (id, rest)),
        _ => None,
    }
}
