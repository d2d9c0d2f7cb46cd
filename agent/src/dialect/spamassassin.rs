//! SpamAssassin's spamd: what it found in messages.
//!
//! It never knows the client: `rhost=` and `raddr=` of its results are of who asked it, on the same host, and `mid=` is the
//! message's own word, so nothing joins its lines to a client for certain. They are understood, and say nothing.

use super::{Dialect, Interpreter, Line, Reading, text::starts_with_any};

/// SpamAssassin.
pub(super) const DIALECT: Dialect = Dialect {
    name: "spamassassin",
    speaks,
    bare_program: None,
    start: || Box::new(SpamAssassin),
};

struct SpamAssassin;

fn speaks(program: &[u8]) -> bool {
    matches!(
        program,
        b"spamd" | b"spamd-child" | b"spamc" | b"spampd" | b"spamass-milter"
    )
}

/// The channels of its log (`Mail::SpamAssassin::Logger`) that spamd writes to. OpenBSD's spamd, which has the same tag, has
/// none.
const CHANNELS: &[&[u8]] = &[
    b"bayes: ",
    b"check: ",
    b"config: ",
    b"dcc: ",
    b"dns: ",
    b"generic: ",
    b"info: ",
    b"learn: ",
    b"logger: ",
    b"netset: ",
    b"plugin: ",
    b"prefork: ",
    b"pyzor: ",
    b"razor2: ",
    b"reporter: ",
    b"rules: ",
    b"spamd: ",
    b"spf: ",
    b"util: ",
    b"warn: ",
    b"zoom: ",
    // Before 3.1.
    b"clean message ",
    b"connection from ",
    b"identified spam ",
    b"processing message ",
    b"result: ",
];

impl Interpreter for SpamAssassin {
    fn read(&mut self, line: &Line<'_>) -> Reading {
        let is_ours = line.program != b"spamd" || starts_with_any(line.message, CHANNELS);
        match is_ours {
            true => Reading::Ignored,
            false => Reading::Unknown,
        }
    }
}
