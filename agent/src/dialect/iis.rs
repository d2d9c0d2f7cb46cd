//! The SMTP service of Microsoft's Internet Information Services: W3C extended logs, and IIS' own form.
//!
//! A `#Fields:` line tells the columns of the lines after it. The client's address has a column of its own; for connections that the
//! service itself makes, it holds the other server's, and the user's column says so.

mod columns;

use std::net::IpAddr;

use self::columns::Columns;
use super::{
    Dialect, Interpreter, Line, Reading,
    address::literal,
    dates::{date, four, two},
    sessions::{Key, Sessions},
    text::{after, before, number},
};
use crate::{
    envelope::{Civil, Envelope, Stamp, clock_time},
    event::{EventKind, Score, Service},
};

/// IIS.
pub(super) const DIALECT: Dialect = Dialect {
    name: "iis",
    speaks: |program| matches!(program, HEADER | W3C | OWN),
    bare_program: None,
    start: || Box::new(Iis::default()),
};

const HEADER: &[u8] = b"iis/header";
const W3C: &[u8] = b"iis/w3c";
const OWN: &[u8] = b"iis/own";

#[derive(Default)]
struct Iis {
    columns: Option<Columns>,
    /// The day of `#Date:`, for lines that only have the time.
    day: Option<Civil>,
    /// Clients whose last `MAIL FROM` was of a bounce.
    bounces: Sessions<()>,
}

/// What one line says.
struct Record<'a> {
    address: IpAddr,
    is_outbound: bool,
    command: &'a [u8],
    argument: &'a [u8],
    status: u32,
}

impl Interpreter for Iis {
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let of = |stamp, program, message| {
            Some(Envelope {
                stamp,
                host: b"".as_slice(),
                program,
                pid: None,
                message,
            })
        };
        if let Some(rest) = line.strip_prefix(b"#Date: ") {
            self.day = day(rest).map(|(day, _)| day);
            return None;
        }
        if let Some(names) = line.strip_prefix(b"#Fields: ") {
            // Exchange parts its columns by commas.
            if names.contains(&b',') {
                return None;
            }
            self.columns = Columns::of(names);
            return self.columns.and_then(|_| of(None, HEADER, names));
        }
        let columns = self.columns.or_else(|| Columns::by_default(line));
        if let Some(stamp) = columns.and_then(|columns| columns.stamp(line, self.day)) {
            return of(stamp, W3C, line);
        }
        own(line).and_then(|_| of(None, OWN, line))
    }

    fn read(&mut self, line: &Line<'_>) -> Reading {
        let record = match line.program {
            HEADER => return Reading::Ignored,
            W3C => match self.columns.or_else(|| Columns::by_default(line.message)) {
                Some(columns) => columns.record(line.message),
                None => None,
            },
            OWN => own(line.message),
            _ => None,
        };
        match record {
            Some(record) => self.said(line, &record),
            None => Reading::Unknown,
        }
    }
}

impl Iis {
    fn said(&mut self, line: &Line<'_>, record: &Record<'_>) -> Reading {
        if record.is_outbound {
            return Reading::Ignored;
        }
        let client = Key::new(&[record.address.to_string().as_bytes()]);
        let command = record.command.to_ascii_uppercase();
        let verb = before(&command, b" ");
        if verb == b"MAIL" {
            // `+FROM:<joe@example.net>+SIZE=100`
            let is_bounce = after(record.argument, b":").is_some_and(|rest| {
                let rest = rest.strip_prefix(b"+").unwrap_or(rest);
                rest.starts_with(b"<>")
            });
            if is_bounce {
                self.bounces.insert(client, ());
            } else {
                self.bounces.remove(client);
            }
        }
        let is_bounce = self.bounces.get(client).is_some();
        let (kind, score) = match (verb, record.status) {
            (b"QUIT", _) => (EventKind::Disconnect, Score::ZERO),
            (b"TIMEOUT", _) => (EventKind::LostConnection, Score::ZERO),
            (b"AUTH", 235) => weighed(EventKind::AuthSuccess),
            (b"DATA" | b"BDAT", 250) => weighed(EventKind::MailAccepted),
            (_, 0..400) => return Reading::Ignored,
            (b"AUTH", 500..=504) => weighed(EventKind::AuthNotOffered),
            (b"AUTH", 530..=539) => weighed(EventKind::AuthFailure),
            (b"RCPT", 550 | 551) => weighed(EventKind::UnknownRecipient),
            (b"RCPT", 530 | 554) => weighed(EventKind::RelayDenied),
            (b"RCPT", 552) => (EventKind::ServerFault, Score::ZERO),
            (b"MAIL", 530..=559) => weighed(EventKind::SenderRejected),
            (b"HELO" | b"EHLO", 500..) => weighed(EventKind::HeloRejected),
            (b"DATA" | b"BDAT", 550..=559) => weighed(EventKind::ContentRejected),
            (_, 400..500) => (EventKind::ServerFault, Score::ZERO),
            _ => (EventKind::ProtocolError, Score::ZERO),
        };
        let mut event = line
            .event_of(kind, Service::Smtp, record.address)
            .with_score(score)
            .excused(is_bounce && score > Score::ZERO);
        if verb == b"RCPT"
            && let Some(recipient) = after(record.argument, b"<")
        {
            event = event.with_recipient(before(recipient, b">"));
        }
        Reading::Event(event)
    }
}

/// `192.0.2.1, user, 8/18/06, 13:17:37, SMTPSVC1, MAIL01, 198.51.100.1, 0, 32, 0, 550, 0, RCPT, -, +TO:<joe@example.org>,`
fn own(line: &[u8]) -> Option<Record<'_>> {
    let mut values = line
        .split(|&byte| byte == b',')
        .map(|value| value.strip_prefix(b" ").unwrap_or(value));
    let address = address(values.next()?)?;
    let user = values.next()?;
    let service = values.nth(2)?;
    let status = status(values.nth(5)?)?;
    let command = values.nth(1)?;
    let argument = values.nth(1)?;
    service.starts_with(b"SMTPSVC").then_some(Record {
        address,
        is_outbound: user.starts_with(b"OutboundConnection"),
        command,
        argument,
        status,
    })
}

fn weighed(kind: EventKind) -> (EventKind, Score) {
    (kind, kind.score())
}

/// `2006-08-18`, and what follows it.
fn day(text: &[u8]) -> Option<(Civil, &[u8])> {
    let (&[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1], rest) = text.split_first_chunk()? else {
        return None;
    };
    let year = four([y0, y1, y2, y3])?;
    let day = date(year, two(m0, m1)?, two(d0, d1)?, std::time::Duration::ZERO)?;
    Some((day, rest))
}

/// `13:17:37`, all of it.
fn time(text: &[u8]) -> Option<std::time::Duration> {
    match clock_time(text)? {
        (time, []) => Some(time),
        _ => None,
    }
}

/// The stamp of a day, if it is known, and a time.
fn stamp(day: Option<Civil>, time: std::time::Duration) -> Option<Stamp> {
    // W3C logs are in UTC.
    day.map(|day| Stamp::Zoned {
        civil: Civil { time, ..day },
        offset_s: 0,
    })
}

fn status(text: &[u8]) -> Option<u32> {
    match text {
        b"-" => Some(0),
        _ => number::<u32>(text),
    }
}

fn address(text: &[u8]) -> Option<IpAddr> {
    literal(text)
}
