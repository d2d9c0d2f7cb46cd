//! `H=NAME (HELO) [ADDRESS]:PORT`, as Exim writes a client (`host_and_ident` in `smtp_in.c`, `sender_fullhost`).
//!
//! The name is from DNS: Exim takes none with other than letters, digits and `-._/` (`dns_check_names_pattern`). HELO is the
//! client's, and where `helo_accept_junk_hosts` lets it, it may hold a forged end of itself and a forged address. So each
//! end that HELO may have is a candidate, and only one address may come of them.

use std::net::IpAddr;

use super::super::{
    address::bracketed,
    text::{find, starts_with_any},
};
use crate::lanes;

/// Longest name (RFC 1035).
const NAME_MAX: usize = 255;

/// A client as a line names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// Its port, with `log_selector = +incoming_port`.
    pub(super) port: Option<u16>,
}

/// The client in a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found<'a> {
    /// The client, and what follows it.
    Client(Client, &'a [u8]),
    /// Two that it may be.
    Refused,
    Nobody,
}

/// Fields that follow a client, in any line.
const FIELDS: &[&[u8]] = &[
    b" I=[", b" Ci=", b" U=", b" X=", b" CV=", b" DN=", b" SNI=", b" PRX=", b" A=", b" F=",
];

/// The client that `text` begins with. `tails` are what may follow a client in such a line, beside its fields.
pub(super) fn at<'a>(text: &'a [u8], tails: &[&[u8]]) -> Found<'a> {
    let mut found = Candidates::default();
    if let Some(helo) = begin(text, tails, &mut found) {
        ends_of_helo(helo, tails, &mut found);
    }
    found.found()
}

/// The client after a `marker`, in a text whose beginning a client may have written.
pub(super) fn after_any<'a>(text: &'a [u8], marker: &[u8], tails: &[&[u8]]) -> Found<'a> {
    let mut found = Candidates::default();
    let mut helo = None;
    let mut rest = text;
    while let Some(place) = find(rest, marker) {
        rest = &rest[place + marker.len()..];
        let begun = begin(rest, tails, &mut found);
        // All that ends a later HELO ends the first one.
        helo = helo.or(begun);
    }
    if let Some(helo) = helo {
        ends_of_helo(helo, tails, &mut found);
    }
    found.found()
}

/// Reads up to HELO, which it gives back, or the whole client if there is none.
fn begin<'a>(text: &'a [u8], tails: &[&[u8]], found: &mut Candidates<'a>) -> Option<&'a [u8]> {
    // Since 4.99, lines that had no tag have one.
    let text = text.strip_prefix(b"H=").unwrap_or(text);
    let name = lanes::run(text, NAME_MAX, is_name_byte);
    let rest = match name {
        0 => text,
        _ => text[name..].strip_prefix(b" ")?,
    };
    if let Some(helo) = rest.strip_prefix(b"(") {
        return Some(helo);
    }
    candidate(rest, tails, found);
    None
}

fn ends_of_helo<'a>(text: &'a [u8], tails: &[&[u8]], found: &mut Candidates<'a>) {
    let mut rest = text;
    while let Some(place) = find(rest, b") [") {
        rest = &rest[place + 2..];
        candidate(rest, tails, found);
    }
}

/// `[ADDRESS]:PORT`. What cannot follow an address where Exim writes one makes it no candidate; what may, but is not known in
/// such a line, makes it one that only stands against others.
fn candidate<'a>(text: &'a [u8], tails: &[&[u8]], found: &mut Candidates<'a>) {
    let Some((client, rest)) = address_and_port(text) else {
        return;
    };
    if !matches!(rest.first(), None | Some(b' ' | b':' | b')' | b',')) {
        return;
    }
    if found.address.is_some_and(|other| other != client.address) {
        found.is_refused = true;
    }
    found.address = Some(client.address);
    let fits = rest.is_empty() || starts_with_any(rest, FIELDS) || starts_with_any(rest, tails);
    if fits && found.first.is_none() {
        found.first = Some((client, rest));
    }
}

