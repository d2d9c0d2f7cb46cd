//! The columns of a log.

use std::{borrow::Cow, net::IpAddr};

use super::super::{
    address::{bracketed, literal},
    dates::{date, four, two},
    text::number,
};
use crate::envelope::{Stamp, clock_time};

/// Most columns that are looked at.
const COLUMNS_MAX: usize = 24;

/// Which column has what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    session: usize,
    local: usize,
    remote: usize,
    what: What,
}

/// The columns that differ.
#[derive(Clone, Copy, Debug)]
enum What {
    Smtp {
        event: usize,
        data: usize,
        context: usize,
    },
    Mailbox {
        user: usize,
        command: usize,
        context: usize,
    },
}

/// The values of one line. Those that are missing are empty.
pub(super) struct Values<'a> {
    pub(super) session: Cow<'a, [u8]>,
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    /// `+`, `-`, `>`, `<` or `*`; empty in logs of mailboxes.
    pub(super) event: Cow<'a, [u8]>,
    /// What was said, or the command.
    pub(super) data: Cow<'a, [u8]>,
    pub(super) context: Cow<'a, [u8]>,
    pub(super) user: Cow<'a, [u8]>,
}

impl Columns {
    /// Those that a `#Fields:` line names, if they are of a log of SMTP, IMAP4 or POP3.
    pub(super) fn of(names: &[u8]) -> Option<Self> {
        let names: Vec<Vec<u8>> = names
            .split(|&byte| byte == b',')
            .take(COLUMNS_MAX)
            .map(|name| name.trim_ascii().to_ascii_lowercase())
            .collect();
        let at = |name: &[u8]| names.iter().position(|other| other == name);
        let session = at(b"session-id").or(at(b"sessionid"))?;
        let what = match at(b"event") {
            Some(event) => What::Smtp {
                event,
                data: at(b"data")?,
                context: at(b"context")?,
            },
            None => What::Mailbox {
                user: at(b"user")?,
                command: at(b"command")?,
                context: at(b"context")?,
            },
        };
        Some(Self {
            session,
            local: at(b"local-endpoint").or(at(b"sip"))?,
            remote: at(b"remote-endpoint").or(at(b"cip"))?,
            what,
        })
    }

    /// Those of a line without a header, if its shape is certain: two endpoints with ports where they should be, between the
    /// sequence's number and a sign of SMTP or three numbers.
    pub(super) fn by_default(line: &[u8]) -> Option<Self> {
        const SMTP: Columns = Columns {
            session: 2,
            local: 4,
            remote: 5,
            what: What::Smtp {
                event: 6,
                data: 7,
                context: 8,
            },
        };
        const MAILBOX: Columns = Columns {
            session: 1,
            local: 3,
            remote: 4,
            what: What::Mailbox {
                user: 5,
                command: 9,
                context: 11,
            },
        };
        let fields: Vec<Cow<'_, [u8]>> = Fields(line).take(9).collect();
        let is_number = |at: usize| {
            fields
                .get(at)
                .is_some_and(|field| number::<u32>(field).is_some())
        };
        let is_sign = fields
            .get(6)
            .is_some_and(|field| matches!(&field[..], b"+" | b"-" | b">" | b"<" | b"*"));
        let has_ends = |local: usize, remote: usize| {
            [local, remote].iter().all(|&at| {
                fields
                    .get(at)
                    .is_some_and(|field| endpoint(field).is_some_and(|(_, port)| port > 0))
            })
        };
        if is_sign && is_number(3) && has_ends(4, 5) {
            Some(SMTP)
        } else if is_number(2) && has_ends(3, 4) && (6..9).all(is_number) {
            Some(MAILBOX)
        } else {
            None
        }
    }

    pub(super) fn is_smtp(&self) -> bool {
        matches!(self.what, What::Smtp { .. })
    }

    /// Whether the endpoints are where they should be.
    pub(super) fn fits(&self, line: &[u8]) -> bool {
        let mut fields = Fields(line);
        let last = self.local.max(self.remote);
        let mut found = 0;
        for at in 0..=last {
            let Some(field) = fields.next() else { break };
            if (at == self.local || at == self.remote) && endpoint(&field).is_some() {
                found += 1;
            }
        }
        found == 2
    }

