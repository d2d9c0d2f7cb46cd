//! A SYN that every receiver takes: with both checksums, and no shorter than Ethernet has it.

use std::net::{IpAddr, Ipv4Addr};

use mailwall_tests::SERVER_V4;

/// What the generator overwrites; any address will do.
const SOURCE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const PORT: u16 = 25;
/// The shortest Ethernet frame, without its checksum.
const FRAME_MIN: usize = 60;
const TCP: u8 = 6;

/// The frame.
pub fn frame(to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
    let destination = match SERVER_V4 {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    let mut tcp = Vec::new();
    tcp.extend(40_000_u16.to_be_bytes());
    tcp.extend(PORT.to_be_bytes());
    tcp.extend([0, 0, 0, 7, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    let mut ip = vec![0x45, 0];
    ip.extend((20 + tcp.len() as u16).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, TCP, 0, 0]);
    ip.extend(SOURCE.octets());
    ip.extend(destination.octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum);
    // The addresses, the protocol and the length count as part of the segment (RFC 9293, 3.1).
    let mut summed = ip[12..20].to_vec();
    summed.extend([0, TCP, 0, tcp.len() as u8]);
    summed.extend(&tcp);
    let sum = checksum(&summed);
    tcp[16..18].copy_from_slice(&sum);
    let mut frame = [to, from].concat();
    frame.extend(0x0800_u16.to_be_bytes());
    frame.extend(ip);
    frame.extend(tcp);
    frame.resize(FRAME_MIN.max(frame.len()), 0);
    frame
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u32 = bytes
        .chunks_exact(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_its_checksum_sums_up_to_nothing() {
        let frame = frame([2; 6], [4; 6]);
        assert_eq!(frame.len(), FRAME_MIN);
        assert_eq!(checksum(&frame[14..34]), [0, 0]);
        let mut segment = frame[26..34].to_vec();
        segment.extend([0, TCP, 0, 20]);
        segment.extend(&frame[34..54]);
        assert_eq!(checksum(&segment), [0, 0]);
    }
}