/// The candidates of a text.
#[derive(Default)]
struct Candidates<'a> {
    address: Option<IpAddr>,
    is_refused: bool,
    first: Option<(Client, &'a [u8])>,
}

impl<'a> Candidates<'a> {
    fn found(self) -> Found<'a> {
        match self.first {
            _ if self.is_refused => Found::Refused,
            Some((client, rest)) => Found::Client(client, rest),
            None => Found::Nobody,
        }
    }
}

fn address_and_port(text: &[u8]) -> Option<(Client, &[u8])> {
    let (address, rest) = bracketed(text)?;
    let digits = match rest.strip_prefix(b":") {
        Some(port) => port
            .iter()
            .take(6)
            .take_while(|byte| byte.is_ascii_digit())
            .count(),
        None => 0,
    };
    if digits == 0 {
        return Some((
            Client {
                address,
                port: None,
            },
            rest,
        ));
    }
    let port = std::str::from_utf8(&rest[1..=digits]).ok()?.parse().ok()?;
    let client = Client {
        address,
        port: Some(port),
    };
    Some((client, &rest[digits + 1..]))
}

fn is_name_byte(byte: u8) -> bool {
    lanes::is_alphanumeric(byte) | lanes::between(byte, b'-', b'/') | (byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::{Client, Found, after_any, at};

    #[track_caller]
    fn check(text: &str, address: &str, port: Option<u16>, rest: &str) {
        let client = Client {
            address: address.parse().unwrap(),
            port,
        };
        let expected = Found::Client(client, rest.as_bytes());
        assert_eq!(at(text.as_bytes(), &[b": ", b" x"]), expected, "{text}");
    }

    #[test]
    fn a_client_is_name_helo_address_and_port() {
        check("[192.0.2.1]", "192.0.2.1", None, "");
        check("H=[192.0.2.1]:4711 x", "192.0.2.1", Some(4711), " x");
        check("a.example [2001:db8::1]: x", "2001:db8::1", None, ": x");
        check("a.example (b) [192.0.2.1] x", "192.0.2.1", None, " x");
        check(
            "(b) [192.0.2.1]:1 I=[192.0.2.9]:25",
            "192.0.2.1",
            Some(1),
            " I=[192.0.2.9]:25",
        );
        check("([192.0.2.99]) [192.0.2.1] x", "192.0.2.1", None, " x");
        check("(a (b) c) [::ffff:192.0.2.1] x", "192.0.2.1", None, " x");
        // What does not go on as a client does is HELO's.
        check(
            "(a) [192.0.2.99]? (b) [192.0.2.1] x",
            "192.0.2.1",
            None,
            " x",
        );
    }

    #[test]
    fn two_candidates_are_refused() {
        for text in [
            "(a) [192.0.2.1] x (b) [192.0.2.2] x",
            "(a) [192.0.2.1]: x) [192.0.2.2]: x",
            "(a) [192.0.2.1] x) [192.0.2.2] what is not known here",
        ] {
            assert_eq!(
                at(text.as_bytes(), &[b": ", b" x"]),
                Found::Refused,
                "{text}"
            );
        }
        let text = br#"c" H=(a) [192.0.2.1] x" H=[192.0.2.2] x"#;
        assert_eq!(after_any(text, b"\" H=", &[b" x"]), Found::Refused);
    }

    #[test]
    fn what_is_not_written_so_is_nobody() {
        for text in [
            "",
            "a",
            "a [192.0.2.1",
            "[192.0.2.256] x",
            "(a [192.0.2.1] x",
            "a b [192.0.2.1] x",
            "[a] x",
        ] {
            assert_eq!(at(text.as_bytes(), &[b" x"]), Found::Nobody, "{text}");
        }
    }
}
