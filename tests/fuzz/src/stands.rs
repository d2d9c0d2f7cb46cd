//! Whether an address stands somewhere in a text, in any of its forms.

use std::net::{IpAddr, Ipv6Addr};

/// The longest form of an address: `2001:0db8:0000:0000:0000:ffff:192.168.100.200`.
const LONGEST: usize = 45;

/// Whether `text` holds `address`.
pub fn stands_in(text: &[u8], address: IpAddr) -> bool {
    let plain = address.to_string();
    if text
        .windows(plain.len())
        .any(|window| window == plain.as_bytes())
    {
        return true;
    }
    // Another form of it: any part of a run of the letters that addresses are written with.
    let is_letter = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    text.split(|byte| !is_letter(byte)).any(|run| {
        (0..run.len()).any(|start| {
            let end = run.len().min(start + LONGEST);
            (start + 2..=end).any(|end| {
                let part = std::str::from_utf8(&run[start..end]).unwrap_or_default();
                part.parse()
                    .is_ok_and(|found: Ipv6Addr| found.to_canonical() == address)
                    || part.parse() == Ok(address)
            })
        })
    })
}
