//! The journal's native protocol (systemd's "Native Journal Protocol"): entries with fields that `journalctl` can be asked for.
//!
//! Nothing here waits: an entry that journald does not take at once is an error, and the caller says it elsewhere.

use std::{
    env,
    fs::File,
    io::{self, IoSlice, Write as _},
    os::{
        fd::{AsFd, AsRawFd as _},
        unix::net::UnixDatagram,
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        socket::{ControlMessage, MsgFlags, sendmsg},
        stat::fstat,
    },
};

/// Where journald takes entries.
const SOCKET: &str = "/run/systemd/journal/socket";
/// Names another socket: that of a journal namespace, or of a test.
const SOCKET_VARIABLE: &str = "MAILWALL_JOURNAL_SOCKET";
/// Most bytes of an entry; journald itself takes more.
const ENTRY_MAX: usize = 256 << 10;
/// Most bytes of a field's name, as journald has it.
const NAME_MAX: usize = 64;

/// How important an entry is, as syslog(3) numbers it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Priority {
    /// Something has to be done.
    Error = 3,
    /// Something may have to be done.
    Warning = 4,
    /// As it should be, but worth a look.
    Notice = 5,
    /// As it should be.
    Info = 6,
}

/// An entry that is being written.
#[derive(Clone, Debug)]
pub struct Entry {
    bytes: Vec<u8>,
}

impl Entry {
    /// One that says `message` in a program's name of ours.
    pub fn new(priority: Priority, message: &str) -> Self {
        Self { bytes: Vec::new() }
            .field("MESSAGE", message)
            .field("PRIORITY", &(priority as u8).to_string())
            .field("SYSLOG_IDENTIFIER", "mailwall")
    }

    /// The same with a field: `name` is upper-case letters, digits and underscores, and may be there several times. What is beyond
    /// 256 KiB is left out.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        debug_assert!(is_name(name), "{name}");
        if self.bytes.len() + name.len() + value.len() + 10 > ENTRY_MAX {
            return self;
        }
        self.bytes.extend(name.as_bytes());
        if value.contains('\n') {
            self.bytes.push(b'\n');
            self.bytes.extend((value.len() as u64).to_le_bytes());
        } else {
            self.bytes.push(b'=');
        }
        self.bytes.extend(value.as_bytes());
        self.bytes.push(b'\n');
        self
    }

    /// The same with a field, where there is a value for it.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.field(name, &value.to_string()),
            None => self,
        }
    }
}

/// What journald takes as the name of a field.
fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    name.len() <= NAME_MAX
        && name.bytes().all(fits)
        && name.starts_with(|c: char| c.is_ascii_uppercase())
}

/// The way to journald.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// To the journal of this host, whether or not one runs.
    ///
    /// # Errors
    /// When this process may open no more sockets.
    pub fn of_host() -> io::Result<Self> {
        let path =
            env::var_os(SOCKET_VARIABLE).map_or_else(|| PathBuf::from(SOCKET), PathBuf::from);
        Self::at(&path)
    }

    /// To whoever listens at `path`.
    ///
    /// # Errors
    /// When this process may open no more sockets.
    pub fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }

    /// Sends an entry.
    ///
    /// # Errors
    /// When nobody listens, or journald is too busy to take it now.
    pub fn send(&self, entry: &Entry) -> io::Result<()> {
        match self.socket.send_to(&entry.bytes, &self.path) {
            Ok(_) => Ok(()),
            // Larger than a datagram may be: journald reads it from a file that nobody can change any more.
            Err(err) if is_too_long(&err) => self.send_as_file(&entry.bytes),
            Err(err) => Err(err),
        }
    }

    fn send_as_file(&self, bytes: &[u8]) -> io::Result<()> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create(c"mailwall-journal-entry", flags)?);
        file.write_all(bytes)?;
        let seals = SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_WRITE
            | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let address = nix::sys::socket::UnixAddr::new(&self.path)?;
        let descriptors = [file.as_fd().as_raw_fd()];
        sendmsg(
            self.socket.as_raw_fd(),
            &[] as &[IoSlice<'_>],
            &[ControlMessage::ScmRights(&descriptors)],
            MsgFlags::MSG_DONTWAIT,
            Some(&address),
        )?;
        Ok(())
    }
}

