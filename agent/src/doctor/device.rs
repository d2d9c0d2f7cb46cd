//! The interfaces as the kernel's device layer sees them: of which kind, over and under which others. By netlink, because
//! /sys tells of the network namespace in which it was mounted.

use std::io;

use netlink_sys::protocols::NETLINK_ROUTE;

use super::netlink::{self, NLM_F_DUMP, find, half, number, text};

/// include/uapi/linux/rtnetlink.h
const RTM_GETLINK: u16 = 18;
/// `struct ifinfomsg`
const HEADER: usize = 16;
/// include/uapi/linux/if_link.h
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
/// include/uapi/linux/if_arp.h, include/uapi/linux/if.h
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
const IFF_UP: u32 = 1;

/// An interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Device {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is switched on.
    pub is_up: bool,
    /// Whether its packets begin with an Ethernet header.
    pub is_ethernet: bool,
    /// As `ip link add type` calls it: `vlan`, `bond`, `bridge`, `veth`, `wireguard`...; `None` for cards.
    pub kind: Option<String>,
    /// The one that carries its packets: of a VLAN device. `None` if it is in another namespace.
    pub link: Option<u32>,
    /// The bridge or bond that it is a port of.
    pub master: Option<u32>,
    /// Queues for receiving that were made.
    pub rx_queues: u32,
    /// Queues for sending that were made.
    pub tx_queues: u32,
}

impl Device {
    /// Whether it is of that kind.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }
}

/// The interfaces of this network namespace.
///
/// # Errors
/// When the kernel does not list them.
pub(super) fn list() -> io::Result<Vec<Device>> {
    let answers = netlink::ask(NETLINK_ROUTE, RTM_GETLINK, NLM_F_DUMP, &[0; HEADER])?;
    Ok(answers.iter().filter_map(|answer| read(answer)).collect())
}

fn read(answer: &[u8]) -> Option<Device> {
    let (header, attributes) = answer.split_at_checked(HEADER)?;
    let layer = half(header.get(2..)?)?;
    let attribute = |kind| find(attributes, kind);
    let value = |kind| attribute(kind).and_then(number);
    Some(Device {
        index: number(header.get(4..)?)?,
        name: attribute(IFLA_IFNAME).and_then(text)?,
        is_up: number(header.get(8..)?)? & IFF_UP != 0,
        is_ethernet: matches!(layer, ARPHRD_ETHER | ARPHRD_LOOPBACK),
        kind: attribute(IFLA_LINKINFO)
            .and_then(|info| find(info, IFLA_INFO_KIND))
            .and_then(text),
        // With the namespace, the number is one of that.
        link: value(IFLA_LINK).filter(|_| attribute(IFLA_LINK_NETNSID).is_none()),
        master: value(IFLA_MASTER),
        rx_queues: value(IFLA_NUM_RX_QUEUES).unwrap_or(1),
        tx_queues: value(IFLA_NUM_TX_QUEUES).unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::netlink::attribute, *};

    #[test]
    fn the_loopback_interface_is_listed() {
        let devices = list().unwrap();
        let lo = devices.iter().find(|device| device.name == "lo").unwrap();
        assert_eq!(lo.index, 1);
        assert!(lo.is_ethernet);
    }

    #[test]
    fn a_vlan_device_tells_what_it_is_on() {
        let header = [
            &[0, 0][..],
            &1_u16.to_ne_bytes(),
            &9_u32.to_ne_bytes(),
            &0x1043_u32.to_ne_bytes(),
            &[0; 4],
        ]
        .concat();
        let answer = [
            header,
            attribute(IFLA_IFNAME, b"eth0.100\0"),
            attribute(IFLA_LINK, &2_u32.to_ne_bytes()),
            attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, b"vlan\0")),
            attribute(IFLA_NUM_RX_QUEUES, &4_u32.to_ne_bytes()),
        ]
        .concat();
        let expected = Device {
            index: 9,
            name: "eth0.100".to_owned(),
            is_up: true,
            is_ethernet: true,
            kind: Some("vlan".to_owned()),
            link: Some(2),
            master: None,
            rx_queues: 4,
            tx_queues: 1,
        };
        assert_eq!(read(&answer), Some(expected));
        assert_eq!(read(&answer[..20]), None);
    }
}
