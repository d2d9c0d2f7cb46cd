//! What an interface's driver tells by ethtool's calls and of its XDP.

use std::{io, os::fd::AsRawFd};

use netlink_sys::protocols::NETLINK_GENERIC;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::netlink::{self, NLM_F_ACK, NLM_F_DUMP, attribute, find, half, number, text};

/// include/uapi/linux/sockios.h, include/uapi/linux/ethtool.h
const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const ETH_FLAG_LRO: u32 = 1 << 15;
/// include/uapi/linux/genetlink.h
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// Command, version and two spare bytes.
const GENL_HEADER: usize = 4;
/// include/uapi/linux/netdev.h
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
const NETDEV_XDP_ACT_BASIC: u64 = 1;
const NETDEV_XDP_ACT_RX_SG: u64 = 1 << 5;

/// What a driver tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Card {
    /// Its name.
    pub driver: Option<String>,
    /// Queues that receive, and queues that send; `None` where it does not tell.
    pub queues: Option<(u32, u32)>,
    /// The most pairs of queues that there can be.
    pub queues_max: Option<u32>,
    /// Whether it merges what it receives (LRO).
    pub merges: bool,
    /// Whether it runs XDP programs itself.
    pub native: Native,
}

/// Whether a driver runs XDP programs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Native {
    /// Kernels before 6.3 do not tell.
    #[default]
    Untold,
    /// It has no native mode.
    No,
    /// It has, for packets in one piece.
    Whole,
    /// It has, also for packets in several pieces.
    Pieces,
}

#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// Each the most, then each the present number: receiving, sending, other, both.
#[repr(C)]
struct Channels {
    command: u32,
    most: [u32; 4],
    present: [u32; 4],
}

const _: () = assert!(size_of::<DriverInfo>() == 196);
const _: () = assert!(size_of::<Channels>() == 36);

/// What the driver of an interface tells. What it does not is left open.
pub(super) fn card(index: u32, name: &str) -> Card {
    let mut info = DriverInfo {
        command: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        rest: [0; 160],
    };
    let mut flags = Value {
        command: ETHTOOL_GFLAGS,
        data: 0,
    };
    let mut channels = Channels {
        command: ETHTOOL_GCHANNELS,
        most: [0; 4],
        present: [0; 4],
    };
    let driver = ethtool(name, &mut info)
        .ok()
        .and_then(|()| text(&info.driver));
    let told = ethtool(name, &mut channels).is_ok();
    let [rx, tx, _, both] = channels.present;
    let [rx_max, tx_max, _, both_max] = channels.most;
    Card {
        driver: driver.filter(|driver| !driver.is_empty()),
        queues: told.then_some((rx + both, tx + both)),
        queues_max: told.then_some(both_max + rx_max.min(tx_max)),
        merges: ethtool(name, &mut flags).is_ok() && flags.data & ETH_FLAG_LRO != 0,
        native: native(index),
    }
}

fn ethtool<T>(interface: &str, request: &mut T) -> io::Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: of all zeros, it names no interface and points nowhere.
    let mut ask: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays NUL.
    let room = ask.ifr_name.len() - 1;
    for (to, from) in ask.ifr_name.iter_mut().take(room).zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    ask.ifr_ifru.ifru_data = (&raw mut *request).cast();
    // SAFETY: the kernel fills `request`, which is the structure of the command that stands at its start.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut ask) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// As the kernel tells since 6.3.
fn native(index: u32) -> Native {
    ask_native(index).ok().flatten().unwrap_or_default()
}

fn ask_native(index: u32) -> io::Result<Option<Native>> {
    let name = attribute(CTRL_ATTR_FAMILY_NAME, b"netdev\0");
    let question = [&[CTRL_CMD_GETFAMILY, 1, 0, 0][..], &name].concat();
    let families = netlink::ask(NETLINK_GENERIC, GENL_ID_CTRL, NLM_F_ACK, &question)?;
    let family = families
        .iter()
        .find_map(|family| half(find(family.get(GENL_HEADER..)?, CTRL_ATTR_FAMILY_ID)?));
    let Some(family) = family else {
        return Ok(None);
    };
    let question = [NETDEV_CMD_DEV_GET, 1, 0, 0];
    let devices = netlink::ask(NETLINK_GENERIC, family, NLM_F_DUMP, &question)?;
    Ok(devices.iter().find_map(|device| native_of(device, index)))
}

/// What an answer says, if it is about the interface of this number.
fn native_of(answer: &[u8], index: u32) -> Option<Native> {
    let attributes = answer.get(GENL_HEADER..)?;
    if find(attributes, NETDEV_A_DEV_IFINDEX).and_then(number)? != index {
        return None;
    }
    let bits = find(attributes, NETDEV_A_DEV_XDP_FEATURES)?;
    let bits = u64::from_ne_bytes(*bits.first_chunk()?);
    Some(if bits & NETDEV_XDP_ACT_BASIC == 0 {
        Native::No
    } else if bits & NETDEV_XDP_ACT_RX_SG == 0 {
        Native::Whole
    } else {
        Native::Pieces
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_mode_is_read_from_the_bits() {
        let answer = |bits: u64| {
            [
                vec![NETDEV_CMD_DEV_GET, 1, 0, 0],
                attribute(NETDEV_A_DEV_IFINDEX, &2_u32.to_ne_bytes()),
                attribute(NETDEV_A_DEV_XDP_FEATURES, &bits.to_ne_bytes()),
            ]
            .concat()
        };
        assert_eq!(native_of(&answer(0), 2), Some(Native::No));
        assert_eq!(native_of(&answer(0x7), 2), Some(Native::Whole));
        assert_eq!(native_of(&answer(0x23), 2), Some(Native::Pieces));
        assert_eq!(native_of(&answer(0x23), 3), None);
        assert_eq!(native_of(&[], 2), None);
    }

    #[test]
    fn an_interface_that_is_not_there_tells_nothing() {
        assert_eq!(card(u32::MAX, "no-such-device-"), Card::default());
    }
}