    pub(super) fn values<'a>(&self, line: &'a [u8]) -> Values<'a> {
        let mut fields: Vec<Cow<'a, [u8]>> = Fields(line).take(COLUMNS_MAX).collect();
        let mut take = |at: usize| fields.get_mut(at).map(std::mem::take).unwrap_or_default();
        let remote = take(self.remote);
        let local = take(self.local);
        let none = Cow::Borrowed(b"".as_slice());
        let (event, data, context, user) = match self.what {
            What::Smtp {
                event,
                data,
                context,
            } => (take(event), take(data), take(context), none),
            What::Mailbox {
                user,
                command,
                context,
            } => (none, take(command), take(context), take(user)),
        };
        Values {
            session: take(self.session),
            address: endpoint(&remote).map(|(address, _)| address),
            port: endpoint(&local).map_or(0, |(_, port)| port),
            event,
            data,
            context,
            user,
        }
    }
}

/// `2022-07-20T21:12:06.270Z,`: UTC.
pub(super) fn stamp(line: &[u8]) -> Option<Stamp> {
    let (head, rest) = line.split_first_chunk::<11>()?;
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T'] = head else {
        return None;
    };
    let (time, rest) = clock_time(rest)?;
    rest.starts_with(b"Z,").then_some(())?;
    let civil = date(four([y0, y1, y2, y3])?, two(m0, m1)?, two(d0, d1)?, time)?;
    Some(Stamp::Zoned { civil, offset_s: 0 })
}

/// `192.0.2.1:25` or `[2001:db8::1]:25`.
fn endpoint(text: &[u8]) -> Option<(IpAddr, u16)> {
    let colon = text.iter().rposition(|&byte| byte == b':')?;
    let (head, port) = (&text[..colon], &text[colon + 1..]);
    let port = number::<u32>(port).and_then(|port| u16::try_from(port).ok())?;
    let address = match bracketed(head) {
        Some((address, [])) => address,
        // Without brackets the port cannot be told from the address.
        _ if head.contains(&b':') => return None,
        _ => literal(head)?,
    };
    Some((address, port))
}

/// The fields of a line of CSV (RFC 4180).
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Cow<'a, [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = std::mem::take(&mut self.0);
        if text.is_empty() {
            return None;
        }
        let Some(quoted) = text.strip_prefix(b"\"") else {
            let end = text.iter().position(|&byte| byte == b',');
            let (field, rest) = text.split_at(end.unwrap_or(text.len()));
            self.0 = rest.get(1..).unwrap_or_default();
            return Some(Cow::Borrowed(field));
        };
        let mut field = Vec::new();
        let mut rest = quoted;
        loop {
            let end = rest.iter().position(|&byte| byte == b'"');
            let (part, tail) = rest.split_at(end.unwrap_or(rest.len()));
            field.extend_from_slice(part);
            match tail {
                [b'"', b'"', tail @ ..] => {
                    field.push(b'"');
                    rest = tail;
                }
                [b'"', b',', tail @ ..] => {
                    self.0 = tail;
                    return Some(Cow::Owned(field));
                }
                _ => return Some(Cow::Owned(field)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, endpoint};

    #[test]
    fn fields_may_be_quoted() {
        let fields: Vec<_> = Fields(br#"a,"b,""c""",,d"#).collect();
        assert_eq!(fields, [b"a".as_slice(), br#"b,"c""#, b"", b"d"]);
        assert_eq!(Fields(br#""a"#).count(), 1);
        assert_eq!(Fields(b"").count(), 0);
    }

    #[test]
    fn an_endpoint_is_address_and_port() {
        for (text, address) in [
            ("192.0.2.1:25", "192.0.2.1"),
            ("[2001:db8::1]:25", "2001:db8::1"),
            ("[::ffff:192.0.2.1]:25", "192.0.2.1"),
        ] {
            assert_eq!(
                endpoint(text.as_bytes()),
                Some((address.parse().unwrap(), 25)),
                "{text}"
            );
        }
        assert_eq!(endpoint(b"192.0.2.1"), None);
        assert_eq!(endpoint(b"2001:db8::1:25"), None);
        assert_eq!(endpoint(b":25"), None);
    }
}
