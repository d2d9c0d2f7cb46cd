//! `NAME [ADDRESS] (may be forged)`, as sendmail writes a client (`CurSmtpClient`, macro `_`).

use std::net::IpAddr;

use super::super::{
    address::{LITERAL_MAX, literal},
    text::{find, rfind},
};

/// Longest name (RFC 1035), with a user of ident before it.
const NAME_MAX: usize = 512;

/// The client that `text` begins with, and what follows it.
///
/// The name is from DNS, and the user before it from the client's ident: sendmail lets only atoms through, which hold
/// neither blank nor bracket.
pub(super) fn client(text: &[u8]) -> Option<(IpAddr, &[u8])> {
    let text = text.strip_prefix(b"IDENT:").unwrap_or(text);
    let name = text
        .iter()
        .take(NAME_MAX)
        .take_while(|&&byte| is_atom_byte(byte))
        .count();
    let rest = match name {
        0 => text,
        _ => text[name..].strip_prefix(b" ")?,
    };
    let (address, rest) = bracketed(rest)?;
    let rest = rest.strip_prefix(b" (may be forged)").unwrap_or(rest);
    Some((address, rest))
}

/// `[192.0.2.1]` or `[IPv6:2001:db8:0:0:0:0:0:1]`.
pub(super) fn bracketed(text: &[u8]) -> Option<(IpAddr, &[u8])> {
    const IPV6: &[u8] = b"IPv6:";
    let inside = text.strip_prefix(b"[")?;
    let inside = inside.strip_prefix(IPV6).unwrap_or(inside);
    let end = inside
        .iter()
        .take(LITERAL_MAX + 1)
        .position(|&byte| byte == b']')?;
    Some((literal(&inside[..end])?, &inside[end + 1..]))
}

/// The client that ends a line after the last `head`, and what stands before it.
pub(super) fn last<'a>(text: &'a [u8], head: &[u8]) -> Option<(IpAddr, &'a [u8])> {
    let at = rfind(text, head)?;
    match client(&text[at + head.len()..])? {
        (address, []) => Some((address, &text[..at])),
        _ => None,
    }
}

/// What a text says of a client that stands after `head` and before `tail`, in the midst of what a client may have written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found<'a> {
    /// The client, and what follows the first `tail`.
    Client(IpAddr, &'a [u8]),
    /// Two that it may be.
    Refused,
    Nobody,
}

/// The client after `head` and before one of `tails`. One before another field stands against it.
pub(super) fn between<'a>(text: &'a [u8], head: &[u8], tails: &[&[u8]]) -> Found<'a> {
    let mut found = Found::Nobody;
    let mut seen = None;
    let mut rest = text;
    while let Some(at) = find(rest, head) {
        rest = &rest[at + head.len()..];
        let Some((address, after @ ([] | [b',', ..]))) = client(rest) else {
            continue;
        };
        if seen.is_some_and(|other| other != address) {
            return Found::Refused;
        }
        seen = Some(address);
        if let Some(tail) = tails.iter().find(|tail| after.starts_with(tail))
            && found == Found::Nobody
        {
            found = Found::Client(address, &after[tail.len()..]);
        }
    }
    found
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-./=?@^_`{|}~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{Found, between, client, last};

    #[track_caller]
    fn check(text: &str, address: &str, rest: &str) {
        let expected = (address.parse().unwrap(), rest.as_bytes());
        assert_eq!(client(text.as_bytes()), Some(expected), "{text}");
    }

    #[test]
    fn a_client_is_name_and_address() {
        check("[192.0.2.1]", "192.0.2.1", "");
        check(
            "a.example [192.0.2.1] (may be forged), x",
            "192.0.2.1",
            ", x",
        );
        check("joe@a.example [192.0.2.1]: x", "192.0.2.1", ": x");
        check("192.0.2.99.dyn.example [192.0.2.1]", "192.0.2.1", "");
        check("[IPv6:2001:db8:0:0:0:0:0:1]", "2001:db8::1", "");
        check("[IPv6:::ffff:192.0.2.1]", "192.0.2.1", "");
        for text in [
            "",
            "localhost",
            "root@localhost",
            "a b [192.0.2.1]",
            "[192.0.2.01]",
            "[x]",
            "a [192.0.2.1",
        ] {
            assert_eq!(client(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_last_ends_the_line() {
        let text = b"user=x, relay=[192.0.2.99], relay=a.example [192.0.2.1] (may be forged)";
        let expected = (
            "192.0.2.1".parse().unwrap(),
            b"user=x, relay=[192.0.2.99]".as_slice(),
        );
        assert_eq!(last(text, b", relay="), Some(expected));
        assert_eq!(last(b"x, relay=[192.0.2.1] y", b", relay="), None);
    }

    #[test]
    fn two_candidates_are_refused() {
        let tails: &[&[u8]] = &[b", reject="];
        let text = b"<x, relay=[192.0.2.99], reject=1>, relay=[192.0.2.1], reject=550 no";
        assert_eq!(between(text, b", relay=", tails), Found::Refused);
        let text = b"<x, relay=[192.0.2.99], x>, relay=[192.0.2.1], reject=550 no";
        assert_eq!(between(text, b", relay=", tails), Found::Refused);
        let text = b"<x, relay=[192.0.2.99]>, relay=[192.0.2.1], reject=550 no";
        let expected = Found::Client("192.0.2.1".parse().unwrap(), b"550 no");
        assert_eq!(between(text, b", relay=", tails), expected);
    }
}
