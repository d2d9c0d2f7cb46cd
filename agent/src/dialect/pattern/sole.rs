//! Whether a text holds more than one address.

use std::net::{IpAddr, Ipv4Addr};

use super::super::address::LITERAL_MAX;

/// Whether an address stands in `text` elsewhere than in `from..to`. Rather too often than too seldom: what looks like one
/// is one.
pub(super) fn holds_another(text: &[u8], from: usize, to: usize) -> bool {
    let mut at = 0;
    while at < text.len() {
        let run = text[at..].iter().take_while(|&&byte| is_part(byte)).count();
        let end = at + run;
        let is_known = at <= from && end >= to;
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        if is_known {
            // The rest of a run that the address stands in.
            if looks_like_one(&text[at..from], before) || looks_like_one(&text[to..end], None) {
                return true;
            }
        } else if looks_like_one(&text[at..end], before) {
            return true;
        }
        at = end + 1;
    }
    false
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')
}

/// Whether a run of the bytes of addresses is or holds one; `before` it stands that byte.
fn looks_like_one(run: &[u8], before: Option<&u8>) -> bool {
    if run.len() > LITERAL_MAX + 8 {
        // No address is so long. It may hold one, but nothing that a program writes looks so.
        return run.iter().filter(|byte| !byte.is_ascii_hexdigit()).count() > 1;
    }
    let v4 = |part: &[u8]| {
        let part = trimmed(part, b'.');
        parsed::<Ipv4Addr>(part) || part.iter().filter(|&&byte| byte == b'.').count() > 3
    };
    let is_digit_or_dot = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    if run.split(|byte| !is_digit_or_dot(byte)).any(v4) {
        return true;
    }
    // In `Controller::login::106` no address stands.
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return false;
    }
    let run = trimmed(run, b'.');
    let without_colon = run.strip_suffix(b":").unwrap_or(run);
    let port = run.iter().rposition(|&byte| byte == b':');
    [run, without_colon, &run[..port.unwrap_or(run.len())]]
        .iter()
        .any(|text| *text != b"::" && parsed::<IpAddr>(text))
}

fn trimmed(text: &[u8], byte: u8) -> &[u8] {
    let start = text.iter().take_while(|&&b| b == byte).count();
    let text = &text[start..];
    let end = text.iter().rev().take_while(|&&b| b == byte).count();
    &text[..text.len() - end]
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<T>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::holds_another;

    #[track_caller]
    fn check(text: &str, expected: bool) {
        // The address that is known is `203.0.113.66`.
        let from = text.find("203.0.113.66").unwrap();
        let to = from + "203.0.113.66".len();
        assert_eq!(holds_another(text.as_bytes(), from, to), expected, "{text}");
    }

    #[test]
    fn a_second_address_is_seen_wherever_it_stands() {
        for text in [
            "from 192.0.2.99. from 203.0.113.66.",
            "from 203.0.113.66. user=192.0.2.99",
            "192.0.2.99 203.0.113.66",
            "x192.0.2.99y 203.0.113.66",
            "203.0.113.66 2001:db8::1",
            "203.0.113.66 [2001:db8::1]:25",
            "203.0.113.66 ::ffff:192.0.2.99",
            "203.0.113.66:192.0.2.99",
            "192.0.2.99:203.0.113.66",
            "203.0.113.66 192.0.2.99:4711",
            "203.0.113.66 2001:db8::1:",
            "203.0.113.66 ::1",
            "203.0.113.66 1.2.3.4.5",
        ] {
            check(text, true);
        }
    }

    #[test]
    fn what_is_no_address_does_not_count() {
        for text in [
            "203.0.113.66",
            "from 203.0.113.66. AUTHENTICATE PLAIN: A0002 NO",
            "[30-Dec-2014 13:02:34 -0500]: from 203.0.113.66",
            "Controller::login::106 from 203.0.113.66 failed",
            "mx.example.org:993 a.b.c.d 203.0.113.66:4711 1.2.3",
            "ab::cd:: :: . : 203.0.113.66 in a.php on line 1",
        ] {
            check(text, false);
        }
    }
}
