//! A named counter of nftables, asked of the kernel: `nft list counter` reads all sets first, which takes seconds when one has
//! a million elements.

use anyhow::{Context as _, Result, ensure};
use mailwall_tests::Namespace;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

// From include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h.
const SUBSYSTEM: u16 = 10;
const GET_OBJECT: u16 = 19;
const OBJECT_TABLE: u16 = 1;
const OBJECT_NAME: u16 = 2;
const OBJECT_TYPE: u16 = 3;
const OBJECT_DATA: u16 = 4;
const TYPE_COUNTER: u32 = 1;
const COUNTER_PACKETS: u16 = 2;

// From include/uapi/linux/netlink.h.
const REQUEST: u16 = 1;
const ERROR: u16 = 2;
const NESTED: u16 = 1 << 15;
const MESSAGE_HEADER: usize = 16;
/// The header of nfnetlink, behind that of the message.
const FAMILY_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;

/// Packets that a counter has counted. `family` is numbered as `NFPROTO_*`.
///
/// # Errors
/// When there is no such counter.
pub fn packets(network: &Namespace, family: u8, table: &str, name: &str) -> Result<u64> {
    let request = request(family, table, name);
    let answer = network.enter(|| {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.send(&request, 0)?;
        let (answer, _) = socket.recv_from_full()?;
        Ok(answer)
    })?;
    let kind = answer.get(4..6).context("a message without a header")?;
    ensure!(
        u16::from_ne_bytes([kind[0], kind[1]]) != ERROR,
        "the kernel knows no counter {name} in the table {table}"
    );
    let attributes = answer
        .get(MESSAGE_HEADER + FAMILY_HEADER..)
        .unwrap_or_default();
    let packets = attribute(attributes, OBJECT_DATA)
        .and_then(|data| attribute(data, COUNTER_PACKETS))
        .and_then(|packets| packets.try_into().ok())
        .context("the kernel tells of no packets")?;
    Ok(u64::from_be_bytes(packets))
}

fn request(family: u8, table: &str, name: &str) -> Vec<u8> {
    let mut attributes = Vec::new();
    push(&mut attributes, OBJECT_TABLE, &terminated(table));
    push(&mut attributes, OBJECT_NAME, &terminated(name));
    push(&mut attributes, OBJECT_TYPE, &TYPE_COUNTER.to_be_bytes());
    let len = MESSAGE_HEADER + FAMILY_HEADER + attributes.len();
    let mut message = Vec::with_capacity(len);
    message.extend((len as u32).to_ne_bytes());
    message.extend((SUBSYSTEM << 8 | GET_OBJECT).to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    // Sequence and port, which nobody asks for here.
    message.extend([0; 8]);
    message.extend([family, 0, 0, 0]);
    message.extend(attributes);
    message
}

fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

fn push(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(((ATTRIBUTE_HEADER + value.len()) as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// The value of the first attribute of this kind.
fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let header = attributes.get(..ATTRIBUTE_HEADER)?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = attributes.get(ATTRIBUTE_HEADER..len)?;
        if u16::from_ne_bytes([header[2], header[3]]) & !NESTED == kind {
            return Some(value);
        }
        attributes = attributes.get(len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_behind_others() {
        let mut inner = Vec::new();
        push(&mut inner, 1, &[0; 8]);
        push(&mut inner, COUNTER_PACKETS, &7_u64.to_be_bytes());
        let mut outer = Vec::new();
        push(&mut outer, OBJECT_NAME, b"odd\0\0");
        push(&mut outer, OBJECT_DATA | NESTED, &inner);
        let data = attribute(&outer, OBJECT_DATA).unwrap_or_default();
        assert_eq!(
            attribute(data, COUNTER_PACKETS),
            Some(&[0, 0, 0, 0, 0, 0, 0, 7][..])
        );
        assert_eq!(attribute(data, 9), None);
    }
}
