//! The upper half of the table: which headers a frame has, as etherparse sees them.

use std::net::IpAddr;

use etherparse::{
    EtherType, IpNumber, Ipv4HeaderSlice, Ipv6ExtensionSlice, Ipv6ExtensionsSlice, Ipv6HeaderSlice,
    Ipv6RawExtHeaderSlice, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice,
    TcpHeaderSlice,
    err::{
        Layer, ip_auth,
        ipv6_exts::{HeaderError, HeaderSliceError},
    },
    ether_type, ip_number,
};
use mailwall_common::{Family, Verdict};

use crate::reference::Difference;

/// Extension headers the table has walked.
const EXTENSIONS_MAX: usize = 8;
/// Bytes of a TCP header up to and with the flags.
const TCP_FLAGS_END: usize = 14;
const TCP_LEN: usize = 20;

/// What a parser finds in a frame.
pub enum Finding {
    /// Nothing to judge. Two verdicts where a difference leaves it open.
    Nothing(&'static [Verdict]),
    /// TCP.
    Tcp {
        source: IpAddr,
        /// Nothing if a first fragment ends before the flags.
        shown: Option<Shown>,
    },
}

/// What the start of a TCP header says.
#[derive(Clone, Copy)]
pub struct Shown {
    /// Destination port.
    pub port: u16,
    /// Whether it is a connection's first segment.
    pub opens: bool,
}

const MALFORMED: Finding = Finding::Nothing(&[Verdict::Malformed]);
const NOT_TCP: Finding = Finding::Nothing(&[Verdict::NotTcp]);
const LATER_FRAGMENT: Finding = Finding::Nothing(&[Verdict::LaterFragment]);

/// Looks for TCP in a frame, and says which family it is counted under.
pub fn find(frame: &[u8], differences: &mut Vec<Difference>) -> (Family, Finding) {
    let Ok(packet) = LaxSlicedPacket::from_ethernet(frame) else {
        return (Family::Other, MALFORMED);
    };
    if let Some((_, Layer::VlanHeader)) = packet.stop_err {
        return (Family::Other, MALFORMED);
    }
    match ether_type(&packet) {
        ether_type::IPV4 => (Family::V4, find_in_ipv4(&packet, differences)),
        ether_type::IPV6 => (Family::V6, find_in_ipv6(&packet, differences)),
        ether_type::VLAN_TAGGED_FRAME
        | ether_type::PROVIDER_BRIDGING
        | ether_type::VLAN_DOUBLE_TAGGED_FRAME => {
            (Family::Other, Finding::Nothing(&[Verdict::DeepVlan]))
        }
        _ => (Family::Other, Finding::Nothing(&[Verdict::NotIp])),
    }
}

/// What the last tag says; etherparse looks through as many as the table does. MACsec, which it looks through too, is like
/// any other tunnel.
fn ether_type(packet: &LaxSlicedPacket<'_>) -> EtherType {
    let Some(LinkSlice::Ethernet2(link)) = &packet.link else {
        panic!("an Ethernet frame has an Ethernet header");
    };
    let mut ether_type = link.ether_type();
    for extension in &packet.link_exts {
        match extension {
            LaxLinkExtSlice::Vlan(tag) => ether_type = tag.ether_type(),
            LaxLinkExtSlice::Macsec(_) => break,
        }
    }
    ether_type
}

fn find_in_ipv4(packet: &LaxSlicedPacket<'_>, differences: &mut Vec<Difference>) -> Finding {
    let ipv4 = match &packet.net {
        Some(LaxNetSlice::Ipv4(ipv4)) => ipv4,
        Some(_) => {
            differences.push(Difference::Version);
            return MALFORMED;
        }
        None => return MALFORMED,
    };
    let header: Ipv4HeaderSlice<'_> = ipv4.header();
    if usize::from(header.total_len()) < header.slice().len() {
        differences.push(Difference::Ipv4Length);
        return MALFORMED;
    }
    if header.protocol() != ip_number::TCP {
        if header.protocol() == ip_number::AUTH {
            differences.push(Difference::Ipv4Authentication);
        }
        return NOT_TCP;
    }
    if header.fragments_offset().value() != 0 {
        return LATER_FRAGMENT;
    }
    let source = IpAddr::V4(header.source_addr());
    let segment = ipv4.payload().payload;
    find_in_tcp(source, segment, header.more_fragments(), differences)
}

fn find_in_ipv6(packet: &LaxSlicedPacket<'_>, differences: &mut Vec<Difference>) -> Finding {
    let ipv6 = match &packet.net {
        Some(LaxNetSlice::Ipv6(ipv6)) => ipv6,
        Some(_) => {
            differences.push(Difference::Version);
            return MALFORMED;
        }
        None => return MALFORMED,
    };
    let header: Ipv6HeaderSlice<'_> = ipv6.header();
    // Extension headers are walked here, as the table does it; what etherparse made of the lengths is taken.
    let extensions = ipv6.extensions().slice();
    let payload = ipv6.payload().payload;
    let behind_header = &rest_of(packet, header.slice())[..extensions.len() + payload.len()];
    let empty = header.payload_length() == 0 && header.next_header() != ip_number::IPV6_HOP_BY_HOP;
    if empty && !behind_header.is_empty() {
        differences.push(Difference::Ipv6Length);
    }
    let walk = Walk {
        source: IpAddr::V6(header.source_addr()),
        next: header.next_header(),
        rest: if empty { &[] } else { behind_header },
        walked: 0,
        first_fragment: false,
        differences,
    };
    walk.find()
}

/// The frame behind a header in it.
fn rest_of<'a>(packet: &LaxSlicedPacket<'a>, header: &[u8]) -> &'a [u8] {
    let Some(LinkSlice::Ethernet2(link)) = &packet.link else {
        panic!("an Ethernet frame has an Ethernet header");
    };
    let frame = link.slice();
    let end = header.as_ptr_range().end.addr() - frame.as_ptr().addr();
    &frame[end..]
}

