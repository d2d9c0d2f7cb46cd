//! Frames built by hand, header by header. A frame knows how many bytes of it a reader must see, so that a test can say what
//! is to be made of it when it is cut short; that knowledge is kept apart from the filter's parser on purpose.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mailwall_common::Family;

/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherTypes of VLAN tags: 802.1Q, 802.1ad, and what came before 802.1ad.
pub const VLAN_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// IPv6 hop-by-hop options.
pub const HOP_BY_HOP: u8 = 0;
/// TCP.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// IPv6 routing header.
pub const ROUTING: u8 = 43;
/// IPv6 fragment header.
pub const FRAGMENT: u8 = 44;
/// Encapsulating security payload.
pub const ESP: u8 = 50;
/// Authentication header.
pub const AUTHENTICATION: u8 = 51;
/// ICMPv6.
pub const ICMPV6: u8 = 58;
/// IPv6: nothing follows.
pub const NO_NEXT: u8 = 59;
/// IPv6 destination options.
pub const DESTINATION: u8 = 60;
/// IPv6 mobility header.
pub const MOBILITY: u8 = 135;

/// TCP: no more data.
pub const FIN: u8 = 0x01;
/// TCP: synchronize.
pub const SYN: u8 = 0x02;
/// TCP: reset.
pub const RST: u8 = 0x04;
/// TCP: push.
pub const PSH: u8 = 0x08;
/// TCP: acknowledgement.
pub const ACK: u8 = 0x10;
/// TCP: urgent.
pub const URG: u8 = 0x20;
/// TCP: congestion was seen.
pub const ECE: u8 = 0x40;
/// TCP: the congestion window was reduced.
pub const CWR: u8 = 0x80;

/// Where frames go.
const SERVER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 25);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x25);

const ETHERNET_LEN: usize = 14;
const TCP_LEN: usize = 20;
/// Bytes of a TCP header up to and with the flags.
const TCP_FLAGS_END: usize = 14;
/// What the contract looks through.
const TAGS_MAX: usize = 3;
const EXTENSIONS_MAX: usize = 8;

/// What a frame that ends too early is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shortfall {
    /// Nothing that could be judged.
    Malformed,
    /// A first fragment that does not show its TCP flags.
    Hidden,
}

/// A frame under construction, outermost header first. Lengths and next-header fields follow what is appended.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Vec<u8>,
    /// Where the field that names the next header is.
    next_at: usize,
    /// Where the IP header starts.
    ip: Option<(usize, Family)>,
    /// Where the IP packet ends, by its own length field; nothing for "where the frame does".
    ip_end: Option<usize>,
    tags: usize,
    extensions: usize,
    first_fragment: bool,
    /// Whether no further byte changes what the frame is.
    decided: bool,
    needs: Vec<(usize, Shortfall, Family)>,
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

