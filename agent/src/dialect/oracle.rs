//! Oracle's (once Sun's and iPlanet's) Messaging Server: the connection log of its MTA, as XML (`LOG_FORMAT=4`) and as text.
//!
//! Shapes are those of its administration guide (LOG_CONNECTION, LOG_FORMAT). The transport, `TCP|LOCAL|PORT|REMOTE|PORT`, has the client
//! third where the connection came in (`dr="+"`, or `+` before the action).

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::literal,
    dates::{date, four, month, two},
    reply::{self, Stage},
    text::{after, before, find, starts_with_any},
};
use crate::{
    envelope::{Envelope, Stamp, clock_time},
    event::{EventKind, Service},
};

/// Oracle's Messaging Server.
pub(super) const DIALECT: Dialect = Dialect {
    name: "oracle",
    speaks: |program| matches!(program, XML | TEXT),
    bare_program: None,
    start: || Box::new(Oracle),
};

const XML: &[u8] = b"oracle/xml";
const TEXT: &[u8] = b"oracle/text";

struct Oracle;

impl Interpreter for Oracle {
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        if starts_with_any(line, &[b"<co ts=\"", b"<en ts=\""]) {
            return Some(Envelope {
                stamp: xml_stamp(line),
                host: b"",
                program: XML,
                pid: None,
                message: line,
            });
        }
        let (stamp, message) = text_stamp(line)?;
        Some(Envelope {
            stamp: Some(stamp),
            host: b"",
            program: TEXT,
            pid: None,
            message,
        })
    }

    fn read(&mut self, line: &Line<'_>) -> Reading {
        match line.program {
            XML => xml(line),
            TEXT => text(line),
            _ => Reading::Unknown,
        }
    }
}

/// `<co ts="2014-06-02T22:02:13.94" `
fn xml_stamp(line: &[u8]) -> Option<Stamp> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T'] = line.get(8..19)? else {
        return None;
    };
    let (time, _) = clock_time(line.get(19..)?)?;
    let year = four([y0, y1, y2, y3])?;
    date(year, two(m0, m1)?, two(d0, d1)?, time).map(Stamp::Local)
}

/// `19-Feb-1998 18:42:24.10 `, as OpenVMS writes dates, and the connection's fields.
fn text_stamp(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let (head, rest) = line.split_first_chunk::<12>()?;
    let &[d0, d1, b'-', m0, m1, m2, b'-', y0, y1, y2, y3, b' '] = head else {
        return None;
    };
    let (time, rest) = clock_time(rest)?;
    let day = if d0 == b' ' { b'0' } else { d0 };
    let civil = date(
        four([y0, y1, y2, y3])?,
        month([m0, m1, m2])?,
        two(day, d1)?,
        time,
    )?;
    let rest = rest.strip_prefix(b" ")?;
    find(&rest[..rest.len().min(128)], b" TCP|")?;
    Some((Stamp::Local(civil), rest))
}

/// What one record says.
#[derive(Default)]
struct Record<'a> {
    /// It came in.
    is_inbound: bool,
    action: &'a [u8],
    transport: &'a [u8],
    application: &'a [u8],
    user: &'a [u8],
    /// What was answered.
    answer: &'a [u8],
    sender: Option<&'a [u8]>,
    recipient: &'a [u8],
}

/// `<co ts="..." sc="tcp_local" dr="+" ac="U" tr="TCP|...|25|...|56591" ap="SMTP" us="joe" di="535 5.7.8 ..."/>`
fn xml(line: &Line<'_>) -> Reading {
    let mut record = Record::default();
    let mut rest = &line.message[3..];
    while let Some(field) = rest.strip_prefix(b" ") {
        let (Some(&[n0, n1, b'=', b'"']), Some(inside)) = (field.first_chunk(), field.get(4..))
        else {
            return Reading::Unknown;
        };
        // Quotes within a value are written as `&quot;`.
        let value = before(inside, b"\"");
        let Some(next) = inside.get(value.len() + 1..) else {
            return Reading::Unknown;
        };
        rest = next;
        match &[n0, n1] {
            b"dr" => record.is_inbound = value == b"+",
            b"ac" => record.action = value,
            b"tr" if !record.transport.is_empty() => return Reading::Refused,
            b"tr" => record.transport = value,
            b"ap" => record.application = value,
            b"us" => record.user = value,
            b"di" => record.answer = value,
            b"fr" => record.sender = Some(value),
            b"to" => record.recipient = value,
            _ => {}
        }
    }
    if rest != b"/>" {
        return Reading::Unknown;
    }
    // Records of messages have no direction; only those that came in name an SMTP client.
    let is_message = line.message.starts_with(b"<en ");
    record.is_inbound |= is_message && find(record.application, b"SMTP").is_some();
    said(line, &record)
}

