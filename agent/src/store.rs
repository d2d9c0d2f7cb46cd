//! What outlives the agent: bans with their evidence, the history of bans, the operator's allowlist and how far the logs were
//! read, in one SQLite file. Nothing here decides; a commit is durable against a crash of the agent, and whole or not at all.

mod account;
mod aside;
mod checkpoint;
mod journal;
mod lock;
mod read;
mod regular;
mod schema;
mod size;
mod tally;
mod timeline;
mod write;

use std::{
    collections::HashMap,
    fs::{DirBuilder, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use ipnet::IpNet;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tracing::{info, warn};

pub use self::{checkpoint::LeftFile, tally::TallyReader};
use self::{
    journal::Journal,
    lock::Lock,
    read::Contents,
    schema::SCHEMA,
    timeline::{Now, Timeline},
};
use crate::{
    allowlist::AllowEntry, ban::Ban, checkpoint::Checkpoint, clock::Clock, decision::Decision,
    penalty::PastBan,
};

/// Name of the database in the state directory.
pub const FILE_NAME: &str = "mailwall.db";
/// How long a reader of the database, such as a backup, may keep a commit waiting.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes that the log of changes is cut back to when it grew.
const JOURNAL_MAX: u32 = 16 << 20;
/// Kibibytes of the database that SQLite keeps in memory: a commit that changes more than that is slow. It is given back after
/// such a commit.
const CACHE_KIB: i64 = 16 << 10;
/// More decisions than this in one commit are many.
const MANY_DECISIONS: usize = 10_000;
/// After this many commits what is too old is removed; it is at each start, too.
const COMMITS_BETWEEN_PRUNES: u32 = 10_000;

/// The database of one state directory. Only one at a time.
#[derive(Debug)]
pub struct Store {
    journal: Journal,
    connection: Connection,
    timeline: Timeline,
    path: PathBuf,
    commits: u32,
    /// How long a commit waits for who holds the database.
    patience: Duration,
    /// Rows added to the tally since it was last cut back.
    tallied: usize,
    /// Most bytes of the database.
    max_bytes: u64,
    _lock: Lock,
}

/// A store with what was in it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Bans that are not over.
    pub bans: Vec<Ban>,
    /// What is remembered of bans, those in force among them.
    pub history: Vec<PastBan>,
    /// Manual entries of the allowlist.
    pub allowed: Vec<AllowEntry>,
    /// How far the logs were read, by the name of the source.
    pub checkpoints: HashMap<String, Checkpoint>,
    /// Where a database that could not be read is kept.
    pub set_aside: Option<PathBuf>,
    /// Whether there was none before.
    pub fresh: bool,
}

/// Why there is no store, or why something is not in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state directory cannot be made or written.
    #[error("cannot use the state directory {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another agent uses the state directory.
    #[error("{} uses the state directory {} already", holder(*pid), path.display())]
    InUse {
        /// Which directory.
        path: PathBuf,
        /// The other's process id, if it is known.
        pid: Option<u32>,
    },
    /// The database was written by a newer version.
    #[error(
        "{} was written by a newer mailwall (format {found}, this one knows {SCHEMA}); run that one, or move the file away", path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// Another program holds the database.
    #[error(
        "the database {} is locked by another program, such as a backup or a sqlite3 shell; end that, then start mailwall again", path.display()
    )]
    Held {
        /// Which file.
        path: PathBuf,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// Even a new database cannot be read.
    #[error("cannot read the database {}: {what}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What stands in the way.
        what: String,
    },
    /// The database can be neither read nor put aside.
    #[error("cannot put the unreadable database {} aside", path.display())]
    Aside {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The database cannot be written; nothing of the commit is in it.
    #[error("cannot write the database")]
    Write(#[from] rusqlite::Error),
}

impl Store {
    /// Opens the database in `dir`, or makes it. One that cannot be read is kept under another name.
    ///
    /// # Errors
    ///
    /// When the directory cannot be used or is in use, or the database is of a newer version.
    pub fn open(dir: &Path, clock: &Clock) -> Result<Opened, StoreError> {
        Self::open_at(dir, &Now::of(clock))
    }

    /// Puts decisions and checkpoints into the database: all of them or none.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn commit(
        &mut self,
        decisions: &[Decision],
        checkpoints: &[(String, Checkpoint)],
        clock: &Clock,
    ) -> Result<(), StoreError> {
        let committed = self.commit_at(decisions, checkpoints, &Now::of(clock));
        // Bans come into force behind their commit: who holds the database for long makes them wait once.
        let patience = match committed {
            Ok(()) => BUSY_TIMEOUT,
            Err(_) => Duration::ZERO,
        };
        if self.patience != patience && self.connection.busy_timeout(patience).is_ok() {
            self.patience = patience;
        }
        committed
    }

    /// Puts manual entries on the allowlist.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then none of them is there.
    pub fn allow(&mut self, entries: &[AllowEntry]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        write::allow(&transaction, entries)?;
        Ok(transaction.commit()?)
    }

    /// Takes manual entries off the allowlist.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then all of them are still there.
    pub fn disallow(&mut self, nets: &[IpNet]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        write::disallow(&transaction, nets)?;
        Ok(transaction.commit()?)
    }

    fn open_at(dir: &Path, now: &Now) -> Result<Opened, StoreError> {
        make_directory(dir)?;
        let lock = Lock::take(dir)?;
        let path = dir.join(FILE_NAME);
        let mut set_aside = None;
        let opened = match open_database(&path, now) {
            Err(OpenError::Unreadable(what)) => {
                let aside = aside::put(&path, now).map_err(|source| StoreError::Aside {
                    path: path.clone(),
                    source,
                })?;
                warn!(path = %path.display(), aside = %aside.display(), "the database cannot be read, so it was put aside: {what}");
                set_aside = Some(aside);
                open_database(&path, now)
            }
            other => other,
        };
        let (connection, timeline, contents) = opened.map_err(|error| error.at(&path))?;
        let journal = Journal::of(path.clone(), &connection);
        if contents.fresh {
            info!(path = %path.display(), "made a new database");
        }
        Ok(Opened {
            store: Self {
                journal,
                connection,
                timeline,
                path,
                commits: 0,
                patience: BUSY_TIMEOUT,
                tallied: 0,
                max_bytes: u64::MAX,
                _lock: lock,
            },
            bans: contents.bans,
            history: contents.history,
            allowed: contents.allowed,
            checkpoints: contents.checkpoints,
            set_aside,
            fresh: contents.fresh,
        })
    }

    fn commit_at(
        &mut self,
        decisions: &[Decision],
        checkpoints: &[(String, Checkpoint)],
        now: &Now,
    ) -> Result<(), StoreError> {
        let timeline = self.timeline.renewed(now);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        write::decisions(&transaction, decisions, &timeline, now)?;
        account::decisions(&transaction, decisions, &timeline, now)?;
        checkpoint::put(&transaction, checkpoints, timeline.now_ms(now))?;
        write::timeline(&transaction, &timeline, now)?;
        if self.commits >= COMMITS_BETWEEN_PRUNES {
            write::prune(&transaction, timeline.now_ms(now))?;
            account::prune(&transaction, timeline.now_ms(now))?;
            regular::prune(&transaction, timeline.now_ms(now))?;
        }
        transaction.commit()?;
        self.journal.note_commit(decisions.len());
        if decisions.len() > MANY_DECISIONS {
            // What is committed is committed, whatever becomes of the memory.
            let _ = self.connection.execute_batch("PRAGMA shrink_memory");
        }
        self.timeline = timeline;
        self.commits = match self.commits {
            COMMITS_BETWEEN_PRUNES.. => 0,
            commits => commits + 1,
        };
        Ok(())
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked)
    )
}

