//! The tables. Times are milliseconds of the database's own time (`timeline.rs`). There is no index beside the primary keys:
//! one that was damaged would not be noticed at the start, but fail each commit.

use rusqlite::{Connection, TransactionBehavior};

use super::{
    OpenError, account, checkpoint, regular, tally,
    timeline::{Now, Timeline},
    write,
};

/// Version of the tables, kept as SQLite's `user_version`.
pub(super) const SCHEMA: i64 = 5;

const TABLES: &str = "
CREATE TABLE timeline (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    boot TEXT,
    zero_ms INTEGER NOT NULL,
    ahead_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL
) STRICT;
-- Bans in force. Without an end: until they are removed.
CREATE TABLE bans (
    net TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    end_ms INTEGER,
    offences INTEGER NOT NULL,
    level INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Log lines that led to the bans in force.
CREATE TABLE evidence (
    net TEXT NOT NULL,
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (net, number)
) STRICT, WITHOUT ROWID;
-- What makes the next ban of a net longer.
CREATE TABLE history (
    net TEXT PRIMARY KEY,
    level INTEGER NOT NULL,
    last_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Manual entries of the allowlist.
CREATE TABLE allowed (
    net TEXT PRIMARY KEY,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- How far the logs were read.
CREATE TABLE checkpoints (
    source TEXT PRIMARY KEY,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    position INTEGER NOT NULL,
    fingerprint BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";
/// What the second version added.
const CURSORS: &str = "
-- How far the journal was read.
CREATE TABLE cursors (
    source TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What the third version added.
const THIRD: &[&str] = &[account::TABLES, tally::TABLE, regular::TABLE];

/// What the fourth version added: the offence that made a ban due.
const CAUSES: &str = "
ALTER TABLE bans ADD COLUMN kind TEXT;
ALTER TABLE bans ADD COLUMN service TEXT;
";

/// Makes the tables in an empty database, or checks that they are ours and brings them up to date. Whether they are new.
pub(super) fn prepare(connection: &mut Connection, now: &Now) -> Result<bool, OpenError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > SCHEMA {
        return Err(OpenError::Newer(found));
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let fresh = tables == 0;
    if !fresh && found == 0 {
        // Nothing of another program's database is touched.
        return Err(OpenError::Unreadable("it is not mailwall's".to_owned()));
    }
    if fresh {
        // Takes effect only before there is any table: what is deleted can be given back to the file system.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    if fresh {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLES)?;
        transaction.execute_batch(CURSORS)?;
        transaction.execute_batch(&THIRD.concat())?;
        transaction.execute_batch(CAUSES)?;
        transaction.execute_batch(checkpoint::SEEN)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        write::timeline(&transaction, &Timeline::begin(now), now)?;
        transaction.commit()?;
    } else if found < SCHEMA {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if found < 2 {
            transaction.execute_batch(CURSORS)?;
        }
        if found < 3 {
            transaction.execute_batch(&THIRD.concat())?;
        }
        if found < 4 {
            transaction.execute_batch(CAUSES)?;
        }
        transaction.execute_batch(checkpoint::SEEN)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        transaction.commit()?;
    }
    Ok(fresh)
}
