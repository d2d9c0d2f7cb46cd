//! Microsoft Exchange: the protocol logs of its SMTP (receive), IMAP4 and POP3 services, as CSV.
//!
//! A `#Fields:` line tells the columns of the lines after it; without one, those of current versions are used for lines that are
//! certainly of their shape. The client's address has a column of its own, before anything that the client said. Logs of connections
//! that the server makes itself look alike: there the answers are the other server's, and none is read.

mod columns;
mod mailbox;
mod smtp;

use self::{columns::Columns, smtp::Smtp};
use super::{Dialect, Interpreter, Line, Reading};
use crate::envelope::{Envelope, Stamp};

/// Exchange.
pub(super) const DIALECT: Dialect = Dialect {
    name: "exchange",
    speaks: |program| matches!(program, HEADER | LINE),
    bare_program: None,
    start: || Box::new(Exchange::default()),
};

const HEADER: &[u8] = b"exchange/header";
const LINE: &[u8] = b"exchange";

#[derive(Default)]
struct Exchange {
    columns: Option<Columns>,
    /// The log is one of connections that the server makes.
    is_outbound: bool,
    smtp: Smtp,
}

impl Interpreter for Exchange {
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let of = |stamp: Option<Stamp>, program, message| {
            Some(Envelope {
                stamp,
                host: b"".as_slice(),
                program,
                pid: None,
                message,
            })
        };
        if let Some(kind) = line.strip_prefix(b"#Log-type: ") {
            self.is_outbound = kind.starts_with(b"SMTP Send");
            return of(None, HEADER, line);
        }
        if line.starts_with(b"#Software: Microsoft Exchange") {
            self.columns = None;
            self.is_outbound = false;
            return of(None, HEADER, line);
        }
        if let Some(names) = line.strip_prefix(b"#Fields: ") {
            self.columns = Columns::of(names);
            return self.columns.and_then(|_| of(None, HEADER, line));
        }
        let stamp = columns::stamp(line)?;
        self.columns_of(line)?;
        of(Some(stamp), LINE, line)
    }

    fn read(&mut self, line: &Line<'_>) -> Reading {
        if line.program == HEADER || self.is_outbound {
            return Reading::Ignored;
        }
        let Some(columns) = self.columns_of(line.message) else {
            return Reading::Unknown;
        };
        let values = columns.values(line.message);
        if columns.is_smtp() {
            self.smtp.read(line, &values)
        } else {
            mailbox::read(line, &values)
        }
    }
}

impl Exchange {
    fn columns_of(&self, line: &[u8]) -> Option<Columns> {
        let told = self.columns.filter(|columns| columns.fits(line));
        told.or_else(|| Columns::by_default(line))
    }
}
