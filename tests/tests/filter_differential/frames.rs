//! Frames by number: built header by header so that most lead somewhere, with lengths that lie, then bytes changed and cut.

use mailwall_tests::packet::{
    ACK, ARP, AUTHENTICATION, CWR, DESTINATION, ECE, ESP, FRAGMENT, HOP_BY_HOP, MOBILITY, NO_NEXT,
    ROUTING, SYN, TCP, UDP, VLAN_TAGS,
};

use crate::scene::{SOURCES_V4, SOURCES_V6};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// EtherTypes that are not looked into: ARP, PPPoE, MPLS, MACsec, and a length.
const OTHERS: [u16; 5] = [ARP, 0x8864, 0x8847, 0x88e5, 0x0026];
/// Guarded ports, their neighbours, and others.
const PORTS: [u16; 8] = [25, 465, 587, 24, 26, 80, 0, 0x1900];
/// What may stand in a chain of IPv6 extension headers and is looked through, as often as it is to be met.
const EXTENSIONS: [u8; 12] = [
    ROUTING,
    ROUTING,
    FRAGMENT,
    FRAGMENT,
    FRAGMENT,
    AUTHENTICATION,
    AUTHENTICATION,
    DESTINATION,
    DESTINATION,
    DESTINATION,
    HOP_BY_HOP,
    MOBILITY,
];
/// What may stand there and is not: also HIP, shim6, IPv6 in IPv6, and what is set apart for experiments.
const STOPS: [u8; 7] = [ESP, NO_NEXT, 139, 140, 41, 253, UDP];
/// Bytes that mean something somewhere.
const BYTES: [u8; 14] = [0, 1, 2, 4, 6, 8, 25, 43, 44, 51, 60, 0x45, 0x60, 0xff];

/// The frame of that number, always the same.
pub fn frame(seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    if dice.one_in(100) {
        let len = dice.below(120);
        return dice.bytes(len);
    }
    let mut frame = link(&mut dice);
    if dice.one_in(6) {
        let len = dice.below(30);
        frame.extend(dice.bytes(len));
    }
    if dice.one_in(3) {
        mutate(&mut dice, &mut frame);
    }
    if dice.one_in(6) {
        frame.truncate(dice.below(frame.len() + 1));
    }
    frame
}

fn link(dice: &mut Dice) -> Vec<u8> {
    let mut frame = dice.bytes(12);
    let tags = match dice.below(20) {
        0..12 => 0,
        12..15 => 1,
        15..17 => 2,
        17 | 18 => 3,
        _ => 4,
    };
    for _ in 0..tags {
        frame.extend(dice.pick(&VLAN_TAGS).to_be_bytes());
        frame.extend(dice.bytes(2));
    }
    let (ether_type, packet) = match dice.below(40) {
        0 => (dice.pick(&OTHERS), dice.bytes(60)),
        1..18 => (IPV4, ipv4(dice)),
        _ => (IPV6, ipv6(dice)),
    };
    frame.extend(ether_type.to_be_bytes());
    frame.extend(packet);
    frame
}

fn ipv4(dice: &mut Dice) -> Vec<u8> {
    let words = match dice.below(20) {
        0 => dice.below(5),
        1..6 => 5 + dice.below(11),
        _ => 5,
    };
    let version = if dice.one_in(60) { dice.below(16) } else { 4 };
    let fragment = match dice.below(20) {
        0..4 => 0x2000,
        4 => 0xa000,
        5 | 6 => dice.u16(),
        7 => 1 << dice.below(16),
        8..12 => 0x4000,
        _ => 0,
    };
    let protocol = match dice.below(20) {
        0 => dice.pick(&STOPS),
        1 => AUTHENTICATION,
        2 => dice.byte(),
        _ => TCP,
    };
    let payload = payload(dice, protocol, fragment & 0x3fff == 0x2000);
    let len = usize::max(words * 4, 20) + payload.len();

    let mut packet = vec![low_byte(version << 4 | words), dice.byte()];
    packet.extend(length(dice, len, words * 4).to_be_bytes());
    packet.extend(dice.bytes(2));
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    let source = if dice.one_in(20) {
        dice.bytes(4)
    } else {
        source(dice, &SOURCES_V4).octets().to_vec()
    };
    packet.extend(source);
    packet.extend([192, 0, 2, 25]);
    packet.extend(dice.bytes(words.saturating_sub(5) * 4));
    packet.extend(payload);
    packet
}

fn ipv6(dice: &mut Dice) -> Vec<u8> {
    let version = if dice.one_in(60) { dice.byte() } else { 0x60 };
    let kinds = chain(dice);
    let mut first_fragment = false;
    let mut payload_bytes = Vec::new();
    for pair in kinds.windows(2) {
        let extension = extension(dice, pair[0], pair[1], &mut first_fragment);
        payload_bytes.extend(extension);
    }
    let last = kinds[kinds.len() - 1];
    payload_bytes.extend(payload(dice, last, first_fragment));

    let mut packet = vec![version, 0, 0, 0];
    let jumbo = kinds[0] == HOP_BY_HOP && dice.one_in(4);
    let len = if jumbo {
        0
    } else {
        length(dice, payload_bytes.len(), 8)
    };
    packet.extend(len.to_be_bytes());
    packet.extend([kinds[0], 64]);
    let source = if dice.one_in(20) {
        dice.bytes(16)
    } else {
        source(dice, &SOURCES_V6).octets().to_vec()
    };
    packet.extend(source);
    packet.extend([
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x25,
    ]);
    packet.extend(payload_bytes);
    packet
}

