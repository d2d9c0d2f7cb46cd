//! Ethernet and VLAN tags.

use crate::{
    error::Error,
    packet::{Packet, Wire},
};

/// VLAN tags that are looked through.
const TAGS_MAX: usize = 3;

// EtherTypes, as IEEE 802 assigned them.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN_8021Q: u16 = 0x8100;
const VLAN_8021AD: u16 = 0x88a8;
/// Not assigned, but what switches put on outer tags before 802.1ad.
const VLAN_QINQ: u16 = 0x9100;

#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    destination: [u8; 6],
    source: [u8; 6],
    ether_type: u16,
}

// SAFETY: integers in `repr(C)`, sizes asserted below: no padding.
unsafe impl Wire for Header {}

#[derive(Clone, Copy)]
#[repr(C)]
struct Tag {
    control: u16,
    ether_type: u16,
}

// SAFETY: integers in `repr(C)`, sizes asserted below: no padding.
unsafe impl Wire for Tag {}

const _: () = assert!(size_of::<Header>() == 14 && size_of::<Tag>() == 4);

/// What a frame carries, and at which offset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Payload {
    /// An IPv4 packet.
    Ipv4(usize),
    /// An IPv6 packet.
    Ipv6(usize),
}

/// Looks through the Ethernet header and the VLAN tags.
#[inline(always)]
pub fn payload<P: Packet>(frame: &P) -> Result<Payload, Error> {
    let header: Header = frame.load(0).ok_or(Error::Malformed)?;
    let mut ether_type = u16::from_be(header.ether_type);
    let mut at = size_of::<Header>();
    for _ in 0..TAGS_MAX {
        if !is_vlan(ether_type) {
            break;
        }
        let tag: Tag = frame.load(at).ok_or(Error::Malformed)?;
        ether_type = u16::from_be(tag.ether_type);
        at += size_of::<Tag>();
    }
    match ether_type {
        IPV4 => Ok(Payload::Ipv4(at)),
        IPV6 => Ok(Payload::Ipv6(at)),
        deeper if is_vlan(deeper) => Err(Error::DeepVlan),
        _ => Err(Error::NotIp),
    }
}

/// What a packet is that has no Ethernet header.
#[inline(always)]
pub fn bare_payload<P: Packet>(packet: &P) -> Result<Payload, Error> {
    // Two bytes of which the first matters: the verifier does not follow what the compiler makes of the bounds of one.
    let [version, _]: [u8; 2] = packet.load(0).ok_or(Error::Malformed)?;
    match version >> 4 {
        4 => Ok(Payload::Ipv4(0)),
        6 => Ok(Payload::Ipv6(0)),
        _ => Err(Error::NotIp),
    }
}

#[inline(always)]
const fn is_vlan(ether_type: u16) -> bool {
    matches!(ether_type, VLAN_8021Q | VLAN_8021AD | VLAN_QINQ)
}
