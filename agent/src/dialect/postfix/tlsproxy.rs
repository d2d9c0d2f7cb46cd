//! tlsproxy, which speaks TLS for postscreen: `SSL_accept error from [192.0.2.1]:59415: ...`.

use super::{
    super::{Line, Reading},
    client::client,
};
use crate::event::{EventKind, Service};

/// Handshakes that failed. With the service of smtpd the peer is a client, else it is a server that mail goes to.
const FAILURES: &[&[u8]] = &[
    b"SSL_accept error from ",
    b"TLS handshake failed for service=smtpd peer=",
];

pub(super) fn read(line: &Line<'_>) -> Reading {
    let peer = FAILURES
        .iter()
        .find_map(|head| line.message.strip_prefix(*head))
        .and_then(client);
    let Some((client, [] | [b':', ..])) = peer else {
        return Reading::Ignored;
    };
    let mut event = line.event(EventKind::TlsFailure, Service::Smtp);
    event.address = client.address;
    Reading::Event(event)
}