/// One of a list, the last of which seldom.
fn source<T: Copy>(dice: &mut Dice, among: &[T]) -> T {
    let last = usize::from(dice.one_in(4));
    dice.pick(&among[..among.len() - 1 + last])
}

/// Kinds of the headers behind the IPv6 header; the last is the payload's.
fn chain(dice: &mut Dice) -> Vec<u8> {
    let len = match dice.below(20) {
        0..6 => 0,
        6..10 => 1,
        10..13 => 2,
        13..18 => 3 + dice.below(3),
        _ => 6 + dice.below(5),
    };
    let mut kinds: Vec<u8> = (0..len).map(|_| dice.pick(&EXTENSIONS)).collect();
    if dice.one_in(3) && len > 0 {
        kinds[0] = HOP_BY_HOP;
    }
    if dice.one_in(25) && len > 0 {
        kinds[dice.below(len)] = dice.pick(&STOPS);
    }
    kinds.push(match dice.below(20) {
        0 => dice.pick(&STOPS),
        1 => dice.byte(),
        _ => TCP,
    });
    kinds
}

fn extension(dice: &mut Dice, kind: u8, next: u8, first_fragment: &mut bool) -> Vec<u8> {
    let units = match dice.below(10) {
        0 => dice.below(8),
        1 | 2 => 1,
        _ => 0,
    };
    let (len, field) = match kind {
        // At least one word of a checksum, but for those that lie.
        AUTHENTICATION => ((units + 3) * 4, units + 1),
        FRAGMENT => (8, 0),
        _ => ((units + 1) * 8, units),
    };
    let mut header = dice.bytes(len);
    header[0] = next;
    header[1] = if dice.one_in(40) {
        dice.pick(&BYTES)
    } else {
        low_byte(field)
    };
    if kind == FRAGMENT {
        let fragment: u16 = match dice.below(12) {
            0 if dice.one_in(2) => dice.u16(),
            1 if dice.one_in(2) => 1 << dice.below(16),
            2..7 => 1,
            // Bits that are kept for later.
            7 => 6,
            _ => 0,
        };
        header[2..4].copy_from_slice(&fragment.to_be_bytes());
        *first_fragment |= fragment & 0xfff9 == 1;
    }
    header
}

fn payload(dice: &mut Dice, protocol: u8, first_fragment: bool) -> Vec<u8> {
    if protocol != TCP && dice.one_in(2) {
        let len = dice.below(60);
        return dice.bytes(len);
    }
    let port = if dice.one_in(10) {
        dice.u16()
    } else {
        // The guarded ones, most of the time.
        let among = if dice.one_in(3) { PORTS.len() } else { 3 };
        dice.pick(&PORTS[..among])
    };
    let flags = match dice.below(8) {
        0 | 1 => dice.byte(),
        2 => SYN | ECE | CWR,
        3 => SYN | ACK,
        _ => SYN,
    };
    let mut segment = dice.bytes(20 + 4 * 4);
    segment[2..4].copy_from_slice(&port.to_be_bytes());
    segment[12] = if dice.one_in(16) { dice.byte() } else { 0x50 };
    segment[13] = flags;
    let cut = first_fragment && dice.one_in(2) || dice.one_in(12);
    segment.truncate(if cut {
        dice.below(21)
    } else {
        20 + dice.below(17)
    });
    segment
}

/// A length field: nearly always the length, else near it, near the header's, or anything.
fn length(dice: &mut Dice, len: usize, header_len: usize) -> u16 {
    let told = match dice.below(50) {
        0 => 0,
        1 => header_len.wrapping_add(dice.below(3)).wrapping_sub(1),
        2 => header_len + dice.below(24),
        3 => len.wrapping_add(dice.below(9)).wrapping_sub(4),
        4 => usize::from(dice.u16()),
        _ => len,
    };
    u16::try_from(told).unwrap_or(u16::MAX)
}

fn mutate(dice: &mut Dice, frame: &mut Vec<u8>) {
    for _ in 0..=dice.below(4) {
        if frame.is_empty() {
            return;
        }
        let at = dice.below(frame.len());
        match dice.below(8) {
            0..3 => frame[at] ^= 1 << dice.below(8),
            3 => frame[at] = dice.byte(),
            4 | 5 => frame[at] = dice.pick(&BYTES),
            6 => {
                frame.remove(at);
            }
            _ => {
                let run = frame[at..frame.len().min(at + 8)].to_vec();
                frame.splice(at..at, run);
            }
        }
    }
}

fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

/// SplitMix64: small, and the same for ever, so that a number goes on to mean its frame.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a small number");
        usize::try_from(self.roll() % end).expect("a small number")
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_be_bytes()[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }
}
