//! Lotus and HCL Domino: the console log of its SMTP, POP3 and IMAP servers.
//!
//! Shapes are those of HCL's documentation and of users' logs. A line begins with the server's locale's date, before which Unix servers
//! put `[PROCESS:THREAD]`; then, after two blanks or more, the task. Users' names stand before the address; it is the last thing on
//! the line.

use std::net::IpAddr;

use super::{
    Dialect, Interpreter, Line, Reading,
    address::{bracketed, leading, literal},
    dates::{clock, date, two},
    text::{after, find, number, split_last, without_blanks},
};
use crate::{
    envelope::{Civil, Envelope, Stamp, clock_time},
    event::{EventKind, Service},
};

/// Domino.
pub(super) const DIALECT: Dialect = Dialect {
    name: "domino",
    speaks: |program| service(program).is_some(),
    bare_program: None,
    start: || Box::new(Domino),
};

struct Domino;

/// Tasks that serve clients. `smtp`, `pop3` and `imap` are what the security library calls them.
const TASKS: &[(&[u8], Service)] = &[
    (b"SMTP Server", Service::Smtp),
    (b"POP3 Server", Service::Pop),
    (b"IMAP Server", Service::Imap),
    (b"smtp", Service::Smtp),
    (b"pop3", Service::Pop),
    (b"imap", Service::Imap),
];

fn service(task: &[u8]) -> Option<Service> {
    TASKS
        .iter()
        .find_map(|(name, service)| (*name == task).then_some(*service))
}

impl Interpreter for Domino {
    fn open<'a>(&mut self, line: &'a [u8]) -> Option<Envelope<'a>> {
        let rest = match line.first()? {
            b'[' => without_blanks(after(&line[..line.len().min(64)], b"]")?).len(),
            _ => line.len().min(64),
        };
        let rest = &line[line.len().min(64) - rest..];
        let (stamp, rest) = stamp(rest)?;
        let rest = without_blanks(rest.strip_prefix(b"  ")?);
        let (task, rest) = TASKS
            .iter()
            .find_map(|(name, _)| Some((*name, rest.strip_prefix(*name)?)))?;
        // `SMTP Server [0D14:0027-1334] ...` or `SMTP Server: ...`
        let message = match rest {
            [b':', b' ', rest @ ..] => rest,
            [b' ', b'[', rest @ ..] => {
                let end = rest.iter().take(48).position(|&byte| byte == b']')?;
                let thread = &rest[..end];
                let is_thread = |byte: &u8| byte.is_ascii_hexdigit() || b":-".contains(byte);
                if !thread.iter().all(is_thread) {
                    return None;
                }
                let rest = &rest[end + 1..];
                without_blanks(rest.strip_prefix(b":").unwrap_or(rest))
            }
            _ => return None,
        };
        Some(Envelope {
            stamp: Some(stamp),
            host: b"",
            program: task,
            pid: None,
            message,
        })
    }

    fn read(&mut self, line: &Line<'_>) -> Reading {
        let Some(service) = service(line.program) else {
            return Reading::Unknown;
        };
        let text = line.message;
        if line.program.first().is_some_and(u8::is_ascii_lowercase) {
            return library(line, service, text);
        }
        if let Some(rest) = text.strip_prefix(b"Authentication failed for user ") {
            let Some((user, rest)) = split_last(rest, b"connecting host ") else {
                return Reading::Unknown;
            };
            let user = user
                .strip_suffix(b" ; ")
                .or(user.strip_suffix(b"; "))
                .unwrap_or(user);
            return match whole(rest) {
                Some(address) => {
                    let event = line.event_of(EventKind::AuthFailure, service, address);
                    Reading::Event(event.with_account(user))
                }
                None => Reading::Unknown,
            };
        }
        if let Some((address, rest)) = bracketed(text)
            .or_else(|| leading(text))
            .or_else(|| named(text))
        {
            return host(line, service, address, rest);
        }
        if let Some(rest) = text
            .strip_prefix(b"Remote host ")
            .or(text.strip_prefix(b"Connecting host "))
        {
            return match bracketed(rest).or_else(|| leading(rest)) {
                Some((address, rest)) => host(line, service, address, rest),
                None => Reading::Unknown,
            };
        }
        if text.starts_with(b"Attempt to relay mail to ") {
            // It does not name the host.
            return Reading::Event(line.event(EventKind::RelayDenied, service));
        }
        Reading::Ignored
    }
}

/// `joe [192.0.2.1] authentication failure using internet password`.
fn library(line: &Line<'_>, service: Service, text: &[u8]) -> Reading {
    let text = text.strip_suffix(b" ").unwrap_or(text);
    let Some(head) = text.strip_suffix(b" authentication failure using internet password") else {
        return Reading::Ignored;
    };
    // Behind the address may stand the host's own name for itself.
    let head = match head.strip_suffix(b")") {
        Some(head) => split_last(head, b" (").map_or(head, |(head, _)| head),
        None => head,
    };
    let Some((user, rest)) = split_last(head, b"[") else {
        return match literal(head) {
            Some(address) => line.told(EventKind::AuthFailure, service, address),
            None => Reading::Unknown,
        };
    };
    match rest.strip_suffix(b"]").and_then(literal) {
        Some(address) => {
            let event = line.event_of(EventKind::AuthFailure, service, address);
            Reading::Event(event.with_account(user.strip_suffix(b" ").unwrap_or(user)))
        }
        None => Reading::Unknown,
    }
}