/// Why a database was not opened.
#[derive(Debug)]
enum OpenError {
    /// What is in it cannot be read, now or ever.
    Unreadable(String),
    /// It is of a newer version.
    Newer(i64),
    /// It cannot be had now.
    Failed(rusqlite::Error),
    /// Its file cannot be made or protected.
    File(io::Error),
}

impl OpenError {
    fn at(self, path: &Path) -> StoreError {
        let path = path.to_owned();
        match self {
            Self::Newer(found) => StoreError::Newer { path, found },
            Self::Unreadable(what) => StoreError::Unreadable { path, what },
            Self::Failed(source) if is_busy(&source) => StoreError::Held { path },
            Self::Failed(source) => StoreError::Open { path, source },
            Self::File(source) => StoreError::Directory {
                path: path.parent().unwrap_or(&path).to_owned(),
                source,
            },
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode};
        // All else comes from what is in the file: it is no database, or its rows are none that were ever written.
        let failed = matches!(
            &error,
            Error::SqliteFailure(failure, _) if matches!(
                failure.code,
                ErrorCode::PermissionDenied
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::OutOfMemory
                    | ErrorCode::ReadOnly
                    | ErrorCode::OperationInterrupted
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DiskFull
                    | ErrorCode::CannotOpen
                    | ErrorCode::FileLockingProtocolFailed
                    | ErrorCode::NoLargeFileSupport
            )
        );
        if failed {
            Self::Failed(error)
        } else {
            Self::Unreadable(error.to_string())
        }
    }
}

