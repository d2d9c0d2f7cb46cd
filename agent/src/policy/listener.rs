//! The socket that Postfix connects to.

use std::{
    fmt,
    fs::{self, File, Permissions},
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open},
    sys::{
        socket::{
            AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
        },
        stat::{Mode, fchmod},
    },
    unistd::{Group, fchownat},
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
pub struct Place {
    path: PathBuf,
    /// Which file it is.
    inode: Option<u64>,
}

/// Tells whether a socket can still be found where it was put.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Whereabouts(Option<(PathBuf, u64)>);

impl Whereabouts {
    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        self.0.as_ref().is_none_or(|(path, inode)| {
            fs::symlink_metadata(path).is_ok_and(|status| status.ino() == *inode)
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let is_ours = |inode| {
            let status = fs::symlink_metadata(&self.path);
            status.is_ok_and(|status| status.ino() == inode)
        };
        if self.inode.is_none_or(is_ours) {
            let _ = fs::remove_file(&self.path);
        }
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

    /// Where it is to be found.
    pub fn whereabouts(&self) -> Whereabouts {
        Whereabouts(match self {
            Self::Unix(_, place) => place.inode.map(|inode| (place.path.clone(), inode)),
            Self::Inet(_) => None,
        })
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
    let mut place = Place {
        path: path.to_owned(),
        inode: None,
    };
    place.inode = Some(open_to(path, gid.as_ref(), mode)?);
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(Listener::Unix(UnixListener::from(socket), place))
}

/// Gives the socket its group and mode; tells which file it is. Never through a link, which whoever owns the folder may have put in its
/// place meanwhile.
fn open_to(path: &Path, group: Option<&Group>, mode: u16) -> io::Result<u64> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let status = file.metadata()?;
    if !status.file_type().is_socket() {
        return Err(io::Error::other("something else has taken its place"));
    }
    if let Some(group) = group
        && status.gid() != group.gid.as_raw()
    {
        let given = fchownat(&file, "", None, Some(group.gid), AtFlags::AT_EMPTY_PATH);
        given.map_err(|errno| not_given(&group.name, errno))?;
    }
    // The umask may have taken some of it away.
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(itself, Permissions::from_mode(mode.into()))?;
    Ok(status.ino())
}

fn not_given(group: &str, errno: Errno) -> io::Error {
    let advice = match errno {
        Errno::EPERM => {
            "; restart mailwall, or make the user that it runs as a member of the group"
        }
        _ => "",
    };
    io::Error::other(format!(
        "cannot give it to the group {group}: {}{advice}",
        errno.desc()
    ))
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
