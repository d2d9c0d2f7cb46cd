//! How much the database takes, and what gives way when that is too much: the tally of reports, the oldest hours first. Nothing
//! else does: bans, their history, the allowlist, accounts, holds and regulars have bounds of their own.

use rusqlite::{Connection, Result, params};
use tracing::{info, warn};

use super::{Store, StoreError};
use crate::tally::TallySort;

/// Hours of the tally that go at a time at most, so that a commit holds up nothing.
const HOURS_AT_ONCE: usize = 24;
/// A file of which more than this share is free room is written anew at a start, where it is too large.
const AIR: u64 = 2;

impl Store {
    /// Says how many bytes the database may take, and makes room if it takes more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn bound(&mut self, max_bytes: u64) -> std::result::Result<(), StoreError> {
        self.max_bytes = max_bytes;
        loop {
            let transaction = self.connection.transaction()?;
            let gone = make_room(&transaction, max_bytes)?;
            transaction.commit()?;
            if !gone {
                return Ok(());
            }
        }
    }

    /// Gives room back to the file system where the file is larger than it may be and much of it is free. Takes a while, so
    /// only for a start.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn shrink(&mut self) -> std::result::Result<(), StoreError> {
        let (whole, free) = pages(&self.connection)?;
        if whole <= self.max_bytes || free < whole / AIR {
            return Ok(());
        }
        match self.connection.execute_batch("VACUUM") {
            Ok(()) => info!(
                was = whole,
                "the database was written anew, being larger than [store] max_mb"
            ),
            // It needs as much room once more for a while.
            Err(error) => warn!("the database stays larger than [store] max_mb: {error}"),
        }
        Ok(())
    }

    /// Bytes of the database that are in use.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn size(&self) -> std::result::Result<u64, StoreError> {
        Ok(used(&self.connection)?)
    }
}

/// Takes the oldest hours of the tally out until no more than `max_bytes` are in use, some at a time: whether there may be more
/// to take. The newest hour stays.
pub(super) fn make_room(connection: &Connection, max_bytes: u64) -> Result<bool> {
    for _ in 0..HOURS_AT_ONCE {
        if used(connection)? <= max_bytes {
            return Ok(false);
        }
        let oldest = hours(connection, "min")?.into_iter().min();
        let newest = hours(connection, "max")?.into_iter().max();
        let Some(oldest) = oldest.filter(|oldest| Some(*oldest) < newest) else {
            return Ok(false);
        };
        for sort in TallySort::ALL {
            connection.execute(
                "DELETE FROM tally WHERE sort = ? AND hour <= ?",
                params![sort.as_str(), oldest],
            )?;
        }
    }
    Ok(true)
}

/// The first or last hour of each sort: found by the key, where one question about all of them would read every row.
fn hours(connection: &Connection, which: &str) -> Result<Vec<i64>> {
    let sql = format!("SELECT {which}(hour) FROM tally WHERE sort = ?");
    let mut found = Vec::new();
    for sort in TallySort::ALL {
        let hour: Option<i64> = connection.query_row(&sql, [sort.as_str()], |row| row.get(0))?;
        found.extend(hour);
    }
    Ok(found)
}

fn used(connection: &Connection) -> Result<u64> {
    let (whole, free) = pages(connection)?;
    Ok(whole - free.min(whole))
}

/// Bytes of the file, and how many of them are free.
fn pages(connection: &Connection) -> Result<(u64, u64)> {
    let number = |name: &str| -> Result<u64> {
        let number: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
        Ok(number.unsigned_abs())
    };
    let size = number("page_size")?;
    Ok((
        number("page_count")? * size,
        number("freelist_count")? * size,
    ))
}