/// On the way along a chain of IPv6 extension headers.
struct Walk<'a, 'd> {
    source: IpAddr,
    next: IpNumber,
    rest: &'a [u8],
    walked: usize,
    first_fragment: bool,
    differences: &'d mut Vec<Difference>,
}

impl Walk<'_, '_> {
    fn find(mut self) -> Finding {
        loop {
            let (extensions, next, rest, error) =
                Ipv6ExtensionsSlice::from_slice_lax(self.next, self.rest);
            // Behind a header that etherparse could not walk over, its iterator would go on out of bounds (0.21.0).
            let mut left = extensions.slice().len();
            let mut extensions = extensions.into_iter();
            while left > 0 {
                let extension = extensions.next().expect("a header in what is left");
                left -= len(&extension);
                if let Some(finding) = self.pass(&extension) {
                    return finding;
                }
            }
            (self.next, self.rest) = (next, rest);
            let finding = match error {
                None if next == ip_number::MOBILITY => self.pass_mobility(),
                None if next == ip_number::TCP => Some(find_in_tcp(
                    self.source,
                    rest,
                    self.first_fragment,
                    self.differences,
                )),
                None => Some(NOT_TCP),
                Some((HeaderSliceError::Content(HeaderError::HopByHopNotAtStart), _)) => {
                    self.differences.push(Difference::HopByHop);
                    None
                }
                Some((
                    HeaderSliceError::Content(HeaderError::IpAuth(
                        ip_auth::HeaderError::ZeroPayloadLen,
                    )),
                    _,
                )) => self.pass_short_authentication(),
                Some((HeaderSliceError::Len(_), _)) => Some(self.cut()),
            };
            if let Some(finding) = finding {
                return finding;
            }
        }
    }

    /// One more header that etherparse walked over.
    fn pass(&mut self, extension: &Ipv6ExtensionSlice<'_>) -> Option<Finding> {
        if self.too_many() {
            return Some(NOT_TCP);
        }
        let Ipv6ExtensionSlice::Fragment(fragment) = extension else {
            return None;
        };
        self.first_fragment |= fragment.more_fragments();
        if fragment.fragment_offset().value() == 0 {
            None
        } else if fragment.next_header() == ip_number::TCP {
            Some(LATER_FRAGMENT)
        } else if is_extension(fragment.next_header()) {
            self.differences.push(Difference::LaterChain);
            Some(Finding::Nothing(&[Verdict::NotTcp, Verdict::LaterFragment]))
        } else {
            Some(NOT_TCP)
        }
    }

