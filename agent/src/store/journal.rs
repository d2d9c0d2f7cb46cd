//! Moves what the journal (SQLite's write-ahead log) holds into the database, in a thread of its own: that waits for the disk,
//! and bans must not wait with it.

use std::{
    io,
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, OpenFlags};
use tracing::warn;

/// Decisions and commits after which the journal is emptied: some 4 MiB of bans with their evidence, where SQLite would do it
/// by itself at a commit.
const FULL: usize = 300;
/// Pages of 4 KiB past which a commit empties the journal all the same, and waits: the thread is far behind. 64 MiB.
const PAGES_MAX: u32 = 16 << 10;

/// Empties the journal now and then, until it is dropped.
#[derive(Debug)]
pub(super) struct Journal {
    held: usize,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Takes care of the journal of the database at `path`, in place of `connection`.
    pub(super) fn of(path: PathBuf, connection: &Connection) -> Self {
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || empty_when_woken(path, &woken))
            .and_then(|thread| {
                let left = connection.pragma_update(None, "wal_autocheckpoint", PAGES_MAX);
                left.map(|()| thread).map_err(io::Error::other)
            });
        // Without the thread SQLite goes on emptying the journal at commits.
        let thread = thread
            .inspect_err(|error| warn!("commits may wait for the disk: {error}"))
            .ok();
        Self {
            held: 0,
            wake: Some(wake),
            thread,
        }
    }

    /// Notes a commit of so many decisions.
    pub(super) fn note_commit(&mut self, decisions: usize) {
        self.held += 1 + decisions;
        if self.held >= FULL
            && let Some(wake) = &self.wake
        {
            self.held = 0;
            // A wake that waits already does.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn empty_when_woken(path: PathBuf, woken: &Receiver<()>) {
    let mut connection = None;
    while woken.recv().is_ok() {
        let emptied = match &connection {
            Some(connection) => empty(connection),
            None => open(&path).and_then(|opened| empty(connection.insert(opened))),
        };
        if let Err(error) = emptied {
            warn!(path = %path.display(), "the journal could not be emptied, and grows: {error}");
        }
    }
}

fn open(path: &PathBuf) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

fn empty(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
