//! anvil, which counts what clients do: `statistics: max connection rate 12/60s for (smtp:192.0.2.1) at Sep 19 12:10:57`.
//!
//! It names the busiest client of ten minutes, good or bad; when one goes over a limit, smtpd says so.

use super::super::{
    Line, Reading,
    address::literal,
    text::{after, before},
};
use crate::event::{EventKind, Score, Service};

pub(super) fn read(line: &Line<'_>) -> Reading {
    let Some(rest) = line.message.strip_prefix(b"statistics: max ") else {
        return Reading::Ignored;
    };
    let Some(client) = after(rest, b" for (") else {
        return Reading::Ignored;
    };
    let Some(address) = address(before(client, b")")) else {
        return Reading::Ignored;
    };
    let mut event = line.event(EventKind::RateLimited, Service::Smtp);
    event.address = Some(address);
    event.score = Score::ZERO;
    Reading::Event(event)
}

/// The address in `SERVICE:ADDRESS`; the service is as `master.cf` names it: `smtp`, `10025` or `198.51.100.1:10025`.
fn address(client: &[u8]) -> Option<std::net::IpAddr> {
    let (service, rest) = split(client)?;
    match literal(service) {
        Some(_) => literal(split(rest)?.1),
        None => literal(rest),
    }
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == b':')?;
    Some((&text[..at], &text[at + 1..]))
}
