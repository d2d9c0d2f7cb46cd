//! Hosts that did well, day by day.

use std::time::SystemTime;

use rusqlite::{Connection, Result, params};

use super::{Store, StoreError, read, timeline::Now};
use crate::{
    clock::Clock,
    regular::{DAYS_REMEMBERED, REGULARS_MAX, Regular},
};

pub(super) const TABLE: &str = "
-- Hosts, and networks around them, that did well. Bit n of mail and logins stands for n days before the last.
CREATE TABLE regulars (
    net TEXT PRIMARY KEY,
    last_ms INTEGER NOT NULL,
    mail INTEGER NOT NULL,
    logins INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

impl Store {
    /// Puts what is known of regulars in place of what was known of them before: all or nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_regulars(&mut self, regulars: &[Regular], clock: &Clock) -> Result<(), StoreError> {
        self.save_regulars_at(regulars, &Now::of(clock))
    }

    /// The regulars that were saved.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn regulars(&self, clock: &Clock) -> Result<Vec<Regular>, StoreError> {
        self.regulars_at(&Now::of(clock))
    }

    fn save_regulars_at(&mut self, regulars: &[Regular], now: &Now) -> Result<(), StoreError> {
        let timeline = self.timeline.renewed(now);
        let transaction = self.connection.transaction()?;
        save(&transaction, regulars, |at| timeline.ms(at, now))?;
        Ok(transaction.commit()?)
    }

    fn regulars_at(&self, now: &Now) -> Result<Vec<Regular>, StoreError> {
        let rows = read::rows(
            &self.connection,
            "SELECT net, last_ms, mail, logins FROM regulars",
            |row| {
                Ok(Regular {
                    net: read::net(row, 0)?,
                    last: self.timeline.steady(row.get(1)?, now),
                    mail: row.get(2)?,
                    logins: row.get(3)?,
                })
            },
        )?;
        Ok(rows)
    }
}

fn save(
    connection: &Connection,
    regulars: &[Regular],
    ms: impl Fn(SystemTime) -> i64,
) -> Result<()> {
    let mut put = connection.prepare(
        "INSERT OR REPLACE INTO regulars (net, last_ms, mail, logins) VALUES (?, ?, ?, ?)",
    )?;
    for regular in regulars {
        let Regular {
            net,
            last,
            mail,
            logins,
        } = regular;
        put.execute(params![net.to_string(), ms(*last), mail, logins])?;
    }
    Ok(())
}

/// Takes out those that did nothing well for too long, and those that are too many.
pub(super) fn prune(connection: &Connection, now_ms: i64) -> Result<()> {
    let oldest_ms = now_ms.saturating_sub(i64::from(DAYS_REMEMBERED + 1) * 86_400_000);
    connection.execute("DELETE FROM regulars WHERE last_ms < ?", [oldest_ms])?;
    let rows: i64 = connection.query_row("SELECT count(*) FROM regulars", [], |row| row.get(0))?;
    let excess = rows - i64::try_from(REGULARS_MAX).unwrap_or(i64::MAX);
    if excess > 0 {
        connection.execute(
            "DELETE FROM regulars WHERE net IN (SELECT net FROM regulars ORDER BY last_ms LIMIT ?)",
            [excess],
        )?;
    }
    Ok(())
}