fn open_database(path: &Path, now: &Now) -> Result<(Connection, Timeline, Contents), OpenError> {
    protect(path).map_err(OpenError::File)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let fresh = schema::prepare(&mut connection, now)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_MAX)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // What is not read below may be broken too, and would fail each commit. Of a million bans that takes a while, so it is done
    // meanwhile; nothing is committed before it.
    let checked = thread::scope(|scope| {
        let check = || check(path);
        let checking = thread::Builder::new().spawn_scoped(scope, check);
        read_all(&mut connection, now, fresh, || {
            match checking.map(ScopedJoinHandle::join) {
                Ok(Ok(checked)) => checked,
                Ok(Err(panic)) => resume_unwind(panic),
                Err(_) => check(),
            }
        })
    });
    let (timeline, contents) = checked?;
    connection.execute_batch("PRAGMA shrink_memory")?;
    Ok((connection, timeline, contents))
}

/// Reads what is in the database, and ends what is over; the last word has `check`.
fn read_all(
    connection: &mut Connection,
    now: &Now,
    fresh: bool,
    check: impl FnOnce() -> Result<(), OpenError>,
) -> Result<(Timeline, Contents), OpenError> {
    let read = begin_to_read(connection, now, fresh);
    // What is broken often cannot be read either: the check says best what is wrong.
    check()?;
    let (transaction, timeline, contents) = read?;
    transaction.commit()?;
    Ok((timeline, contents))
}

fn begin_to_read<'c>(
    connection: &'c mut Connection,
    now: &Now,
    fresh: bool,
) -> Result<(Transaction<'c>, Timeline, Contents), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let timeline = read::timeline(&transaction, now)?;
    write::end_bans(&transaction, timeline.now_ms(now))?;
    write::prune(&transaction, timeline.now_ms(now))?;
    tally::prune_at_start(&transaction, timeline.now_ms(now))?;
    write::timeline(&transaction, &timeline, now)?;
    let contents = read::all(&transaction, &timeline, now, fresh)?;
    Ok((transaction, timeline, contents))
}

/// Whether the database at `path` is whole, as far as that is quickly found out.
fn check(path: &Path) -> Result<(), OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match said.as_str() {
        "ok" => Ok(()),
        _ => Err(failure_in(&said).unwrap_or(OpenError::Unreadable(said))),
    }
}

/// Why a check could not be done, if that was the reason for its complaint: it goes on without a page that cannot be had, also
/// for want of memory, and tells the code. Then nothing is known to be wrong with the database.
fn failure_in(check: &str) -> Option<OpenError> {
    let (_, code) = check.split_once("error code=")?;
    let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
    let failure = rusqlite::ffi::Error::new(digits.parse().ok()?);
    let failed = OpenError::from(rusqlite::Error::SqliteFailure(failure, None));
    matches!(failed, OpenError::Failed(_)).then_some(failed)
}

/// Makes the file if it is not there; SQLite gives its other files the same mode.
fn protect(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

fn make_directory(dir: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| StoreError::Directory {
        path: dir.to_owned(),
        source,
    })
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another mailwall".to_owned(),
        |pid| format!("another mailwall (process {pid})"),
    )
}

#[cfg(test)]
mod tests;
