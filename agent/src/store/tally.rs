//! How many offences each host and account made in each hour, what each rule decided and how often each net was banned: what
//! reports are made of, and what lists of bans tell of the days before. Written in batches, read by a connection of its own, so that a report holds up nothing.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;

use rusqlite::{Connection, OpenFlags, Result, Transaction, params};

use super::{BUSY_TIMEOUT, Store, StoreError, size, timeline::Now};
use crate::{
    clock::Clock,
    tally::{NetTally, Tallied, TallyRow, TallySort},
};

pub(super) const TABLE: &str = "
-- Offences by hour of the database's time. `sort` is host, account, rule or net.
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
        size::make_room(&transaction, self.max_bytes)?;
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
        let connection = self.open()?;
        let first_hour = self.first_hour(since);
        let mut rows = Vec::new();
        for sort in TallySort::REPORTED {
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

    /// What is remembered of each of `nets` within the last `since`, to the hour. Takes less than a second for half a million
    /// counts.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn read_nets(
        &self,
        nets: &HashSet<IpNet>,
        since: Duration,
    ) -> std::result::Result<HashMap<IpNet, NetTally>, StoreError> {
        let mut found: HashMap<IpNet, NetTally> =
            nets.iter().map(|net| (*net, NetTally::default())).collect();
        if nets.is_empty() {
            return Ok(found);
        }
        let connection = self.open()?;
        let first_hour = self.first_hour(since);
        let mut statement = connection.prepare(
            "SELECT who, sum(count) FROM tally WHERE sort = ? AND hour >= ? GROUP BY who",
        )?;
        let mut rows = statement.query(params![TallySort::Net.as_str(), first_hour])?;
        while let Some(row) = rows.next()? {
            let net = row.get_ref(0)?.as_str().unwrap_or_default().parse().ok();
            if let Some(tally) = net.and_then(|net: IpNet| found.get_mut(&net)) {
                tally.bans = row.get::<_, i64>(1)?.unsigned_abs();
            }
        }
        let lengths: BTreeSet<(bool, u8)> = nets
            .iter()
            .map(|net| (net.addr().is_ipv4(), net.prefix_len()))
            .collect();
        let mut statement = connection.prepare(
            "SELECT who, min(hour), max(hour) FROM tally WHERE sort = ? AND hour >= ? GROUP BY who",
        )?;
        let mut rows = statement.query(params![TallySort::Host.as_str(), first_hour])?;
        while let Some(row) = rows.next()? {
            let Ok(host) = row
                .get_ref(0)?
                .as_str()
                .unwrap_or_default()
                .parse::<IpNet>()
            else {
                continue;
            };
            let (first, last) = (self.ago(row.get(1)?), self.ago(row.get(2)?));
            let around = lengths
                .iter()
                .filter(|(is_v4, _)| *is_v4 == host.addr().is_ipv4());
            for (_, length) in around {
                // A ban of less than an IPv6 host's network is not told from that of its neighbours there.
                let length = (*length).min(host.prefix_len());
                let net = IpNet::new(host.addr(), length).map(|net| net.trunc());
                let Some(tally) = net.ok().and_then(|net| found.get_mut(&net)) else {
                    continue;
                };
                let (known_first, known_last) = tally.seen_ago.unwrap_or((first, last));
                tally.seen_ago = Some((known_first.max(first), known_last.min(last)));
            }
        }
        Ok(found)
    }

    fn open(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    }

    fn first_hour(&self, since: Duration) -> i64 {
        let since_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        self.now_ms.saturating_sub(since_ms).div_euclid(HOUR_MS)
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
