//! The columns of a W3C extended log.

use super::{
    super::super::envelope::{Civil, Stamp},
    Record, address, day, stamp, status, time,
};

/// Most columns of a line.
const COLUMNS_MAX: usize = 32;

/// Which column has what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    count: usize,
    date: Option<usize>,
    time: usize,
    client: usize,
    user: Option<usize>,
    service: Option<usize>,
    command: usize,
    argument: Option<usize>,
    status: usize,
}

/// Commands of SMTP, by which its log is told from a web server's.
const COMMANDS: &[&[u8]] = &[
    b"AUTH",
    b"BDAT",
    b"DATA",
    b"EHLO",
    b"ETRN",
    b"EXPN",
    b"HELO",
    b"HELP",
    b"MAIL",
    b"NOOP",
    b"QUIT",
    b"RCPT",
    b"RSET",
    b"STARTTLS",
    b"TIMEOUT",
    b"TURN",
    b"VRFY",
    b"XEXCH50",
];

impl Columns {
    /// Those that a `#Fields:` line names; `None` if what matters is missing.
    pub(super) fn of(names: &[u8]) -> Option<Self> {
        let names: Vec<&[u8]> = names
            .split(|&byte| byte == b' ')
            .filter(|name| !name.is_empty())
            .take(COLUMNS_MAX + 1)
            .collect();
        let at = |name: &[u8]| names.iter().position(|other| *other == name);
        (names.len() <= COLUMNS_MAX).then_some(())?;
        Some(Self {
            count: names.len(),
            date: at(b"date"),
            time: at(b"time")?,
            client: at(b"c-ip")?,
            user: at(b"cs-username"),
            service: at(b"s-sitename"),
            command: at(b"cs-method")?,
            argument: at(b"cs-uri-query").or(at(b"cs-uri-stem")),
            status: at(b"sc-status")?,
        })
    }

    /// Those that IIS writes by default, if the line can be of no other form: a time, an address, a command and a status.
    pub(super) fn by_default(line: &[u8]) -> Option<Self> {
        let count = line.split(|&byte| byte == b' ').take(COLUMNS_MAX).count();
        let columns = Self {
            count,
            date: None,
            time: 0,
            client: 1,
            user: None,
            service: None,
            command: 2,
            argument: (count > 4).then_some(count.saturating_sub(2)),
            status: count.checked_sub(1)?,
        };
        (count == 5 || count == 6).then_some(())?;
        columns.record(line).map(|_| columns)
    }

    /// When `line` was written, if it may be one of these columns. Without a date it is of `day`.
    pub(super) fn stamp(&self, line: &[u8], today: Option<Civil>) -> Option<Option<Stamp>> {
        let values = self.values(line)?;
        let at = |column: usize| values.get(column).copied();
        let time = time(at(self.time)?)?;
        let today = match self.date {
            Some(column) => match day(at(column)?)? {
                (day, []) => Some(day),
                _ => return None,
            },
            None => today,
        };
        Some(stamp(today, time))
    }

    /// What `line` says, if it is SMTP's.
    pub(super) fn record<'a>(&self, line: &'a [u8]) -> Option<Record<'a>> {
        let values = self.values(line)?;
        let at = |column: usize| values.get(column).copied();
        let command = at(self.command)?;
        let user = self.user.and_then(at).unwrap_or_default();
        let is_outbound = user.starts_with(b"OutboundConnection");
        let is_smtp = match self.service.and_then(at) {
            Some(service) => service.starts_with(b"SMTPSVC"),
            None => {
                is_outbound
                    || COMMANDS
                        .iter()
                        .any(|name| command.eq_ignore_ascii_case(name))
            }
        };
        is_smtp.then_some(())?;
        Some(Record {
            address: address(at(self.client)?)?,
            is_outbound,
            command,
            argument: self.argument.and_then(at).unwrap_or_default(),
            status: status(at(self.status)?)?,
        })
    }

    /// The values of `line`, if it has as many as there are columns. Blanks within a value are written as `+`.
    fn values<'a>(&self, line: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        let values: Vec<&[u8]> = line
            .split(|&byte| byte == b' ')
            .take(COLUMNS_MAX + 1)
            .collect();
        (values.len() == self.count).then_some(values)
    }
}