impl Frame {
    /// An Ethernet header.
    pub fn new() -> Self {
        Self {
            bytes: vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0, 0],
            next_at: 12,
            ip: None,
            ip_end: None,
            tags: 0,
            extensions: 0,
            first_fragment: false,
            decided: false,
            needs: vec![(ETHERNET_LEN, Shortfall::Malformed, Family::Other)],
        }
    }

    /// A VLAN tag.
    pub fn vlan(mut self, ether_type: u16) -> Self {
        self.set_u16(self.next_at, ether_type);
        self.bytes.extend([0x00, 0x2a]);
        self.next_at = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.tags += 1;
        self.decided |= self.tags > TAGS_MAX;
        self.need(self.bytes.len());
        self
    }

    /// A payload that is not IP.
    pub fn other(mut self, ether_type: u16, payload: &[u8]) -> Self {
        self.set_u16(self.next_at, ether_type);
        self.bytes.extend(payload);
        self
    }

    /// An IP header without options.
    pub fn ip(self, source: IpAddr) -> Self {
        match source {
            IpAddr::V4(source) => self.ipv4(source, 0),
            IpAddr::V6(source) => self.ipv6(source),
        }
    }

    /// An IPv4 header with that many bytes of options, a multiple of four up to 40.
    pub fn ipv4(mut self, source: Ipv4Addr, options_len: usize) -> Self {
        self.set_u16(self.next_at, 0x0800);
        let at = self.bytes.len();
        let header_words = u8::try_from(5 + options_len / 4).expect("at most 15 words");
        self.bytes.extend([0x40 | header_words, 0, 0, 0]);
        self.bytes.extend([0x12, 0x34, 0, 0]);
        self.bytes.extend([64, 0, 0, 0]);
        self.bytes.extend(source.octets());
        self.bytes.extend(SERVER_V4.octets());
        // No-operation options.
        self.bytes.extend(vec![1; options_len]);
        self.next_at = at + 9;
        self.ip = Some((at, Family::V4));
        self.need(self.bytes.len());
        self.set_ip_len();
        self
    }

    /// An IPv6 header.
    pub fn ipv6(mut self, source: Ipv6Addr) -> Self {
        self.set_u16(self.next_at, 0x86dd);
        let at = self.bytes.len();
        self.bytes.extend([0x60, 0, 0, 0, 0, 0, NO_NEXT, 64]);
        self.bytes.extend(source.octets());
        self.bytes.extend(SERVER_V6.octets());
        self.next_at = at + 6;
        self.ip = Some((at, Family::V6));
        self.need(self.bytes.len());
        self.set_ip_len();
        self
    }

    /// Makes the packet a fragment: in IPv4 by the header's field, in IPv6 by a header of its own.
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        let (ip, family) = self.ip.expect("a fragment of an IP packet");
        let offset = offset / 8;
        match family {
            Family::V4 => {
                self.set_u16(ip + 6, offset | u16::from(more) << 13);
                self.first_fragment |= offset == 0 && more;
            }
            _ => {
                self = self.extension_of(FRAGMENT, 8);
                let at = self.next_at;
                self.set_u16(at + 2, offset << 3 | u16::from(more));
                self.first_fragment |= offset == 0 && more;
            }
        }
        self.decided |= offset != 0;
        self
    }

    /// An IPv6 extension header of that many bytes, as its kind counts them.
    pub fn extension(self, kind: u8, len: usize) -> Self {
        let mut frame = self.extension_of(kind, len);
        let at = frame.next_at;
        frame.bytes[at + 1] = u8::try_from(match kind {
            AUTHENTICATION => len / 4 - 2,
            _ => len / 8 - 1,
        })
        .expect("a length that fits its field");
        frame
    }

    /// A TCP header without options.
    pub fn tcp(self, port: u16, flags: u8) -> Self {
        self.tcp_start(port, flags, TCP_LEN)
    }

    /// The first bytes of a TCP header.
    pub fn tcp_start(mut self, port: u16, flags: u8, len: usize) -> Self {
        self.set_next(TCP);
        let at = self.bytes.len();
        let mut header = Vec::with_capacity(TCP_LEN);
        header.extend(40_000_u16.to_be_bytes());
        header.extend(port.to_be_bytes());
        header.extend([0, 0, 0, 7, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        self.bytes.extend(&header[..len]);
        if self.first_fragment {
            self.need(at + TCP_FLAGS_END);
        } else {
            self.need(at + TCP_LEN);
        }
        self.set_ip_len();
        self
    }

    /// A payload of another protocol.
    pub fn payload(mut self, protocol: u8, payload: &[u8]) -> Self {
        self.set_next(protocol);
        self.bytes.extend(payload);
        self.set_ip_len();
        self
    }

    /// Bytes behind the IP packet, as short frames have them.
    pub fn trailer(mut self, trailer: &[u8]) -> Self {
        self.bytes.extend(trailer);
        self
    }

    /// Overwrites a byte of the IP header so that it cannot be right: nothing behind it counts.
    pub fn wrong_ip_byte(mut self, offset: usize, byte: u8) -> Self {
        let (ip, _) = self.ip.expect("an IP header");
        self.bytes[ip + offset] = byte;
        for (_, shortfall, _) in &mut self.needs {
            *shortfall = Shortfall::Malformed;
        }
        self
    }

    /// Sets the IPv6 length to zero, which leaves it to the frame.
    pub fn without_length(mut self) -> Self {
        let (ip, _) = self.ip.expect("an IP header");
        self.set_u16(ip + 4, 0);
        self.ip_end = None;
        self
    }

    /// The frame.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it is counted under.
    pub fn family(&self) -> Family {
        match self.ip {
            Some((_, family)) if self.tags <= TAGS_MAX => family,
            _ => Family::Other,
        }
    }

    /// What the first `len` bytes of the frame lack, if they lack anything, and what they are counted under.
    pub fn shortfall(&self, len: usize) -> Option<(Shortfall, Family)> {
        let seen = self.ip_end.map_or(len, |end| end.min(len));
        self.needs
            .iter()
            .find(|(needed, ..)| *needed > seen)
            .map(|(_, shortfall, family)| (*shortfall, *family))
    }

    fn extension_of(mut self, kind: u8, len: usize) -> Self {
        self.set_next(kind);
        self.next_at = self.bytes.len();
        self.bytes.extend(vec![0; len]);
        self.extensions += 1;
        self.decided |= self.extensions > EXTENSIONS_MAX;
        // Where the next header is, every extension header tells in its first eight bytes.
        self.need(self.next_at + 8);
        self.set_ip_len();
        self
    }

    /// Notes that a reader must see `bytes` bytes to go on. Until the fragment is known to be the first, and in what is not
    /// one, an early end is a malformed packet.
    fn need(&mut self, bytes: usize) {
        if self.decided {
            return;
        }
        let shortfall = if self.first_fragment {
            Shortfall::Hidden
        } else {
            Shortfall::Malformed
        };
        self.needs.push((bytes, shortfall, self.family()));
    }

    fn set_next(&mut self, protocol: u8) {
        let at = self.next_at;
        self.bytes[at] = protocol;
    }

    fn set_ip_len(&mut self) {
        let Some((ip, family)) = self.ip else { return };
        let end = self.bytes.len();
        let len = u16::try_from(end - ip).expect("a packet below 64 KiB");
        match family {
            Family::V4 => self.set_u16(ip + 2, len),
            _ => self.set_u16(ip + 4, len - 40),
        }
        self.ip_end = Some(end);
    }

    fn set_u16(&mut self, at: usize, value: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }
}
