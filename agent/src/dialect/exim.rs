//! Exim, 4.7x to 4.99: main log and reject log, in files of its own or through syslog.
//!
//! Shapes are those of `smtp_in.c`, `acl.c`, `receive.c`, `deliver.c`, `daemon.c`, `verify.c`, `tls*.c` and `host.c`, with any
//! `log_selector`. The reject log repeats lines of the main log (and syslog has both, unless `syslog_duplication = false`): a
//! line that says again what was said within the same second weighs nothing.

mod client;
mod field;
mod message;
mod own;
mod reject;
mod session;
mod smtp;

use std::time::{Duration, SystemTime};

use self::session::Connections;
use super::{
    Dialect, Interpreter, Line, Reading,
    sessions::{Key, Sessions},
};
use crate::{envelope::Envelope, event::Score};

/// Exim.
pub(super) const DIALECT: Dialect = Dialect {
    name: "exim",
    speaks,
    bare_program: Some(b"exim"),
    start: || Box::new(Exim::default()),
};

/// Lines further apart than this are not one line in two logs.
const REPEATED_WITHIN: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Exim {
    connections: Connections,
    /// Accounts by the id of a message they sent.
    accounts: Sessions<Box<str>>,
    /// When a line that weighs was read.
    weighed: Sessions<SystemTime>,
}

/// `exim`, `exim4`, `exim-4.98-2`.
fn speaks(program: &[u8]) -> bool {
    let Some(rest) = program.strip_prefix(b"exim") else {
        return false;
    };
    let rest = rest.strip_prefix(b"4").unwrap_or(rest);
    matches!(rest.first(), None | Some(b'-' | b'_' | b'/'))
}

impl Interpreter for Exim {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let message = own::message(line.message);
        let mut reading = match message::after_id(message) {
            Some((id, text)) => self.of_message(line, id, text),
            None => self.of_connection(line, message),
        };
        if let Reading::Event(event) = &mut reading
            && event.is_offence()
            && self.is_repeated(line, message, event.at)
        {
            event.score = Score::ZERO;
        }
        reading
    }

    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        own::envelope(line)
    }
}

impl Exim {
    /// Whether the line was read just now, from the other log.
    fn is_repeated(&mut self, line: &Line<'_>, message: &[u8], at: SystemTime) -> bool {
        let pid = line.pid.unwrap_or(0).to_le_bytes();
        let key = Key::new(&[line.host, &pid, message]);
        if let Some(&mut before) = self.weighed.get(key) {
            let apart = at
                .duration_since(before)
                .unwrap_or_else(|error| error.duration());
            if apart < REPEATED_WITHIN {
                return true;
            }
        }
        self.weighed.insert(key, at);
        false
    }
}
