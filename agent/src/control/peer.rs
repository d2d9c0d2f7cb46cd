//! Who is at the other end of a connection, as the kernel says: nothing the peer sends counts.

use std::{io, os::fd::AsFd};

use nix::{
    sys::socket::{getsockopt, sockopt::PeerCredentials},
    unistd::geteuid,
};

/// Most supplementary groups asked for: the kernel's `NGROUPS_MAX` (include/uapi/linux/limits.h).
const GROUPS_MAX: usize = 65_536;

/// The process at the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Process id; `None` where it belongs to another pid namespace.
    pub pid: Option<u32>,
    /// User id it connected with.
    pub uid: u32,
    /// Whether it is root, the agent's own user or a member of the configured group. Others are refused everything.
    pub may_change: bool,
}

impl Peer {
    /// The peer of `stream`, judged by its credentials when it connected.
    pub(super) fn of(stream: &impl AsFd, group: Option<u32>) -> io::Result<Self> {
        let credentials = getsockopt(stream, PeerCredentials)?;
        let may_change = match group {
            _ if is_root_or_self(credentials.uid()) => true,
            Some(group) => credentials.gid() == group || groups(stream)?.contains(&group),
            None => false,
        };
        Ok(Self {
            pid: u32::try_from(credentials.pid())
                .ok()
                .filter(|pid| *pid != 0),
            uid: credentials.uid(),
            may_change,
        })
    }

    /// Whether it is root or the agent's own user.
    pub(super) fn is_root_or_self(self) -> bool {
        is_root_or_self(self.uid)
    }
}

fn is_root_or_self(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

/// Supplementary groups of the peer of `stream` (`SO_PEERGROUPS`, Linux 4.13): `SO_PEERCRED` knows only the primary one.
fn groups(stream: &impl AsFd) -> io::Result<Vec<libc::gid_t>> {
    use std::os::fd::AsRawFd;

    let fd = stream.as_fd().as_raw_fd();
    let mut room = 32;
    loop {
        let mut groups: Vec<libc::gid_t> = vec![0; room];
        let mut bytes = (room * size_of::<libc::gid_t>()) as libc::socklen_t;
        // SAFETY: `groups` is writable for `bytes` bytes, and both live until the call returns; the kernel writes whole
        // gid_t values and the number of bytes.
        let result = unsafe {
            libc::getsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let known = bytes as usize / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(known);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        // ERANGE comes with the number of bytes that are needed.
        if error.raw_os_error() != Some(libc::ERANGE) || known <= room || known > GROUPS_MAX {
            return Err(error);
        }
        room = known;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use nix::unistd::{getegid, getgroups};

    use super::*;

    #[test]
    fn a_process_of_the_same_user_may_change_things() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = Peer::of(&ours, None).unwrap();
        assert_eq!(peer.pid, Some(std::process::id()));
        assert_eq!(peer.uid, geteuid().as_raw());
        assert!(peer.may_change);
    }

    #[test]
    fn the_kernel_names_the_supplementary_groups_of_the_peer() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut expected: Vec<u32> = getgroups()
            .unwrap()
            .iter()
            .map(|gid| gid.as_raw())
            .collect();
        let mut named = groups(&ours).unwrap();
        expected.sort_unstable();
        named.sort_unstable();
        assert_eq!(named, expected);
        assert_eq!(
            getsockopt(&ours, PeerCredentials).unwrap().gid(),
            getegid().as_raw()
        );
    }
}
