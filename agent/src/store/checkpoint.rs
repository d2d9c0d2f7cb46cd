//! How far logs were read, and when each log file was seen last.

use std::{collections::HashMap, time::Duration};

use rusqlite::{Connection, Result, Row, params};

use super::{Store, StoreError, read::rows, timeline::Now};
use crate::{
    checkpoint::{Checkpoint, FilePosition},
    clock::Clock,
};

/// What the fifth version added: when a file was seen last. Zero: nobody knows, for it was an earlier version that saw it.
pub(super) const SEEN: &str = "
ALTER TABLE checkpoints ADD COLUMN seen_ms INTEGER NOT NULL DEFAULT 0;
";

/// A log file that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftFile {
    /// Its path.
    pub name: String,
    /// How far it was read.
    pub position: FilePosition,
    /// How long ago it was seen; `None` where that is not known.
    pub seen_ago: Option<Duration>,
}

impl Store {
    /// All log files of which is known how far they were read.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn left_files(&self, clock: &Clock) -> std::result::Result<Vec<LeftFile>, StoreError> {
        self.left_files_at(&Now::of(clock))
    }

    /// Notes which log files are seen now, and forgets how far others were read: all of it or nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn sort_out_files<'a>(
        &mut self,
        seen: impl IntoIterator<Item = &'a str>,
        forgotten: impl IntoIterator<Item = &'a str>,
        clock: &Clock,
    ) -> std::result::Result<(), StoreError> {
        self.sort_out_files_at(seen, forgotten, &Now::of(clock))
    }

    pub(super) fn left_files_at(
        &self,
        now: &Now,
    ) -> std::result::Result<Vec<LeftFile>, StoreError> {
        let now_ms = self.timeline.renewed(now).now_ms(now);
        Ok(rows(
            &self.connection,
            "SELECT source, device, inode, position, fingerprint, seen_ms FROM checkpoints ORDER BY source",
            |row| {
                let seen_ms: i64 = row.get(5)?;
                let ago_ms = u64::try_from(now_ms.saturating_sub(seen_ms)).unwrap_or_default();
                Ok(LeftFile {
                    name: row.get(0)?,
                    position: position(row)?,
                    seen_ago: (seen_ms > 0).then(|| Duration::from_millis(ago_ms)),
                })
            },
        )?)
    }

    pub(super) fn sort_out_files_at<'a>(
        &mut self,
        seen: impl IntoIterator<Item = &'a str>,
        forgotten: impl IntoIterator<Item = &'a str>,
        now: &Now,
    ) -> std::result::Result<(), StoreError> {
        let now_ms = self.timeline.renewed(now).now_ms(now);
        let transaction = self.connection.transaction()?;
        {
            let mut note =
                transaction.prepare("UPDATE checkpoints SET seen_ms = ? WHERE source = ?")?;
            for name in seen {
                note.execute(params![now_ms, name])?;
            }
            let mut forget = transaction.prepare("DELETE FROM checkpoints WHERE source = ?")?;
            for name in forgotten {
                forget.execute([name])?;
            }
        }
        Ok(transaction.commit()?)
    }
}

/// Puts checkpoints into the tables. The caller makes it one transaction.
pub(super) fn put(
    connection: &Connection,
    checkpoints: &[(String, Checkpoint)],
    now_ms: i64,
) -> Result<()> {
    if checkpoints.is_empty() {
        return Ok(());
    }
    let mut put_file = connection.prepare(
        "INSERT OR REPLACE INTO checkpoints (source, device, inode, position, fingerprint, seen_ms) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    let mut put_cursor =
        connection.prepare("INSERT OR REPLACE INTO cursors (source, cursor) VALUES (?, ?)")?;
    for (source, checkpoint) in checkpoints {
        match checkpoint {
            Checkpoint::File(position) => put_file.execute(params![
                source,
                position.device.cast_signed(),
                position.inode.cast_signed(),
                position.offset.cast_signed(),
                &position.fingerprint[..],
                now_ms,
            ])?,
            Checkpoint::Journal(cursor) => put_cursor.execute(params![source, cursor])?,
        };
    }
    Ok(())
}

/// All checkpoints, by the name of the source.
pub(super) fn all(connection: &Connection) -> Result<HashMap<String, Checkpoint>> {
    let files = rows(
        connection,
        "SELECT source, device, inode, position, fingerprint FROM checkpoints",
        |row| Ok((row.get(0)?, Checkpoint::File(position(row)?))),
    )?;
    let cursors = rows(connection, "SELECT source, cursor FROM cursors", |row| {
        let cursor: String = row.get(1)?;
        Ok((row.get(0)?, Checkpoint::Journal(cursor.into())))
    })?;
    Ok(files.into_iter().chain(cursors).collect())
}

fn position(row: &Row<'_>) -> Result<FilePosition> {
    Ok(FilePosition {
        device: row.get::<_, i64>(1)?.cast_unsigned(),
        inode: row.get::<_, i64>(2)?.cast_unsigned(),
        offset: row.get::<_, i64>(3)?.cast_unsigned(),
        fingerprint: row.get::<_, Vec<u8>>(4)?.into(),
    })
}
