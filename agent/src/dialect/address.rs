//! Addresses as programs write them.

use std::net::IpAddr;

/// Longest literal: an IPv6 address with an IPv4 tail.
pub(super) const LITERAL_MAX: usize = 45;

/// A strict literal; one that is mapped into IPv6 is the IPv4 address it stands for.
pub(super) fn literal(text: &[u8]) -> Option<IpAddr> {
    if text.len() > LITERAL_MAX {
        return None;
    }
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}