/// What follows a host: ` connected`, ` (name) rejected for policy reasons`, ` was found in DNS Blacklist at ...`.
fn host(line: &Line<'_>, service: Service, address: IpAddr, text: &[u8]) -> Reading {
    let rest = match text.strip_prefix(b" (") {
        Some(inside) => after(inside, b")").unwrap_or(text),
        None => text,
    };
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    if rest == b"connected" {
        return line.told(EventKind::Connect, service, address);
    }
    if rest.starts_with(b"disconnected") {
        let kind = match find(rest, b" 0 message[s] received") {
            None if find(rest, b" message[s] received").is_some() => EventKind::MailAccepted,
            _ => EventKind::Disconnect,
        };
        return line.told(kind, service, address);
    }
    let says = |words: &[u8]| find(&rest[..rest.len().min(512)], words).is_some();
    let kind = if says(b"DNS Blacklist") || says(b"DNS blacklist") {
        EventKind::DnsblRejected
    } else if says(b"attempted to relay") || says(b"elay") {
        EventKind::RelayDenied
    } else if says(b"rejected for policy reasons") || says(b"denied access") || says(b"not allowed")
    {
        EventKind::ClientRejected
    } else {
        return Reading::Ignored;
    };
    line.told(kind, service, address)
}

/// `client.example (192.0.2.1)`, and what follows it.
fn named(text: &[u8]) -> Option<(IpAddr, &[u8])> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    let length = text
        .iter()
        .take(255)
        .take_while(|byte| is_name(byte))
        .count();
    let (address, rest) = leading(text[length..].strip_prefix(b" (")?)?;
    Some((address, rest.strip_prefix(b")")?))
}

/// An address, with or without brackets, that ends the line.
fn whole(text: &[u8]) -> Option<IpAddr> {
    match bracketed(text).or_else(|| leading(text))? {
        (address, [] | b" ") => Some(address),
        _ => None,
    }
}

/// `2018-09-19 17:25:50`, `09/19/2018 05:25:50 PM`, `19.09.2018 17:25:50`, `19/09/2018 17:25:50`.
fn stamp(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let (day, rest) = text.split_first_chunk::<11>()?;
    let [day @ .., b' '] = day else { return None };
    let civil = |year: i32, month, day, rest| -> Option<(Civil, &[u8])> {
        let (time, rest) = clock_time(rest)?;
        let hour = u8::try_from(time.as_secs() / 3600).ok()?;
        let (time, rest) = match rest {
            [b' ', b'P', b'M', rest @ ..] if hour < 12 => (time + clock(12, 0, 0)?, rest),
            [b' ', b'A', b'M', rest @ ..] if hour == 12 => {
                (time.saturating_sub(clock(12, 0, 0)?), rest)
            }
            [b' ', b'A' | b'P', b'M', rest @ ..] => (time, rest),
            _ => (time, rest),
        };
        Some((date(year, month, day, time)?, rest))
    };
    let year = |digits: &[u8]| number::<u32>(digits).and_then(|year| i32::try_from(year).ok());
    let (civil, rest) = match *day {
        [_, _, _, _, b'-', m0, m1, b'-', d0, d1] => {
            civil(year(&day[..4])?, two(m0, m1)?, two(d0, d1)?, rest)?
        }
        [
            a0,
            a1,
            separator @ (b'/' | b'.' | b'-'),
            b0,
            b1,
            same,
            _,
            _,
            _,
            _,
        ] if same == separator => {
            let (first, second) = (two(a0, a1)?, two(b0, b1)?);
            // Slashes are mostly American; what cannot be a month tells.
            let is_month_first = separator == b'/' && first <= 12;
            let (month, day_of_month) = if is_month_first {
                (first, second)
            } else {
                (second, first)
            };
            civil(year(&day[6..])?, month, day_of_month, rest)?
        }
        _ => return None,
    };
    Some((Stamp::Local(civil), rest))
}

#[cfg(test)]
mod tests {
    use super::stamp;
    use crate::envelope::Stamp;

    #[track_caller]
    fn check(text: &str, year: i32, month: u8, day: u8, hour: u64) {
        let Some((Stamp::Local(civil), b"  x")) = stamp(text.as_bytes()) else {
            panic!("{text}")
        };
        let hours = civil.time.as_secs() / 3600;
        assert_eq!(
            (civil.year, civil.month, civil.day, hours),
            (year, month, day, hour),
            "{text}"
        );
    }

    #[test]
    fn dates_of_some_locales_are_read() {
        check("2018-09-19 17:25:50  x", 2018, 9, 19, 17);
        check("09/19/2018 05:25:50 PM  x", 2018, 9, 19, 17);
        check("09/19/2018 12:25:50 AM  x", 2018, 9, 19, 0);
        check("19.09.2018 17:25:50  x", 2018, 9, 19, 17);
        check("19/09/2018 17:25:50  x", 2018, 9, 19, 17);
        assert_eq!(stamp(b"19.19.2018 17:25:50  x"), None);
    }
}
