//! Addresses as programs write them.

use std::net::{IpAddr, Ipv4Addr};

/// Longest literal: an IPv6 address with an IPv4 tail.
pub(super) const LITERAL_MAX: usize = 45;

/// A strict literal; one that is mapped into IPv6 is the IPv4 address it stands for.
pub(super) fn literal(text: &[u8]) -> Option<IpAddr> {
    if text.len() > LITERAL_MAX {
        return None;
    }
    if let Some((address, [])) = dotted_quad(text) {
        return Some(address.into());
    }
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// The literal that `text` begins with, and what follows it. A full stop or a colon that ends it is the sentence's.
pub(super) fn leading(text: &[u8]) -> Option<(IpAddr, &[u8])> {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let mut end = text
        .iter()
        .take(LITERAL_MAX + 1)
        .take_while(|byte| is_part(byte))
        .count();
    if let [.., before, b'.' | b':'] = &text[..end]
        && *before != b':'
    {
        end -= 1;
    }
    let (address, rest) = text.split_at(end);
    // The number goes on with what is no part of one: a name that looks like an address, or a port that looks like its end.
    if rest.first().is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    Some((literal(address)?, rest))
}

/// The literal in brackets that `text` begins with, and what follows them.
pub(super) fn bracketed(text: &[u8]) -> Option<(IpAddr, &[u8])> {
    let inside = text.strip_prefix(b"[")?;
    if let Some((address, [b']', rest @ ..])) = dotted_quad(inside) {
        return Some((address.into(), rest));
    }
    let end = memchr::memchr(b']', &inside[..inside.len().min(LITERAL_MAX + 1)])?;
    Some((literal(&inside[..end])?, &inside[end + 1..]))
}

/// The address of `NAME [ADDRESS]`, `NAME[ADDRESS]` or `[ADDRESS]`, and what follows it. The name comes from DNS, so the client
/// may choose it, but a name has no blanks and no brackets.
pub(super) fn host(text: &[u8]) -> Option<(IpAddr, &[u8])> {
    const NAME_MAX: usize = 255;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let name = text
        .iter()
        .take(NAME_MAX)
        .take_while(|byte| is_name(byte))
        .count();
    let rest = &text[name..];
    bracketed(match rest {
        [b' ', rest @ ..] if name > 0 => rest,
        _ => rest,
    })
}

/// What most addresses are: four decimal numbers without leading zeros, and what follows them, which may be more of a number.
fn dotted_quad(text: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let mut octets = [0; 4];
    let mut rest = text;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let mut value = 0_u32;
        let mut digits = 0;
        while let [byte @ b'0'..=b'9', after @ ..] = rest {
            value = value * 10 + u32::from(byte - b'0');
            digits += 1;
            if digits > 3 || (digits == 2 && value < 10) || (digits == 3 && value < 100) {
                return None;
            }
            rest = after;
        }
        if digits == 0 {
            return None;
        }
        *octet = u8::try_from(value).ok()?;
    }
    Some((octets.into(), rest))
}

#[cfg(test)]
mod tests {
    use super::{bracketed, host, leading, literal};

    #[test]
    fn a_leading_address_ends_where_the_sentence_goes_on() {
        for (text, address, rest) in [
            ("192.0.2.1", "192.0.2.1", ""),
            ("192.0.2.1.", "192.0.2.1", "."),
            ("192.0.2.1: x", "192.0.2.1", ": x"),
            ("192.0.2.1, x", "192.0.2.1", ", x"),
            ("2001:db8::1 x", "2001:db8::1", " x"),
            ("2001:db8:: x", "2001:db8::", " x"),
            ("::ffff:192.0.2.1,x", "192.0.2.1", ",x"),
        ] {
            let expected = Some((address.parse().unwrap(), rest.as_bytes()));
            assert_eq!(leading(text.as_bytes()), expected, "{text}");
        }
        for text in [
            "",
            "x",
            "192.0.2.1x",
            "192.0.2.1.example",
            "192.0.2.1.2",
            "192.0.2.1:25",
        ] {
            assert_eq!(leading(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_host_is_a_name_and_an_address_in_brackets() {
        for (text, rest) in [
            ("[192.0.2.1] x", " x"),
            ("a.example [192.0.2.1] x", " x"),
            ("a.example[192.0.2.1]", ""),
        ] {
            let expected = Some(("192.0.2.1".parse().unwrap(), rest.as_bytes()));
            assert_eq!(host(text.as_bytes()), expected, "{text}");
        }
        for text in [
            "",
            " [192.0.2.1]",
            "a b [192.0.2.1]",
            "a [x]",
            "a  [192.0.2.1]",
        ] {
            assert_eq!(host(text.as_bytes()), None, "{text}");
        }
        assert_eq!(bracketed(b"[192.0.2.1"), None);
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_reads_them() {
        for text in [
            "192.0.2.1",
            "0.0.0.0",
            "255.255.255.255",
            "256.0.0.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.04",
            "1.2.3.00",
            "1.2.3.4 ",
            " 1.2.3.4",
            "1..2.3",
            "1.2.3.",
            ".1.2.3",
            "1000.2.3.4",
            "+1.2.3.4",
            "",
            "::1",
            "2001:db8::1",
            "::ffff:192.0.2.1",
            "1.2.3.4\0",
            "0001.2.3.4",
            "10.20.30.40",
        ] {
            let expected: Option<std::net::IpAddr> = text.parse().ok();
            let expected = expected.map(|address| address.to_canonical());
            assert_eq!(literal(text.as_bytes()), expected, "{text}");
        }
    }
}
