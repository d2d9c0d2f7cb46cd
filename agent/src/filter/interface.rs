//! The interfaces of this network namespace, and who holds their XDP hooks, as the kernel tells by netlink.

use std::{fmt, io};

use netlink_packet_core::Parseable;
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        InfoKind, InfoPortKind, LinkAttribute, LinkExtentMask, LinkInfo, LinkLayerType,
        LinkMessage, LinkXdp, XdpAttached,
    },
};
use tracing::debug;

use super::netlink;

/// How a program sits on an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttachMode {
    /// In the driver, before the kernel has allocated anything for a packet.
    Native,
    /// In the network stack: works everywhere, costs more for each packet.
    Generic,
    /// In traffic control, behind XDP: beside an XDP program of somebody else.
    Tc,
}

impl AttachMode {
    /// `native`, `generic` or `tc`, as in the config.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Tc => "tc",
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
    /// What it is made upon, if packets come to it from there.
    pub upon: Option<Upon>,
    /// Whether its frames begin with an Ethernet header.
    pub is_ethernet: bool,
}

/// The interface through which the packets of another one come, in the same network namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upon {
    /// The packets of a VLAN come through the interface of this number, with tags.
    Parent(u32),
    /// A port of a bond: its packets are those of the bond, which has this number.
    Bond(u32),
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
    let mut request = LinkMessage::default();
    request
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let told = netlink::dump(RouteNetlinkMessage::GetLink(request))?;
    let mut interfaces: Vec<Interface> = told.iter().filter_map(|message| parse(message)).collect();
    interfaces.sort_by_key(|interface| interface.index);
    Ok(interfaces)
}

/// An interface that cannot be read is one that does not exist; it is no reason to leave the others alone.
fn parse(message: &[u8]) -> Option<Interface> {
    LinkMessage::parse(message)
        .inspect_err(|error| debug!("passed over an interface: {error}"))
        .ok()
        .map(read)
}

fn read(link: LinkMessage) -> Interface {
    let mut interface = Interface {
        index: link.header.index,
        is_ethernet: matches!(
            link.header.link_layer_type,
            LinkLayerType::Ether | LinkLayerType::Loopback
        ),
        ..Interface::default()
    };
    let mut lower = None;
    let mut is_lower_elsewhere = false;
    let mut controller = None;
    let mut is_vlan = false;
    let mut is_bond_port = false;
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name = name,
            LinkAttribute::Mtu(mtu) => interface.mtu = mtu,
            LinkAttribute::Xdp(xdp) => interface.hook = read_hook(&xdp),
            LinkAttribute::Link(index) => lower = Some(index),
            LinkAttribute::LinkNetNsId(_) => is_lower_elsewhere = true,
            LinkAttribute::Controller(index) => controller = Some(index),
            LinkAttribute::LinkInfo(infos) => {
                is_vlan = infos.contains(&LinkInfo::Kind(InfoKind::Vlan));
                is_bond_port = infos.contains(&LinkInfo::PortKind(InfoPortKind::Bond));
            }
            _ => {}
        }
    }
    interface.upon = if is_vlan && !is_lower_elsewhere {
        lower.map(Upon::Parent)
    } else if is_bond_port {
        controller.map(Upon::Bond)
    } else {
        None
    };
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
        assert!(lo.is_ethernet);
        assert_eq!(lo.upon, None);
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
