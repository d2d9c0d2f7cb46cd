//! Requests to the kernel's routing netlink, each over a socket of its own in the network namespace of the calling thread.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::netlink::{Told, exchange};

/// How often a list is asked for that changes while the kernel tells it.
const DUMPS_MAX: usize = 5;

/// What the kernel tells of each thing in a list: the messages without their netlink headers.
///
/// # Errors
/// When the kernel refuses.
pub fn dump(request: RouteNetlinkMessage) -> io::Result<Vec<Vec<u8>>> {
    let request = serialized(request, NLM_F_REQUEST | NLM_F_DUMP);
    let mut told = Vec::new();
    for _ in 0..DUMPS_MAX {
        told.clear();
        let keep = |message: &[u8]| told.push(message.to_vec());
        if exchange(NETLINK_ROUTE, &request, keep)? == Told::Whole {
            break;
        }
    }
    Ok(told)
}

/// Has the kernel change something.
///
/// # Errors
/// When it refuses.
pub fn change(request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let request = serialized(request, NLM_F_REQUEST | NLM_F_ACK | flags);
    exchange(NETLINK_ROUTE, &request, |_| {}).map(drop)
}

fn serialized(request: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}
