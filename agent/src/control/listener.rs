//! The socket's place in the file system: made safely, alone, and taken away at the end.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{
                DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown,
            },
            net as blocking,
        },
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    sys::socket::{
        AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket,
        sockopt::PeerCredentials,
    },
    unistd::{Group, Uid, User, geteuid},
};
use tokio::net::UnixListener;

use super::socket_path;

/// Mode of the run-time directory, where it has to be made.
const DIR_MODE: u32 = 0o755;
/// Mode of the socket when a group is configured.
const GROUP_MODE: u32 = 0o660;
/// Mode of the socket when none is.
const OWNER_MODE: u32 = 0o600;
/// Whether everybody may put files into a directory, in its mode.
const OTHERS_WRITE: u32 = 0o002;

/// The control socket, listening; dropped, it is removed from the file system.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: UnixListener,
    /// Group whose members may ask for things, beside root.
    pub(super) group: Option<u32>,
    path: PathBuf,
    /// Keeps a second agent off this directory for as long as this one lives.
    _lock: Flock<File>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Why the agent cannot listen on its control socket.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// One agent a run-time directory.
    #[error("another mailwall is running{}", pid_note(*.pid))]
    AnotherRuns {
        /// Its process id, where the kernel says it.
        pid: Option<u32>,
    },
    /// The configured group.
    #[error("group {name} of [control] does not exist")]
    UnknownGroup {
        /// Its name.
        name: String,
    },
    /// Something that is not ours to remove.
    #[error("{} is in the way: it is not a socket", path.display())]
    InTheWay {
        /// Path of the socket.
        path: PathBuf,
    },
    /// A directory that others could put a socket of theirs into.
    #[error("{} {why}, who could put another socket in mailwall's place; {advice}", path.display())]
    Unsafe {
        /// Path of the directory.
        path: PathBuf,
        /// Whose it is.
        why: String,
        /// What to do.
        advice: String,
    },
    /// The host refuses.
    #[error("cannot {step} {}", path.display())]
    Host {
        /// What was tried, as a verb.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn pid_note(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

/// Listens on the control socket in `run_dir`, which is made where it is missing. Members of `group` may ask for things too.
///
/// # Errors
///
/// When another agent uses the directory, the group does not exist, or the host refuses.
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn listen(run_dir: &Path, group: Option<&str>) -> Result<Listener, ServeError> {
    let group = group.map(group_id).transpose()?;
    let path = socket_path(run_dir);
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(run_dir)
        .map_err(host("make", run_dir))?;
    let dir = open_safely(run_dir)?;
    let lock = lock(dir, run_dir, &path)?;
    remove_stale(&path)?;
    // Nothing depends on the moment between bind and chmod: every peer is checked when it connects.
    let socket = blocking::UnixListener::bind(&path).map_err(host("listen on", &path))?;
    let mode = if group.is_some() {
        GROUP_MODE
    } else {
        OWNER_MODE
    };
    let socket = chown(&path, None, group)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
        .and_then(|()| socket.set_nonblocking(true))
        .and_then(|()| UnixListener::from_std(socket))
        .map_err(host("set up", &path))?;
    Ok(Listener {
        socket,
        group,
        path,
        _lock: lock,
    })
}

fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

fn group_id(name: &str) -> Result<u32, ServeError> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(ServeError::UnknownGroup {
            name: name.to_owned(),
        }),
        Err(errno) => Err(ServeError::Host {
            step: "look up the group",
            path: PathBuf::from(name),
            source: errno.into(),
        }),
    }
}

/// The directory, if nobody else can put anything into it.
fn open_safely(run_dir: &Path) -> Result<File, ServeError> {
    let own = geteuid().as_raw();
    let is_trusted = |uid: u32| uid == 0 || uid == own;
    let shown = run_dir.display();
    let is_unsafe = |why: String, advice: String| ServeError::Unsafe {
        path: run_dir.to_owned(),
        why,
        advice,
    };
    let link = fs::symlink_metadata(run_dir).map_err(host("look at", run_dir))?;
    if link.is_symlink() && !is_trusted(link.uid()) {
        return Err(is_unsafe(
            format!("is a symbolic link of user {}", user_name(link.uid())),
            "remove it, or name another directory with --run-dir".to_owned(),
        ));
    }
    let dir = File::open(run_dir).map_err(host("open", run_dir))?;
    let status = dir.metadata().map_err(host("look at", run_dir))?;
    if !is_trusted(status.uid()) {
        let user = user_name(status.uid());
        return Err(is_unsafe(
            format!("belongs to user {user}"),
            format!("start it with --user {user}, or chown {own} {shown}"),
        ));
    }
    if status.permissions().mode() & OTHERS_WRITE != 0 {
        return Err(is_unsafe(
            "is open to everybody".to_owned(),
            format!("chmod o-w {shown}, or name a directory of its own with --run-dir"),
        ));
    }
    Ok(dir)
}

/// Two agents that start at once would both find the other's socket stale; of a lock there is only one.
fn lock(dir: File, run_dir: &Path, socket: &Path) -> Result<Flock<File>, ServeError> {
    Flock::lock(dir, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => ServeError::AnotherRuns {
            pid: match occupant(socket) {
                Ok(Occupant::Live { pid }) => pid,
                Ok(Occupant::None | Occupant::Stale) | Err(_) => None,
            },
        },
        errno => host("lock", run_dir)(errno.into()),
    })
}

fn remove_stale(path: &Path) -> Result<(), ServeError> {
    // What a link leads to is not asked, and neither is it removed.
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(host("look at", path)(error)),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(ServeError::InTheWay {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
    }
    match occupant(path).map_err(host("look at", path))? {
        Occupant::None => Ok(()),
        Occupant::Live { pid } => Err(ServeError::AnotherRuns { pid }),
        Occupant::Stale => fs::remove_file(path).map_err(host("remove", path)),
    }
}

/// Who listens at a path.
enum Occupant {
    /// There is nothing.
    None,
    /// A file that nobody listens at.
    Stale,
    /// A process.
    Live { pid: Option<u32> },
}

/// Asks by connecting, without waiting: an agent that hangs must not hang the next one.
fn occupant(path: &Path) -> io::Result<Occupant> {
    let probe = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    match connect(probe.as_raw_fd(), &UnixAddr::new(path)?) {
        // The credentials of a listener are those of the process that called listen(2).
        Ok(()) => Ok(Occupant::Live {
            pid: getsockopt(&probe, PeerCredentials)
                .ok()
                .and_then(|peer| u32::try_from(peer.pid()).ok())
                .filter(|pid| *pid != 0),
        }),
        Err(Errno::ENOENT) => Ok(Occupant::None),
        Err(Errno::ECONNREFUSED) => Ok(Occupant::Stale),
        // Its backlog is full.
        Err(Errno::EAGAIN) => Ok(Occupant::Live { pid: None }),
        Err(errno) => Err(errno.into()),
    }
}

fn host(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ServeError {
    let path = path.to_owned();
    move |source| ServeError::Host { step, path, source }
}
