//! Requests to the kernel's routing netlink, each over a socket of its own in the network namespace of the calling thread.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// How often a list is asked for that changes while the kernel tells it.
const DUMPS_MAX: usize = 5;

// Of include/uapi/linux/netlink.h.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;

/// What the kernel tells of each thing in a list: the messages without their netlink headers.
///
/// # Errors
/// When the kernel refuses.
pub fn dump(request: RouteNetlinkMessage) -> io::Result<Vec<Vec<u8>>> {
    let request = serialized(request, NLM_F_REQUEST | NLM_F_DUMP);
    let mut told = Vec::new();
    for _ in 0..DUMPS_MAX {
        told.clear();
        if exchange(&request, |message| told.push(message.to_vec()))? == Told::Whole {
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
    exchange(&request, |_| {}).map(drop)
}

/// Whether a list is what there was at one moment.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Told {
    Whole,
    /// Something came or went meanwhile.
    Torn,
}

/// Sends a request, and hands over what comes back until the kernel says that this was all.
fn exchange(request: &[u8], mut take: impl FnMut(&[u8])) -> io::Result<Told> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(request, 0)?;
    let mut told = Told::Whole;
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkBuffer::new_checked(rest).map_err(io::Error::other)?;
            if message.flags() & NLM_F_DUMP_INTR != 0 {
                told = Told::Torn;
            }
            match message.message_type() {
                NLMSG_DONE => return Ok(told),
                // An acknowledgement is an error of number 0.
                NLMSG_ERROR => return result(message.payload()).map(|()| told),
                _ => take(message.payload()),
            }
            let length = (message.length() as usize).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

fn result(error: &[u8]) -> io::Result<()> {
    let Some(number) = error.first_chunk() else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    match i32::from_ne_bytes(*number) {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(-number)),
    }
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
