//! One agent at a time in a state directory.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::StoreError;

/// Name of the file that is locked; who holds the lock writes its process id into it.
const FILE_NAME: &str = "mailwall.lock";
/// More bytes than a process id has.
const PID_MAX: u64 = 16;

/// Held until it is dropped, or the process ends in any way.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not used")] Flock<File>);

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Directory {
            path: dir.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(FILE_NAME))
            .map_err(unusable)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut locked) => {
                write_pid(&mut locked).map_err(unusable)?;
                Ok(Self(locked))
            }
            Err((file, Errno::EWOULDBLOCK)) => Err(StoreError::InUse {
                path: dir.to_owned(),
                pid: read_pid(file),
            }),
            Err((_, errno)) => Err(unusable(errno.into())),
        }
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
