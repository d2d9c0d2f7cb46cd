//! Frames put on a cable as they are, and what the host at its other end makes of them.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    errno::Errno,
    libc,
    net::if_::if_nametoindex,
    sys::socket::{MsgFlags, send},
};

use crate::{
    deadline::eventually,
    packet::{Frame, UDP},
};

/// How long frames may be under way.
const WITHIN: Duration = Duration::from_secs(30);

/// Of include/uapi/linux/if_packet.h.
const PACKET_VNET_HDR: libc::c_int = 15;
/// `struct ifreq`: a name, and room for whatever is asked or told.
const IFREQ_LEN: usize = 40;

/// The other end of an interface of bare IP packets, in the network of the thread that opened it.
#[derive(Debug)]
pub struct Tunnel(File);

impl Tunnel {
    /// Makes the interface.
    ///
    /// # Errors
    /// When this kernel has no such interfaces.
    pub fn open(interface: &str) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .context("open /dev/net/tun")?;
        ensure!(interface.len() < libc::IFNAMSIZ, "a name that is too long");
        let mut request = [0_u8; IFREQ_LEN];
        request[..interface.len()].copy_from_slice(interface.as_bytes());
        let flags = u16::try_from(libc::IFF_TUN | libc::IFF_NO_PI)?;
        request[libc::IFNAMSIZ..libc::IFNAMSIZ + 2].copy_from_slice(&flags.to_ne_bytes());
        // SAFETY: the request is as large as a `struct ifreq`, and lives until the call returns.
        let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) };
        Errno::result(made).with_context(|| format!("make {interface}"))?;
        Ok(Self(file))
    }

    /// Lets the packet of a frame come out of the interface.
    ///
    /// # Errors
    /// When the interface does not take it.
    pub fn send(&mut self, frame: &Frame) -> Result<()> {
        let bytes = with_checksum(frame.bytes());
        let packet = bytes.get(14..).context("a frame without a packet")?;
        self.0.write_all(packet).context("send a packet")
    }
}

/// One end of a cable, in the network of the thread that opened it.
#[derive(Debug)]
pub struct Wire(OwnedFd);

impl Wire {
    /// The interface of that name.
    ///
    /// # Errors
    /// When there is none, or the caller is not root.
    pub fn open(interface: &str) -> Result<Self> {
        let index = if_nametoindex(interface).with_context(|| interface.to_owned())?;
        // SAFETY: the call takes and returns numbers. Of protocol 0 the socket receives nothing, which is as well.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        let fd = Errno::result(fd).context("open a packet socket")?;
        // SAFETY: the kernel made this descriptor in the call above; nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: zeroes are a `sockaddr_ll`.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET)?;
        address.sll_ifindex = i32::try_from(index)?;
        // SAFETY: the address is a `sockaddr_ll` of that length, and lives until the call returns.
        let bound = unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast(),
                u32::try_from(size_of_val(&address))?,
            )
        };
        Errno::result(bound).with_context(|| format!("bind to {interface}"))?;
        Ok(Self(socket))
    }

    /// Sends a frame so that the host which receives it has nothing but the Ethernet header in the part of its buffer that
    /// can be read directly. The frame must be larger than a page.
    ///
    /// # Errors
    /// When the interface does not take it.
    pub fn send_scattered(&self, frame: &Frame) -> Result<()> {
        ensure!(frame.bytes().len() > 4096, "a frame of less than a page");
        self.with_offload_header(true)?;
        // `struct virtio_net_hdr`: nothing is left to be done but for `hdr_len`, how much is to lie together.
        let mut bytes = vec![0, 0, 14, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend(with_checksum(frame.bytes()));
        let sent = send(self.0.as_raw_fd(), &bytes, MsgFlags::empty()).context("send a frame");
        self.with_offload_header(false)?;
        ensure!(sent? == bytes.len(), "only a part of a frame went out");
        Ok(())
    }

    fn with_offload_header(&self, wanted: bool) -> Result<()> {
        let wanted = libc::c_int::from(wanted);
        // SAFETY: the option is an int, which lives until the call returns.
        let set = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_PACKET,
                PACKET_VNET_HDR,
                (&raw const wanted).cast(),
                u32::try_from(size_of_val(&wanted))?,
            )
        };
        Errno::result(set)
            .map(drop)
            .context("ask for offload headers")
    }

    /// Sends a frame, with the checksum that its IPv4 header should have.
    ///
    /// # Errors
    /// When the interface does not take it whole.
    pub fn send(&self, frame: &Frame) -> Result<()> {
        let bytes = with_checksum(frame.bytes());
        let sent = send(self.0.as_raw_fd(), &bytes, MsgFlags::empty()).context("send a frame")?;
        ensure!(sent == bytes.len(), "only {sent} bytes of a frame went out");
        Ok(())
    }
}

/// TCP segments that `put` leads the host of the calling thread's network to receive: those that no filter dropped. It is
/// given what sends a frame; all that it sends must go the same way.
///
/// # Errors
/// Those of `put`, or when the host receives nothing at all.
pub fn segments_received(
    mut send: impl FnMut(&Frame) -> Result<()>,
    put: impl FnOnce(&mut dyn FnMut(&Frame) -> Result<()>) -> Result<()>,
) -> Result<u64> {
    let before = counter("Tcp:", "InSegs")?;
    let marks = counter("Udp:", "NoPorts")?;
    put(&mut send)?;
    // A datagram to nobody is not filtered, and comes last.
    let nobody = [0x9c, 0x40, 0, 9, 0, 8, 0, 0];
    let source = Ipv4Addr::new(192, 0, 2, 200);
    send(&Frame::new().ipv4(source, 0).payload(UDP, &nobody))?;
    eventually("the last frame is received", WITHIN, || {
        Ok((counter("Udp:", "NoPorts")? > marks).then_some(()))
    })?;
    Ok(counter("Tcp:", "InSegs")? - before)
}

/// A counter of the calling thread's network.
fn counter(protocol: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/net/snmp")?;
    let mut rows = text
        .lines()
        .map(|line| line.split(' '))
        .filter(|line| line.clone().next() == Some(protocol));
    let (Some(mut names), Some(mut values)) = (rows.next(), rows.next()) else {
        bail!("no counters of {protocol} in {text}");
    };
    names
        .position(|column| column == name)
        .and_then(|column| values.nth(column))
        .with_context(|| format!("no counter {protocol} {name}"))?
        .parse()
        .context("a counter is a number")
}

/// The frame with the checksum of its IPv4 header, if that is the first thing behind the Ethernet header and VLAN tags.
fn with_checksum(frame: &[u8]) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    let mut at = 12;
    while matches!(
        bytes.get(at..at + 2),
        Some([0x81 | 0x91, 0x00] | [0x88, 0xa8])
    ) {
        at += 4;
    }
    if bytes.get(at..at + 2) != Some(&[0x08, 0x00]) {
        return bytes;
    }
    let Some(header) = bytes.get_mut(at + 2..at + 22) else {
        return bytes;
    };
    let sum: u32 = header
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    bytes
}
