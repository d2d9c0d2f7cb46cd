//! The socket that metrics are scraped from.

use std::{
    fs, io,
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileTypeExt as _, chown},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen as start,
            socket,
        },
        stat::{Mode, fchmod},
    },
    unistd::Group,
};
use tokio::net::{TcpListener, UnixListener};

use super::Listen;

/// Connections that may wait.
const BACKLOG: i32 = 16;

/// Listening; dropped, it is removed from the file system.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: Socket,
    path: Option<PathBuf>,
}

#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

/// Starts listening.
///
/// # Errors
/// When the host refuses, or another program listens there.
pub fn listen(at: &Listen) -> io::Result<Listener> {
    match at {
        Listen::Inet(address) => {
            let socket = std::net::TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok(Listener {
                socket: Socket::Tcp(TcpListener::from_std(socket)?),
                path: None,
            })
        }
        Listen::Unix { path, group } => {
            let socket = open_unix(path, group.as_deref())?;
            Ok(Listener {
                socket: Socket::Unix(UnixListener::from_std(socket)?),
                path: Some(path.clone()),
            })
        }
    }
}

fn open_unix(path: &Path, group: Option<&str>) -> io::Result<std::os::unix::net::UnixListener> {
    let group = match group {
        None => None,
        Some(name) => match Group::from_name(name)? {
            Some(group) => Some(group.gid.as_raw()),
            None => {
                let what = format!("there is no group {name}");
                return Err(io::Error::new(io::ErrorKind::NotFound, what));
            }
        },
    };
    remove_stale(path)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let unix = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // The file is made with the mode of the socket: it is never open to others.
    let mode = match group {
        Some(_) => Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP | Mode::S_IWGRP,
        None => Mode::S_IRUSR | Mode::S_IWUSR,
    };
    fchmod(&unix, mode)?;
    bind(unix.as_raw_fd(), &UnixAddr::new(path)?)?;
    if group.is_some() {
        chown(path, None, group)?;
    }
    start(&unix, Backlog::new(BACKLOG)?)?;
    Ok(unix.into())
}

/// Removes a socket that nobody listens at.
fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let in_the_way = |what| Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    if !metadata.file_type().is_socket() {
        return in_the_way("something that is no socket is in the way");
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let probe = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(probe.as_raw_fd(), &UnixAddr::new(path)?) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path),
        _ => in_the_way("another program listens there; give mailwall a path of its own"),
    }
}