fn is_too_long(err: &io::Error) -> bool {
    // The latter where the socket's buffer is smaller than the entry.
    [Errno::EMSGSIZE, Errno::ENOBUFS]
        .map(|errno| Some(errno as i32))
        .contains(&err.raw_os_error())
}

/// Whether stderr is a stream to journald, which puts the time in front of every line itself: `JOURNAL_STREAM` (systemd.exec(5))
/// names device and inode, because it is inherited by what has its stderr elsewhere.
pub fn is_stderr() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else {
        return false;
    };
    fstat(io::stderr()).is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{IoSliceMut, Read as _, Seek as _},
        os::{
            fd::{AsRawFd as _, FromRawFd as _},
            unix::net::UnixDatagram,
        },
    };

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

    use super::{Entry, Journal, Priority, is_name};

    fn journal() -> (UnixDatagram, Journal, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        (listener, Journal::at(&path).unwrap(), dir)
    }

    #[test]
    fn fields_are_written_as_journald_reads_them() {
        let (listener, journal, _dir) = journal();
        let entry = Entry::new(Priority::Info, "banned")
            .field("MAILWALL_NET", "203.0.113.7/32")
            .maybe("MAILWALL_FOR_S", None::<u64>)
            .maybe("MAILWALL_OFFENCES", Some(7))
            .field("MAILWALL_REASON", "two\nlines=1");
        journal.send(&entry).unwrap();
        let mut buffer = [0; 4096];
        let length = listener.recv(&mut buffer).unwrap();
        let expected = [
            &b"MESSAGE=banned\nPRIORITY=6\nSYSLOG_IDENTIFIER=mailwall\nMAILWALL_NET=203.0.113.7/32\nMAILWALL_OFFENCES=7\n"[..],
            b"MAILWALL_REASON\n\x0b\0\0\0\0\0\0\0two\nlines=1\n",
        ]
        .concat();
        assert_eq!(
            String::from_utf8_lossy(&buffer[..length]),
            String::from_utf8_lossy(&expected)
        );
    }

    #[test]
    fn an_entry_too_large_for_a_datagram_comes_as_a_sealed_file() {
        let (listener, journal, _dir) = journal();
        let piece = "x".repeat(1000);
        let entry = (0..1000).fold(Entry::new(Priority::Info, "large"), |entry, _| {
            entry.field("MAILWALL_EVIDENCE", &piece)
        });
        assert!(entry.bytes.len() > 250_000 && entry.bytes.len() <= super::ENTRY_MAX);
        journal.send_as_file(&entry.bytes).unwrap();
        let mut buffer = [0; 16];
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let mut space = nix::cmsg_space!(i32);
        let received = recvmsg::<()>(
            listener.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::empty(),
        )
        .unwrap();
        let Some(ControlMessageOwned::ScmRights(descriptors)) = received.cmsgs().unwrap().next()
        else {
            panic!("no descriptor")
        };
        // SAFETY: the descriptor was just received and is nobody else's.
        let mut file = unsafe { File::from_raw_fd(descriptors[0]) };
        file.rewind().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, entry.bytes);
        assert!(file.set_len(0).is_err(), "sealed");
    }

    #[test]
    fn nobody_listening_is_an_error_at_once() {
        let (listener, journal, dir) = journal();
        drop(listener);
        drop(dir);
        journal.send(&Entry::new(Priority::Info, "x")).unwrap_err();
    }

    #[test]
    fn names_are_those_that_journald_takes() {
        assert!(is_name("MAILWALL_FOR_S"));
        for name in ["", "_TRUSTED", "lower", "A-B", "1A", &"A".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
