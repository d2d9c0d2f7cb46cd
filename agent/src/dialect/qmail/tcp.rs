//! rblsmtpd and tcpserver (ucspi-tcp).

use std::net::IpAddr;

use super::super::{
    Line, Reading,
    address::leading,
    sessions::{Key, Sessions},
    text::{after, before, number, starts_with_any},
};
use crate::event::{EventKind, Score, Service};

/// `192.0.2.1 pid 4711: 451 TEXT`, `192.0.2.1 pid 4711 LIST: 451 TEXT`, or `LIST blocked 192.0.2.1 TEXT`. The text is that of the list.
pub(super) fn rblsmtpd(line: &Line<'_>, text: &[u8]) -> Reading {
    let told = |address: IpAddr, is_temporary: bool| {
        Reading::Event(
            line.event_of(EventKind::DnsblRejected, Service::Smtp, address)
                .excused(is_temporary),
        )
    };
    if let Some((address, rest)) = leading(text) {
        let Some(rest) = rest.strip_prefix(b" pid ") else {
            return Reading::Unknown;
        };
        let Some(reply) = after(rest, b": ") else {
            return Reading::Unknown;
        };
        return told(address, !reply.starts_with(b"5"));
    }
    let list = before(text, b" ");
    let rest = text.get(list.len()..).unwrap_or_default();
    if let Some((address, rest)) = rest.strip_prefix(b" blocked ").and_then(leading) {
        return match rest {
            // It answers with 451 unless it is told to refuse for good.
            [] | [b' ', ..] => told(address, false),
            _ => Reading::Unknown,
        };
    }
    match starts_with_any(text, &[b"warning: ", b"fatal: ", b"usage: "]) {
        true => Reading::Ignored,
        false => Reading::Unknown,
    }
}

/// tcpserver: its processes and whom they serve.
#[derive(Default)]
pub(super) struct Tcpserver {
    clients: Sessions<IpAddr>,
}

impl Tcpserver {
    /// `pid 4711 from 192.0.2.1`, then `ok 4711 ...` or `deny 4711 ...`, in which names and ident answers hide the address; `end 4711 status 0`.
    pub(super) fn read(&mut self, line: &Line<'_>, text: &[u8]) -> Reading {
        let mut words = text.split(|&byte| byte == b' ');
        let (verb, pid) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let key = || number::<u32>(pid).map(|_| Key::new(&[line.host, pid]));
        match verb {
            b"pid" => {
                let rest = text.get(4 + pid.len()..).unwrap_or_default();
                let client = rest.strip_prefix(b" from ").and_then(leading);
                let (Some(key), Some((address, []))) = (key(), client) else {
                    return Reading::Unknown;
                };
                self.clients.insert(key, address);
                line.told(EventKind::Connect, Service::Smtp, address)
            }
            b"deny" => match key().and_then(|key| self.clients.remove(key)) {
                Some(address) => Reading::Event(
                    line.event_of(EventKind::ClientRejected, Service::Smtp, address)
                        .with_score(Score::ZERO),
                ),
                None => Reading::Ignored,
            },
            b"end" => match key().and_then(|key| self.clients.remove(key)) {
                Some(address) => line.told(EventKind::Disconnect, Service::Smtp, address),
                None => Reading::Ignored,
            },
            b"ok" | b"status:" | b"warning:" | b"fatal:" => Reading::Ignored,
            _ => Reading::Unknown,
        }
    }
}
