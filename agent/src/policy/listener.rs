//! The socket that Postfix connects to.

use std::{
    fmt, fs,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    os::{
        fd::AsRawFd as _,
        unix::{fs::FileTypeExt as _, net::UnixListener},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
        },
        stat::{Mode, fchmod},
    },
    unistd::{Group, chown},
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// The group that Postfix runs in, if none is named.
const POSTFIX: &str = "postfix";

/// Where the service listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// A Unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Its group; `None` for Postfix's, where there is one of that name.
        group: Option<String>,
        /// Its mode.
        mode: u16,
    },
    /// A TCP socket.
    Inet(SocketAddr),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            Self::Inet(address) => write!(f, "inet:{address}"),
        }
    }
}

/// An open socket; dropped, it is removed from the file system.
#[derive(Debug)]
pub enum Listener {
    /// A Unix socket.
    Unix(UnixListener, Place),
    /// A TCP socket.
    Inet(TcpListener),
}

/// The path of a Unix socket, for as long as it is ours.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Listens.
    ///
    /// # Errors
    /// When the group does not exist, something is in the way, or the host refuses.
    pub fn open(at: &Listen) -> io::Result<Self> {
        match at {
            Listen::Inet(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Inet(listener))
            }
            Listen::Unix { path, group, mode } => open_unix(path, group.as_deref(), *mode),
        }
    }
}

fn open_unix(path: &Path, group: Option<&str>, mode: u16) -> io::Result<Listener> {
    let gid = match group {
        Some(name) => Some(Group::from_name(name)?.ok_or_else(|| {
            io::Error::new(ErrorKind::NotFound, format!("there is no group {name}"))
        })?),
        None => Group::from_name(POSTFIX)?,
    };
    remove_stale(path)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // The file is made with the mode of the socket: it is never open to others.
    fchmod(&socket, Mode::from_bits_truncate(mode.into()))?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    let place = Place(path.to_owned());
    if let Some(group) = gid {
        chown(path, None, Some(group.gid))?;
    }
    // The umask may have taken some of it away.
    fs::set_permissions(
        path,
        std::os::unix::fs::PermissionsExt::from_mode(mode.into()),
    )?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(Listener::Unix(UnixListener::from(socket), place))
}

/// Removes a socket that nobody listens at.
fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let in_the_way = |what| Err(io::Error::new(ErrorKind::AddrInUse, what));
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
