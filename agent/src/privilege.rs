//! The power of root, and giving it up: the agent opens its filter as root and then goes on as a user of its own, with the
//! capabilities that a filter needs and no others.
//!
//! | capability | what it is kept for |
//! |---|---|
//! | `CAP_BPF` | the maps of bans and limits, on kernels where `unprivileged_bpf_disabled` shuts out who holds them (before 5.19) |
//! | `CAP_NET_ADMIN` | interfaces that come and go: programs are attached to them and taken off; cutting connections |
//! | `CAP_PERFMON` | the tracepoint, when a reload asks for limits where there were none |

use std::{
    fs::{DirBuilder, File},
    io,
    os::{
        fd::AsFd as _,
        unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, fchown},
    },
    path::{Path, PathBuf},
};

use caps::{CapSet, Capability, CapsHashSet};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag},
    sys::{prctl, stat::Mode},
    unistd::{Gid, Uid, User, fchownat, initgroups, seteuid, setresgid, setresuid},
};
use tracing::info;

/// Mode of the state directory where it has to be made.
const STATE_MODE: u32 = 0o700;
/// Mode of the run-time directory where it has to be made.
const RUN_MODE: u32 = 0o755;
/// What is kept.
const KEPT: [Capability; 3] = [
    Capability::CAP_BPF,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_PERFMON,
];

/// Why the agent cannot run as another user.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Only root becomes somebody else.
    #[error("cannot become the user {user}: only root can; start it as root, or leave out --user")]
    NotRoot {
        /// Whom it should become.
        user: String,
    },
    /// There is no such user.
    #[error("there is no user {user}; make one, such as with systemd-sysusers, or name another")]
    NoSuchUser {
        /// Its name.
        user: String,
    },
    /// To become root is to stay it.
    #[error("--user {user} is root itself; leave it out to run as root")]
    Root {
        /// Its name.
        user: String,
    },
    /// The host refuses.
    #[error("cannot {what}")]
    Host {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A user to become, while the process is still root.
#[derive(Debug)]
pub struct Privilege {
    user: User,
}

impl Privilege {
    /// Takes on the groups of `user`, so that logs can be read through them; the process stays root.
    ///
    /// # Errors
    /// When there is no such user, or this is not root.
    pub fn of(user: &str) -> Result<Self, PrivilegeError> {
        let name = || user.to_owned();
        let found = User::from_name(user).map_err(failed("look up the user"))?;
        let Some(found) = found else {
            return Err(PrivilegeError::NoSuchUser { user: name() });
        };
        if found.uid.is_root() {
            return Err(PrivilegeError::Root { user: name() });
        }
        if !Uid::effective().is_root() {
            return Err(PrivilegeError::NotRoot { user: name() });
        }
        let c_name = std::ffi::CString::new(user)
            .map_err(|_| PrivilegeError::NoSuchUser { user: name() })?;
        initgroups(&c_name, found.gid).map_err(failed("take on the groups of the user"))?;
        setresgid(found.gid, found.gid, found.gid)
            .map_err(failed("take on the group of the user"))?;
        Ok(Self { user: found })
    }

    /// Whose.
    pub fn uid(&self) -> Uid {
        self.user.uid
    }

    /// The user's own group.
    pub fn gid(&self) -> Gid {
        self.user.gid
    }

    /// Makes the state directory if need be and hands it over. What an agent that ran as root left in it goes with it.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn own_state(&self, dir: &Path) -> Result<(), PrivilegeError> {
        let opened = self.open(dir, STATE_MODE)?;
        let left_by_root = opened
            .metadata()
            .is_ok_and(|status| status.uid() == 0 && status.permissions().mode() & 0o022 == 0);
        if left_by_root {
            // Only root could put anything there, so that nothing in it leads elsewhere.
            for name in files(dir).map_err(|source| on("read", dir, source))? {
                fchownat(
                    opened.as_fd(),
                    name.as_path(),
                    Some(self.uid()),
                    Some(self.gid()),
                    AtFlags::AT_SYMLINK_NOFOLLOW,
                )
                .map_err(|errno| on("hand over", &dir.join(&name), errno.into()))?;
            }
        }
        self.hand_over(&opened, dir)
    }

    /// Makes the run-time directory if need be and hands it over.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn own_run(&self, dir: &Path) -> Result<(), PrivilegeError> {
        let opened = self.open(dir, RUN_MODE)?;
        self.hand_over(&opened, dir)
    }

    /// Does something as the user would: root must not follow what the user may have put in its directories.
    ///
    /// # Errors
    /// When the host refuses the change of users.
    pub fn as_user<T>(&self, work: impl FnOnce() -> T) -> Result<T, PrivilegeError> {
        seteuid(self.uid()).map_err(failed("act as the user"))?;
        let done = work();
        seteuid(Uid::from_raw(0)).map_err(failed("act as root again"))?;
        Ok(done)
    }

    /// Becomes the user for good, with no more than [what a filter needs](self).
    ///
    /// # Errors
    /// When the host refuses.
    pub fn give_up(self) -> Result<(), PrivilegeError> {
        let kept: CapsHashSet = KEPT.into_iter().collect();
        let host = |what: &str| {
            let what = what.to_owned();
            move |error: caps::errors::CapsError| PrivilegeError::Host {
                what,
                source: io::Error::other(error),
            }
        };
        for capability in caps::runtime::thread_all_supported() {
            if !kept.contains(&capability) {
                caps::drop(None, CapSet::Bounding, capability)
                    .map_err(host("narrow what it may ever do"))?;
            }
        }
        prctl::set_keepcaps(true).map_err(failed("keep capabilities"))?;
        let uid = self.uid();
        setresuid(uid, uid, uid).map_err(failed("become the user"))?;
        prctl::set_keepcaps(false).map_err(failed("stop keeping capabilities"))?;
        caps::clear(None, CapSet::Inheritable).map_err(host("clear inheritable capabilities"))?;
        caps::set(None, CapSet::Effective, &kept).map_err(host("choose its capabilities"))?;
        caps::set(None, CapSet::Permitted, &kept).map_err(host("choose its capabilities"))?;
        prctl::set_no_new_privs().map_err(failed("refuse new privileges"))?;
        info!(user = self.user.name, "gave up root");
        Ok(())
    }

    /// A directory, made if need be, never through a symbolic link at its end.
    fn open(&self, dir: &Path, mode: u32) -> Result<File, PrivilegeError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(mode);
        builder
            .create(dir)
            .map_err(|source| on("make", dir, source))?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        nix::fcntl::open(dir, flags, Mode::empty())
            .map(File::from)
            .map_err(|errno| on("open", dir, errno.into()))
    }

    fn hand_over(&self, opened: &File, dir: &Path) -> Result<(), PrivilegeError> {
        let status = opened
            .metadata()
            .map_err(|source| on("look at", dir, source))?;
        if status.uid() == self.uid().as_raw() {
            return Ok(());
        }
        fchown(opened, Some(self.uid().as_raw()), Some(self.gid().as_raw()))
            .map_err(|source| on("hand over", dir, source))
    }
}

fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        names.push(entry?.file_name().into());
    }
    Ok(names)
}

fn on(what: &str, path: &Path, source: io::Error) -> PrivilegeError {
    PrivilegeError::Host {
        what: format!("{what} {}", path.display()),
        source,
    }
}

fn failed(what: &'static str) -> impl Fn(Errno) -> PrivilegeError {
    move |errno| PrivilegeError::Host {
        what: what.to_owned(),
        source: errno.into(),
    }
}
