//! postgrey, a policy server: `action=greylist, reason=early-retry (295s missing), client_name=x, client_address=192.0.2.1, ...`.

use super::super::{
    Line, Reading,
    address::literal,
    name,
    text::{after, before},
};
use crate::event::{EventKind, Score, Service};

pub(super) fn read(line: &Line<'_>) -> Reading {
    let Some(rest) = line.message.strip_prefix(b"action=") else {
        return Reading::Ignored;
    };
    if !rest.starts_with(b"greylist, ") {
        return Reading::Ignored;
    }
    // The fields before it are postgrey's own words and a name from DNS, which holds no comma.
    let Some(rest) = after(rest, b", client_address=") else {
        return Reading::Unknown;
    };
    let Some(address) = literal(before(rest, b", ")) else {
        return Reading::Unknown;
    };
    let mut event = line.event(EventKind::ClientRejected, Service::Smtp);
    event.address = Some(address);
    event.recipient = after(rest, b", recipient=").and_then(name);
    // Asked to come again, as every stranger is.
    event.score = Score::ZERO;
    Reading::Event(event)
}
