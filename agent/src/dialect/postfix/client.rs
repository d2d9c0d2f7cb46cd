//! `NAME[ADDRESS]:PORT`, as Postfix writes a client.

use std::net::IpAddr;

use super::super::{
    Reading,
    address::{LITERAL_MAX, bracketed, literal},
};
use crate::lanes;

/// Longest name (RFC 1035).
const NAME_MAX: usize = 255;

/// A client as a line names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Client {
    /// Its address; `None` for `unknown[unknown]`, a client that was gone before it could be asked.
    pub(super) address: Option<IpAddr>,
    /// Its port, with `smtpd_client_port_logging`.
    pub(super) port: Option<u16>,
}

/// The client that `text` begins with, and what follows it.
///
/// The name comes from DNS, so the client may choose it, but Postfix lets only letters, digits and `-._` through: the first
/// bracket is always that of the address.
pub(super) fn client(text: &[u8]) -> Option<(Client, &[u8])> {
    let name = lanes::run(text, NAME_MAX, is_name_byte);
    let (address, rest) = match text[name..].strip_prefix(b"[unknown]") {
        Some(rest) => (None, rest),
        None => {
            let (address, rest) = bracketed(&text[name..])?;
            (Some(address), rest)
        }
    };
    let (port, rest) = port(rest);
    Some((Client { address, port }, rest))
}

/// What a line says whose client is not written as Postfix writes one: it names two or more, or none.
pub(super) fn no_client(text: &[u8]) -> Reading {
    let mut seen = None;
    for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'[') {
        let inside = &text[at + 1..];
        let end = inside
            .iter()
            .take(LITERAL_MAX + 1)
            .position(|&byte| byte == b']');
        let Some(found) = end.and_then(|end| literal(&inside[..end])) else {
            continue;
        };
        if seen.is_some_and(|seen| seen != found) {
            return Reading::Refused;
        }
        seen = Some(found);
    }
    Reading::Unknown
}

/// `:48123`, if that is what `text` begins with.
fn port(text: &[u8]) -> (Option<u16>, &[u8]) {
    let Some(rest) = text.strip_prefix(b":") else {
        return (None, text);
    };
    let digits = rest
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let number = std::str::from_utf8(&rest[..digits])
        .ok()
        .and_then(|digits| digits.parse().ok());
    match number {
        Some(port) => (Some(port), &rest[digits..]),
        None => (None, text),
    }
}

fn is_name_byte(byte: u8) -> bool {
    lanes::is_alphanumeric(byte) | (byte == b'-') | (byte == b'.') | (byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::{Client, client, no_client};
    use crate::dialect::Reading;

    #[track_caller]
    fn check(text: &str, address: Option<&str>, port: Option<u16>, rest: &str) {
        let address = address.map(|address| address.parse().unwrap());
        let expected = (Client { address, port }, rest.as_bytes());
        assert_eq!(client(text.as_bytes()), Some(expected), "{text}");
    }

    #[test]
    fn a_client_is_name_address_and_port() {
        check("unknown[192.0.2.1]: x", Some("192.0.2.1"), None, ": x");
        check(
            "a-b.example[192.0.2.1]:48123: x",
            Some("192.0.2.1"),
            Some(48123),
            ": x",
        );
        check("[192.0.2.1]:25", Some("192.0.2.1"), Some(25), "");
        check("unknown[2001:db8::1]", Some("2001:db8::1"), None, "");
        check("unknown[::ffff:192.0.2.1]", Some("192.0.2.1"), None, "");
        check("unknown[unknown] x", None, None, " x");
        // The name may look like an address; it is not one.
        check(
            "192.0.2.99.dyn.example[192.0.2.1]",
            Some("192.0.2.1"),
            None,
            "",
        );
    }

    #[test]
    fn what_is_not_written_so_is_no_client() {
        for text in [
            "",
            "unknown",
            "unknown[",
            "unknown[192.0.2.1",
            "unknown[192.0.2.01]",
            "unknown[192.0.2.256]",
            "unknown[192.0.2.1/24]",
            "unknown[fe80::1%eth0]",
            "unknown[]",
            "a b[192.0.2.1]",
            "<a>[192.0.2.1]",
            "unknown[a.example]",
            "unknown[                                                  192.0.2.1]",
        ] {
            assert_eq!(client(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn two_candidates_are_refused() {
        assert_eq!(no_client(b"a b[192.0.2.1] c[192.0.2.2]"), Reading::Refused);
        assert_eq!(no_client(b"a b[192.0.2.1] c[192.0.2.1]"), Reading::Unknown);
        assert_eq!(no_client(b"a b[192.0.2.1] c[[]]"), Reading::Unknown);
    }
}