/// `tcp_local + O TCP|...|25|...|1125 SMTP/...`; before the channel may stand the process and its like.
fn text(line: &Line<'_>) -> Reading {
    let head = before(line.message, b" TCP|");
    let Some(rest) = line.message.get(head.len() + 1..) else {
        return Reading::Unknown;
    };
    let mut words = head.rsplit(|&byte| byte == b' ');
    let (Some(action), Some(direction)) = (words.next(), words.next()) else {
        return Reading::Unknown;
    };
    let transport = before(rest, b" ");
    let tail = rest.get(transport.len() + 1..).unwrap_or_default();
    let application = before(tail, b" ");
    // The answer is the last of it; the user's name before it is the client's.
    let answer = [b" 535 ".as_slice(), b" 235 ", b" 534 ", b" 454 "]
        .iter()
        .filter_map(|code| super::text::rfind(tail, code))
        .max()
        .map_or(b"".as_slice(), |at| &tail[at + 1..]);
    said(
        line,
        &Record {
            is_inbound: direction == b"+",
            action,
            transport,
            application,
            answer,
            ..Record::default()
        },
    )
}

fn said(line: &Line<'_>, record: &Record<'_>) -> Reading {
    let Some((address, port)) = client(record.transport) else {
        return match record.transport {
            [] => Reading::Ignored,
            _ => Reading::Unknown,
        };
    };
    if !record.is_inbound {
        return Reading::Ignored;
    }
    let service = match port {
        Some(port) => Service::at_port(port),
        None => Service::Smtp,
    };
    let told = |kind| line.told(kind, service, address);
    match record.action {
        b"O" => told(EventKind::Connect),
        b"C" => told(EventKind::Disconnect),
        b"X" => told(EventKind::ClientRejected),
        b"U" => {
            let event = if record.answer.starts_with(b"2") {
                line.event_of(EventKind::AuthSuccess, service, address)
            } else {
                let refusal = reply::refusal(Stage::Auth, record.answer);
                let Some((kind, score)) = refusal else {
                    return Reading::Unknown;
                };
                line.event_of(kind, service, address).with_score(score)
            };
            Reading::Event(event.with_account(record.user))
        }
        // A recipient that was refused.
        b"J" => {
            let answer = record.answer;
            let kind = if starts_with_any(answer, &[b"5.1.1", b"550 5.1.1"])
                || find(answer, b"unknown or illegal alias").is_some()
            {
                EventKind::UnknownRecipient
            } else if find(answer, b"elay").is_some() {
                EventKind::RelayDenied
            } else {
                return Reading::Ignored;
            };
            let event = line
                .event_of(kind, service, address)
                .with_recipient(record.recipient);
            Reading::Event(event.excused(record.sender == Some(b"")))
        }
        _ => Reading::Ignored,
    }
}

/// The client of `TCP|LOCAL|PORT|REMOTE|PORT`, and the port that it came to.
fn client(transport: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    let mut parts = transport.split(|&byte| byte == b'|');
    let (Some(b"TCP"), Some(_), Some(port), Some(remote), Some(_), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return None;
    };
    let port = super::text::number::<u32>(port).and_then(|port| u16::try_from(port).ok());
    let remote = after(remote, b"IPv6:").unwrap_or(remote);
    Some((literal(remote)?, port))
}
