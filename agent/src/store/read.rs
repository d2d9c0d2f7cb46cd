//! Reads what is in the database, all at once.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use ipnet::IpNet;
use rusqlite::{
    Connection, Error, Result, Row,
    types::{FromSqlError, Type},
};

use super::{
    checkpoint,
    timeline::{Now, Timeline},
};
use crate::{
    allowlist::{AllowEntry, AllowOrigin},
    ban::{Ban, Cause, End, Evidence, Origin, Sort},
    checkpoint::Checkpoint,
    event::{EventKind, Service},
    penalty::PastBan,
};

/// What was in the database.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) bans: Vec<Ban>,
    pub(super) history: Vec<PastBan>,
    pub(super) allowed: Vec<AllowEntry>,
    pub(super) checkpoints: HashMap<String, Checkpoint>,
    pub(super) fresh: bool,
}

/// The database's time, gone on with.
pub(super) fn timeline(connection: &Connection, now: &Now) -> Result<Timeline> {
    connection.query_row(
        "SELECT boot, zero_ms, ahead_ms, last_ms FROM timeline",
        [],
        |row| {
            let saved = Timeline {
                boot: row.get(0)?,
                zero_ms: row.get(1)?,
                ahead_ms: row.get(2)?,
            };
            Ok(saved.resumed(row.get(3)?, now))
        },
    )
}

pub(super) fn all(
    connection: &Connection,
    timeline: &Timeline,
    now: &Now,
    fresh: bool,
) -> Result<Contents> {
    let mut origins = Origins::default();
    let mut bans = rows(
        connection,
        "SELECT net, origin, since_ms, end_ms, offences, level, reason, kind, service FROM bans ORDER BY net",
        |row| {
            Ok(Ban {
                net: net(row, 0)?,
                sort: Sort::Ban,
                origin: origins.read(row, 1)?,
                since: timeline.steady(row.get(2)?, now),
                end: match row.get(3)? {
                    Some(end_ms) => End::At(timeline.steady(end_ms, now)),
                    None => End::Never,
                },
                offences: row.get(4)?,
                cause: cause(row)?,
                level: row.get(5)?,
                reason: row.get(6)?,
                evidence: Vec::new(),
            })
        },
    )?;
    evidence(connection, timeline, now, &mut bans)?;
    Ok(Contents {
        bans,
        history: rows(
            connection,
            "SELECT net, level, last_ms FROM history",
            |row| {
                Ok(PastBan {
                    net: net(row, 0)?,
                    level: row.get(1)?,
                    last: timeline.steady(row.get(2)?, now),
                })
            },
        )?,
        allowed: rows(connection, "SELECT net, reason FROM allowed", |row| {
            Ok(AllowEntry {
                net: net(row, 0)?,
                origin: AllowOrigin::Manual,
                reason: row.get(1)?,
            })
        })?,
        checkpoints: checkpoint::all(connection)?,
        fresh,
    })
}

/// Gives the bans, which are in the order of `net` as text, their evidence.
fn evidence(
    connection: &Connection,
    timeline: &Timeline,
    now: &Now,
    bans: &mut [Ban],
) -> Result<()> {
    let mut bans = bans.iter_mut().map(|ban| (ban.net.to_string(), ban));
    let mut current = bans.next();
    let mut statement =
        connection.prepare("SELECT net, at_ms, text FROM evidence ORDER BY net, number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let net = row.get_ref(0)?.as_str()?;
        while current
            .as_ref()
            .is_some_and(|(known, _)| known.as_str() < net)
        {
            current = bans.next();
        }
        if let Some((known, ban)) = &mut current
            && known == net
        {
            ban.evidence.push(Evidence {
                at: timeline.steady(row.get(1)?, now),
                text: row.get(2)?,
            });
        }
    }
    Ok(())
}

pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}

pub(super) fn net(row: &Row<'_>, column: usize) -> Result<IpNet> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error| malformed(column, error))
}

pub(super) fn origin(row: &Row<'_>, column: usize) -> Result<Origin> {
    Origin::named(row.get_ref(column)?.as_str()?)
        .ok_or_else(|| malformed(column, FromSqlError::InvalidType))
}

/// Origins as they are read: there are few, and what has the same shares its name.
#[derive(Default)]
struct Origins(HashMap<String, Origin, RandomState>);

impl Origins {
    fn read(&mut self, row: &Row<'_>, column: usize) -> Result<Origin> {
        let name = row.get_ref(column)?.as_str()?;
        if let Some(known) = self.0.get(name) {
            return Ok(known.clone());
        }
        let new = origin(row, column)?;
        self.0.insert(name.to_owned(), new.clone());
        Ok(new)
    }
}

/// What made a ban due; a newer agent's kinds and services are nothing to this one.
fn cause(row: &Row<'_>) -> Result<Option<Cause>> {
    let (kind, service) = (row.get_ref(7)?, row.get_ref(8)?);
    let kind = kind.as_str_or_null()?.and_then(EventKind::from_name);
    let service = service.as_str_or_null()?.and_then(Service::from_name);
    Ok(kind
        .zip(service)
        .map(|(kind, service)| Cause { kind, service }))
}

pub(super) fn malformed(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
