//! The sockets themselves.

use std::{
    fs,
    io::{self, IoSliceMut},
    net::SocketAddr,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::FileTypeExt as _,
    },
    path::Path,
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, Backlog, ControlMessageOwned, MsgFlags, SockFlag, SockType,
            SockaddrStorage, UnixAddr, bind, connect, listen, recvmsg, setsockopt, socket, sockopt,
        },
        stat::{Mode, fchmod},
    },
    unistd::{Group, chown},
};

use crate::{line::RECORD_MAX, source::Listen};

/// Bytes of datagrams that may wait in the kernel, if it grants as many.
const QUEUE_BYTES: usize = 4 << 20;
/// Connections that may wait.
const BACKLOG: i32 = 16;

/// Opens a socket for datagrams.
pub(super) fn open(listen: &Listen) -> io::Result<OwnedFd> {
    let socket = match listen {
        Listen::Udp(address) => open_udp(*address)?,
        Listen::Unix { path, group, .. } => open_unix(path, group.as_deref(), SockType::Datagram)?,
    };
    // What the kernel does not grant, it does not.
    let _ = setsockopt(&socket, sockopt::RcvBuf, &QUEUE_BYTES);
    Ok(socket)
}

/// Opens a socket for connections.
pub(super) fn open_stream(path: &Path, group: Option<&str>) -> io::Result<OwnedFd> {
    let socket = open_unix(path, group, SockType::Stream)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(socket)
}

fn open_udp(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = new(family, SockType::Datagram)?;
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}

/// What is written here is believed, so nobody may but root and the group that the operator named.
fn open_unix(path: &Path, group: Option<&str>, kind: SockType) -> io::Result<OwnedFd> {
    let group = match group {
        None => None,
        Some(name) => match Group::from_name(name)? {
            Some(group) => Some(group.gid),
            None => {
                let what = format!("there is no group {name}");
                return Err(io::Error::new(io::ErrorKind::NotFound, what));
            }
        },
    };
    remove_stale(path, kind)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let socket = new(AddressFamily::Unix, kind)?;
    // The file is made with the mode of the socket: it is never open to others.
    let mode = match group {
        Some(_) => Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IWGRP,
        None => Mode::S_IRUSR | Mode::S_IWUSR,
    };
    fchmod(&socket, mode)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    if group.is_some() {
        chown(path, None, group)?;
    }
    Ok(socket)
}

fn new(family: AddressFamily, kind: SockType) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(family, kind, flags, None)?)
}

/// Removes a socket that nobody listens at.
fn remove_stale(path: &Path, kind: SockType) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let in_the_way = |what| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    if !metadata.file_type().is_socket() {
        return in_the_way("something that is no socket is in the way");
    }
    let probe = new(AddressFamily::Unix, kind)?;
    match connect(probe.as_raw_fd(), &UnixAddr::new(path)?) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path),
        _ => in_the_way("another program listens there; give mailwall a path of its own"),
    }
}

/// Receives datagrams.
pub(super) struct Datagrams {
    buffer: Vec<u8>,
    control: Vec<u8>,
    /// What the kernel says it has dropped since the socket was opened.
    dropped: u32,
    lost: u64,
}

impl Default for Datagrams {
    fn default() -> Self {
        Self {
            buffer: vec![0; RECORD_MAX],
            control: nix::cmsg_space!(u32),
            dropped: 0,
            lost: 0,
        }
    }
}

/// A datagram.
pub(super) struct Received<'d> {
    pub(super) text: &'d [u8],
    /// Whether it was not longer than what is looked at.
    pub(super) is_whole: bool,
}

impl Datagrams {
    /// The next one; `WouldBlock` when there is none.
    pub(super) fn receive(&mut self, socket: &OwnedFd) -> io::Result<Received<'_>> {
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let received = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut self.control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        for message in received.cmsgs()? {
            if let ControlMessageOwned::RxqOvfl(dropped) = message {
                self.lost += u64::from(dropped.wrapping_sub(self.dropped));
                self.dropped = dropped;
            }
        }
        let is_whole = !received.flags.contains(MsgFlags::MSG_TRUNC);
        let len = received.bytes;
        Ok(Received {
            text: &self.buffer[..len],
            is_whole,
        })
    }

    /// How many were dropped since this was asked last.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}