    fn pass_mobility(&mut self) -> Option<Finding> {
        match Ipv6RawExtHeaderSlice::from_slice(self.rest) {
            Ok(header) => {
                if self.too_many() {
                    return Some(NOT_TCP);
                }
                self.differences.push(Difference::Mobility);
                self.next = header.next_header();
                self.rest = &self.rest[header.slice().len()..];
                None
            }
            Err(_) => Some(self.cut()),
        }
    }

    /// (0 + 2) · 4 bytes.
    fn pass_short_authentication(&mut self) -> Option<Finding> {
        if self.too_many() {
            return Some(NOT_TCP);
        }
        self.differences.push(Difference::Authentication);
        self.next = IpNumber(self.rest[0]);
        self.rest = &self.rest[8..];
        None
    }

    /// A header that does not end in the packet. What follows it can only be known if it has its first eight bytes.
    fn cut(&mut self) -> Finding {
        if self.too_many() {
            return NOT_TCP;
        }
        let next = match self.rest {
            [next, ..] if self.rest.len() >= 8 => Some(IpNumber(*next)),
            _ => None,
        };
        match next {
            Some(next) if is_extension(next) && self.walked == EXTENSIONS_MAX => {
                self.differences.push(Difference::ManyExtensions);
                NOT_TCP
            }
            Some(next) if next != ip_number::TCP && !is_extension(next) => {
                self.differences.push(Difference::LongExtension);
                Finding::Nothing(&[Verdict::NotTcp, Verdict::Malformed])
            }
            // The way to TCP, but not in this packet.
            _ if self.first_fragment => Finding::Tcp {
                source: self.source,
                shown: None,
            },
            _ => MALFORMED,
        }
    }

    /// Counts a header; more than the table says are not walked.
    fn too_many(&mut self) -> bool {
        self.walked += 1;
        let too_many = self.walked > EXTENSIONS_MAX;
        if too_many {
            self.differences.push(Difference::ManyExtensions);
        }
        too_many
    }
}

fn len(extension: &Ipv6ExtensionSlice<'_>) -> usize {
    match extension {
        Ipv6ExtensionSlice::HopByHop(header)
        | Ipv6ExtensionSlice::Routing(header)
        | Ipv6ExtensionSlice::DestinationOptions(header) => header.slice().len(),
        Ipv6ExtensionSlice::Fragment(header) => header.slice().len(),
        Ipv6ExtensionSlice::Authentication(header) => header.slice().len(),
    }
}

/// What the table lists as walked.
fn is_extension(number: IpNumber) -> bool {
    matches!(
        number,
        ip_number::IPV6_HOP_BY_HOP
            | ip_number::IPV6_ROUTE
            | ip_number::IPV6_FRAG
            | ip_number::IPV6_DEST_OPTIONS
            | ip_number::AUTH
            | ip_number::MOBILITY
    )
}

/// The header without its options: a first fragment must show the flags, any other packet all of it.
fn find_in_tcp(
    source: IpAddr,
    segment: &[u8],
    first_fragment: bool,
    differences: &mut Vec<Difference>,
) -> Finding {
    let needed = if first_fragment {
        TCP_FLAGS_END
    } else {
        TCP_LEN
    };
    if segment.len() < needed {
        return if first_fragment {
            Finding::Tcp {
                source,
                shown: None,
            }
        } else {
            MALFORMED
        };
    }
    let shown = match TcpHeaderSlice::from_slice(segment) {
        Ok(header) => shown(&header),
        Err(_) => {
            differences.push(Difference::TcpLength);
            let mut fixed = [0; TCP_LEN];
            let there = segment.len().min(TCP_LEN);
            fixed[..there].copy_from_slice(&segment[..there]);
            fixed[12] = 5 << 4;
            shown(&TcpHeaderSlice::from_slice(&fixed).expect("a header of five words"))
        }
    };
    Finding::Tcp {
        source,
        shown: Some(shown),
    }
}

fn shown(header: &TcpHeaderSlice<'_>) -> Shown {
    Shown {
        port: header.destination_port(),
        opens: header.syn() && !header.ack() && !header.rst() && !header.fin(),
    }
}
