use mailwall_common::{AddressV4, AddressV6};

use super::{Flags, Payload, Segment, Source, Tcp, bare_payload, ipv4, ipv6, payload};
use crate::error::Error;

/// A SYN from 192.0.2.7 to port 25 behind a VLAN tag: 58 bytes.
const SYN_V4: &[u8] = &[
    0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x81, 0x00, 0x00, 0x2a, 0x08, 0x00, // link
    0x45, 0, 0, 40, 0x12, 0x34, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 7, 192, 0, 2, 25, // IPv4
    0x9c, 0x40, 0, 25, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0, // TCP
];

/// An IPv6 packet whose fragment header is the last thing in it.
const FRAGMENT_V6: &[u8] = &[
    0x60, 0, 0, 0, 0, 8, 44, 64, // version, 8 bytes of payload, a fragment header
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, // 2001:db8::7
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x25, // 2001:db8::25
    6, 0, 0, 1, 0, 0, 0, 9, // TCP, offset 0, more
];

#[test]
fn a_syn_is_found_behind_a_tag() {
    assert_eq!(payload(&SYN_V4), Ok(Payload::Ipv4(18)));
    let Segment { source, tcp } = ipv4(&SYN_V4, 18).expect("a segment");
    assert_eq!(source, Source::V4(AddressV4::from_octets([192, 0, 2, 7])));
    let Tcp::Shown { port, flags } = tcp else {
        panic!("the flags are there");
    };
    assert_eq!(port, 25);
    assert!(flags.open_a_connection());
}

#[test]
fn a_packet_without_an_ethernet_header_is_told_by_its_version() {
    assert_eq!(bare_payload(&&SYN_V4[18..]), Ok(Payload::Ipv4(0)));
    assert_eq!(bare_payload(&FRAGMENT_V6), Ok(Payload::Ipv6(0)));
    assert_eq!(bare_payload(&&SYN_V4[19..]), Err(Error::NotIp));
    assert_eq!(bare_payload(&&SYN_V4[..0]), Err(Error::Malformed));
}

#[test]
fn every_cut_of_it_is_malformed() {
    for len in 0..SYN_V4.len() {
        let cut = &SYN_V4[..len];
        let outcome = payload(&cut).and_then(|_| ipv4(&cut, 18));
        assert_eq!(outcome, Err(Error::Malformed), "{len} bytes");
    }
}

#[test]
fn a_first_fragment_without_tcp_is_hidden() {
    let expected = Segment {
        source: Source::V6(AddressV6::from_octets([
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
        ])),
        tcp: Tcp::Hidden,
    };
    assert_eq!(ipv6(&FRAGMENT_V6, 0), Ok(expected));
}

#[test]
fn padding_is_not_a_header() {
    let mut padded = FRAGMENT_V6.to_vec();
    padded.extend([0xff; 20]);
    let segment = ipv6(&padded.as_slice(), 0).expect("a segment");
    assert_eq!(segment.tcp, Tcp::Hidden);
}

#[test]
fn only_syn_alone_opens_a_connection() {
    let opening: Vec<u8> = (0..=u8::MAX)
        .filter(|bits| Flags::from_bits(*bits).open_a_connection())
        .collect();
    assert_eq!(opening.len(), 16);
    assert!(opening.iter().all(|bits| bits & 0b0001_0111 == 0b0000_0010));
}
