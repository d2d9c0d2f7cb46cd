//! What is in the id of a session. Dovecot makes it of the time, the client's port and its address, in base64
//! (`client_get_session_id` in `login-common/client-common.c`), so that the port is known although no line tells it.

use std::net::IpAddr;

/// Where the port stands, behind 48 bits of the time.
const PORT_AT: usize = 6;
const ADDRESS_AT: usize = 8;
/// With an IPv6 address.
const BYTES_MAX: usize = ADDRESS_AT + 16;

/// The client's port, if `id` is such an id with the client's `address` in it: a proxy may hand on ids of its own.
pub(super) fn port(id: &[u8], address: IpAddr) -> Option<u16> {
    let mut place = [0; BYTES_MAX];
    let bytes = decoded(id, &mut place)?;
    let named = bytes.get(ADDRESS_AT..)?;
    let is_its = match address.to_canonical() {
        IpAddr::V4(address) => {
            named == address.octets() || named == address.to_ipv6_mapped().octets()
        }
        IpAddr::V6(address) => named == address.octets(),
    };
    let port = u16::from_le_bytes([*bytes.get(PORT_AT)?, *bytes.get(PORT_AT + 1)?]);
    (is_its && port != 0).then_some(port)
}

/// Base64 of at most [`BYTES_MAX`] bytes, with or without `=` at its end.
fn decoded<'a>(text: &[u8], place: &'a mut [u8; BYTES_MAX]) -> Option<&'a [u8]> {
    let mut length = 0;
    let (mut bits, mut held) = (0_u32, 0);
    for &letter in text {
        let value = match VALUES[usize::from(letter)] {
            NONE if letter == b'=' => break,
            NONE => return None,
            value => value,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            *place.get_mut(length)? = (bits >> held & 0xff) as u8;
            length += 1;
        }
    }
    Some(&place[..length])
}

/// What is no letter of base64.
const NONE: u8 = u8::MAX;

/// What each letter of base64 (RFC 4648) stands for.
const VALUES: [u8; 256] = {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < LETTERS.len() {
        values[LETTERS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::port;

    #[track_caller]
    fn check(id: &str, address: &str, expected: Option<u16>) {
        assert_eq!(
            port(id.as_bytes(), address.parse().unwrap()),
            expected,
            "{id}"
        );
    }

    #[test]
    fn the_port_is_in_the_id_beside_the_address() {
        // 48 bits of time, 54321 (0xd431), the address.
        check("AQIDBAUGMdTLAHEH", "203.0.113.7", Some(54_321));
        check("AQIDBAUGMdTLAHEH", "203.0.113.8", None);
        check(
            "AQIDBAUGMdQgAQ24AAAAAAAAAAAAAAAB",
            "2001:db8::1",
            Some(54_321),
        );
        check("AQIDBAUGAADLAHEH", "203.0.113.7", None);
    }

    #[test]
    fn other_ids_tell_nothing() {
        for id in ["", "a", "not base64!", "AQIDBAUG", "====", &"A".repeat(200)] {
            check(id, "203.0.113.7", None);
        }
    }
}
