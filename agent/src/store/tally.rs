//! How many offences each host and account made in each hour, and what each rule decided: what reports are made of. Written in
//! batches, read by a connection of its own, so that a report holds up nothing.

use std::{path::PathBuf, time::Duration};

use rusqlite::{Connection, OpenFlags, Result, Transaction, params};

use super::{BUSY_TIMEOUT, Store, StoreError, timeline::Now};
use crate::{
    clock::Clock,
    tally::{Tallied, TallyRow, TallySort},
};

pub(super) const TABLE: &str = "
-- Offences by hour of the database's time. `sort` is host, account or rule.
CREATE TABLE tally (
    sort TEXT NOT NULL,
    hour INTEGER NOT NULL,
    who TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (sort, hour, who, kind)
) STRICT, WITHOUT ROWID;
";
/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;
/// How long it is kept.
const KEPT_HOURS: i64 = 31 * 24;
/// Most rows of each sort; beyond it the oldest go, and of an hour those that count least.
const ROWS_MAX: i64 = 500_000;
/// After so many rows it is looked whether there are too many.
const ROWS_BETWEEN_PRUNES: usize = 50_000;

/// The way to read the tally from another thread.
#[derive(Clone, Debug)]
pub struct TallyReader {
    path: PathBuf,
    now_ms: i64,
}

impl Store {
    /// Adds to what is there.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then nothing was added.
    pub fn add_tally(
        &mut self,
        rows: &[Tallied],
        clock: &Clock,
    ) -> std::result::Result<(), StoreError> {
        self.add_tally_at(rows, &Now::of(clock))
    }

    pub(super) fn add_tally_at(
        &mut self,
        rows: &[Tallied],
        now: &Now,
    ) -> std::result::Result<(), StoreError> {
        let timeline = self.timeline.renewed(now);
        let transaction = self.connection.transaction()?;
        add(&transaction, rows, |row| timeline.ms(row.at, now) / HOUR_MS)?;
        self.tallied += rows.len();
        if self.tallied >= ROWS_BETWEEN_PRUNES {
            self.tallied = 0;
            prune(&transaction, timeline.now_ms(now), ROWS_MAX)?;
        }
        Ok(transaction.commit()?)
    }

    /// The way to read the tally, as it stands now or later.
    pub fn tally_reader(&self, clock: &Clock) -> TallyReader {
        self.tally_reader_at(&Now::of(clock))
    }

    pub(super) fn tally_reader_at(&self, now: &Now) -> TallyReader {
        TallyReader {
            path: self.path.clone(),
            now_ms: self.timeline.renewed(now).now_ms(now),
        }
    }
}

impl TallyReader {
    /// What was tallied within the last `since`, to the hour; each host and account and kind once.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn read(&self, since: Duration) -> std::result::Result<Vec<TallyRow>, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let since_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let first_hour = self.now_ms.saturating_sub(since_ms).div_euclid(HOUR_MS);
        let mut rows = Vec::new();
        for sort in TallySort::ALL {
            let mut statement = connection.prepare(
                "SELECT who, kind, sum(count), min(hour), max(hour) FROM tally
                 WHERE sort = ? AND hour >= ? GROUP BY who, kind",
            )?;
            let found = statement.query_map(params![sort.as_str(), first_hour], |row| {
                Ok(TallyRow {
                    sort: *sort,
                    who: row.get(0)?,
                    kind: row.get(1)?,
                    count: row.get::<_, i64>(2)?.unsigned_abs(),
                    first_ago: self.ago(row.get(3)?),
                    last_ago: self.ago(row.get(4)?),
                })
            })?;
            for row in found {
                rows.push(row?);
            }
        }
        Ok(rows)
    }

    /// How long ago an hour began.
    fn ago(&self, hour: i64) -> Duration {
        let ago_ms = self.now_ms.saturating_sub(hour.saturating_mul(HOUR_MS));
        Duration::from_millis(u64::try_from(ago_ms).unwrap_or(0))
    }
}

fn add(
    transaction: &Transaction<'_>,
    rows: &[Tallied],
    hour: impl Fn(&Tallied) -> i64,
) -> Result<()> {
    let mut add = transaction.prepare(
        "INSERT INTO tally (sort, hour, who, kind, count) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET count = count + excluded.count",
    )?;
    for row in rows {
        add.execute(params![
            row.who.sort().as_str(),
            hour(row),
            row.who.to_string(),
            row.kind,
            row.count
        ])?;
    }
    Ok(())
}

/// [`prune`] to the usual bound.
pub(super) fn prune_at_start(connection: &Connection, now_ms: i64) -> Result<()> {
    prune(connection, now_ms, ROWS_MAX)
}

/// Takes out what is too old or too much.
pub(super) fn prune(connection: &Connection, now_ms: i64, rows_max: i64) -> Result<()> {
    let oldest = now_ms.div_euclid(HOUR_MS) - KEPT_HOURS;
    for sort in TallySort::ALL {
        let sort = sort.as_str();
        connection.execute(
            "DELETE FROM tally WHERE sort = ? AND hour < ?",
            params![sort, oldest],
        )?;
        let rows: i64 =
            connection.query_row("SELECT count(*) FROM tally WHERE sort = ?", [sort], |row| {
                row.get(0)
            })?;
        if rows > rows_max {
            connection.execute(
                "DELETE FROM tally WHERE (sort, hour, who, kind) IN (
                     SELECT sort, hour, who, kind FROM tally WHERE sort = ? ORDER BY hour, count LIMIT ?
                 )",
                params![sort, rows - rows_max],
            )?;
        }
    }
    Ok(())
}
