//! The interfaces of this network namespace, and who holds their XDP hooks, as the kernel tells by netlink.

use std::{fmt, io};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkExtentMask, LinkMessage, LinkXdp, XdpAttached},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// How a program sits on an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttachMode {
    /// In the driver, before the kernel has allocated anything for a packet.
    Native,
    /// In the network stack: works everywhere, costs more for each packet.
    Generic,
}

impl AttachMode {
    /// `native` or `generic`, as in the config.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for AttachMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// XDP programs on it.
    pub hook: Hook,
}

/// Numbers of the XDP programs on an interface.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Hook {
    /// In the driver.
    pub native: Option<u32>,
    /// In the network stack.
    pub generic: Option<u32>,
    /// In the network card itself.
    pub offloaded: Option<u32>,
}

impl Hook {
    /// How the program of this number sits here, if it does.
    pub fn mode_of(&self, program_id: u32) -> Option<AttachMode> {
        if self.native == Some(program_id) {
            Some(AttachMode::Native)
        } else if self.generic == Some(program_id) {
            Some(AttachMode::Generic)
        } else {
            None
        }
    }

    /// The program that is here, whatever the mode.
    pub fn program_id(&self) -> Option<u32> {
        self.native.or(self.generic).or(self.offloaded)
    }
}

/// The interfaces, in the order of their numbers.
///
/// # Errors
/// When the kernel does not answer, or says something else.
pub fn list() -> io::Result<Vec<Interface>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&request(), 0)?;

    let mut interfaces = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(io::Error::other)?;
            match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                    interfaces.push(read(link));
                }
                NetlinkPayload::Done(_) => {
                    interfaces.sort_by_key(|interface| interface.index);
                    return Ok(interfaces);
                }
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            let length = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

fn request() -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut wanted = LinkMessage::default();
    wanted
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let mut message = NetlinkMessage::new(
        header,
        NetlinkPayload::from(RouteNetlinkMessage::GetLink(wanted)),
    );
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn read(link: LinkMessage) -> Interface {
    let mut interface = Interface {
        index: link.header.index,
        ..Interface::default()
    };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name = name,
            LinkAttribute::Mtu(mtu) => interface.mtu = mtu,
            LinkAttribute::Xdp(xdp) => interface.hook = read_hook(&xdp),
            _ => {}
        }
    }
    interface
}

/// A program alone is told by its number and its mode; several, and newer kernels always, by one number for each mode.
fn read_hook(xdp: &[LinkXdp]) -> Hook {
    let mut hook = Hook::default();
    let mut alone = None;
    let mut attached = XdpAttached::None;
    for attribute in xdp {
        match attribute {
            LinkXdp::Attached(mode) => attached = *mode,
            LinkXdp::ProgId(id) => alone = Some(*id),
            LinkXdp::DrvProgId(id) => hook.native = Some(*id),
            LinkXdp::SkbProgId(id) => hook.generic = Some(*id),
            LinkXdp::HwProgId(id) => hook.offloaded = Some(*id),
            _ => {}
        }
    }
    match attached {
        XdpAttached::Driver => hook.native = hook.native.or(alone),
        XdpAttached::SocketBuffer => hook.generic = hook.generic.or(alone),
        XdpAttached::Hardware => hook.offloaded = hook.offloaded.or(alone),
        _ => {}
    }
    hook
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_listed() {
        let interfaces = list().unwrap();
        let lo = interfaces
            .iter()
            .find(|interface| interface.name == "lo")
            .unwrap();
        assert_eq!(lo.index, 1);
        assert!(lo.mtu >= 1500);
    }

    #[test]
    fn the_mode_is_that_of_the_program() {
        let hook = read_hook(&[
            LinkXdp::Attached(XdpAttached::SocketBuffer),
            LinkXdp::ProgId(7),
            LinkXdp::SkbProgId(7),
        ]);
        assert_eq!(hook.mode_of(7), Some(AttachMode::Generic));
        assert_eq!(hook.mode_of(8), None);

        let old_kernel = read_hook(&[LinkXdp::Attached(XdpAttached::Driver), LinkXdp::ProgId(7)]);
        assert_eq!(old_kernel.mode_of(7), Some(AttachMode::Native));

        let several = read_hook(&[
            LinkXdp::Attached(XdpAttached::Multiple),
            LinkXdp::DrvProgId(3),
            LinkXdp::HwProgId(9),
        ]);
        assert_eq!(several.mode_of(3), Some(AttachMode::Native));
        assert_eq!(several.program_id(), Some(3));
    }
}
