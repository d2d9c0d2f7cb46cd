//! What a log writes around a mail program's own words: when, on which host, by which program.
//!
//! Reading an envelope never allocates and never searches: fields are taken from the left, each where its form puts it. A
//! line that is not exactly of a form has no envelope. Around the envelope there may be a wrapping, of a container or of
//! journald ([`Wrappings`]).

mod bsd;
mod dated;
mod journal;
mod own;
mod repeated;
mod stamp;
mod tag;
mod tai;
mod wrapping;

pub(crate) use self::stamp::clock_time;
pub use self::{
    own::stamp as own_stamp,
    repeated::{REPEATS_MAX, Repeat, lost, repeat, repeated},
    stamp::{Civil, Dater, Stamp},
    wrapping::{Inside, Opened, Wrappings},
};

/// A line, taken out of its envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Envelope<'a> {
    /// When it was written.
    pub stamp: Option<Stamp>,
    /// The host that wrote it; empty where the form names none.
    pub host: &'a [u8],
    /// The program's tag, such as `postfix/smtpd`.
    pub program: &'a [u8],
    /// The process.
    pub pid: Option<u32>,
    /// What the program said.
    pub message: &'a [u8],
}

/// A form of envelope.
pub struct Form {
    /// Its name, for people.
    pub name: &'static str,
    /// Takes a line (without its `<PRI>`) out of it.
    pub read: for<'a> fn(&'a [u8]) -> Option<Envelope<'a>>,
}

/// Every form, in the order they are tried. Each looks at the first byte first, so that trying them all costs little.
pub const FORMS: &[Form] = &[
    Form {
        name: "rfc3164",
        read: bsd::read,
    },
    Form {
        name: "rfc3339",
        read: dated::read,
    },
    Form {
        name: "rfc5424",
        read: dated::read_rfc5424,
    },
    Form {
        name: "tai64n",
        read: tai::read,
    },
];

/// Takes a line out of its envelope, and names the form.
pub fn read(line: &[u8]) -> Option<(Envelope<'_>, &'static str)> {
    let line = without_pri(line);
    // What begins with a month's name is in the first form or in none.
    if line.first().is_some_and(u8::is_ascii_uppercase) {
        return Some((bsd::read(line)?, FORMS[0].name));
    }
    FORMS[1..]
        .iter()
        .find_map(|form| Some(((form.read)(line)?, form.name)))
}

/// `HOST TAG[PID]: MESSAGE`, as it follows a stamp.
pub(crate) fn tagged(stamp: Stamp, text: &[u8]) -> Option<Envelope<'_>> {
    let (host, program, pid, message) = tag::host_and_tag(text)?;
    Some(Envelope {
        stamp: Some(stamp),
        host,
        program,
        pid,
        message,
    })
}

/// What follows a `<PRI>` (RFC 3164 4.1.1: one to three digits), as it stands in what is read from `/dev/log`.
fn without_pri(line: &[u8]) -> &[u8] {
    let Some(rest) = line.strip_prefix(b"<") else {
        return line;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match rest.get(digits..) {
        Some([b'>', rest @ ..]) if (1..=3).contains(&digits) => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests;
