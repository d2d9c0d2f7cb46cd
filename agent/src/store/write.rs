//! Writes decisions into the tables. The caller makes it one transaction.

use std::time::SystemTime;

use ipnet::IpNet;
use rusqlite::{Connection, Params, Result, Statement, params};

use super::timeline::{Now, Timeline};
use crate::{
    allowlist::AllowEntry,
    ban::{Ban, End, Sort},
    decision::{Decision, Pardon},
    penalty::{PAST_BANS_MAX, PastBan},
};

/// How long a ban is remembered that no other followed: longer than any escalation takes to be forgotten in the presets.
const HISTORY_DAYS_MAX: i64 = 400;
/// Most pages given back to the file system at once.
const VACUUM_PAGES_MAX: u32 = 4096;

pub(super) fn timeline(connection: &Connection, timeline: &Timeline, now: &Now) -> Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO timeline (one, boot, zero_ms, ahead_ms, last_ms) VALUES (1, ?, ?, ?, ?)",
        params![
            timeline.boot,
            timeline.zero_ms,
            timeline.ahead_ms,
            timeline.now_ms(now)
        ],
    )?;
    Ok(())
}

pub(super) fn decisions(
    connection: &Connection,
    decisions: &[Decision],
    timeline: &Timeline,
    now: &Now,
) -> Result<()> {
    if decisions.is_empty() {
        return Ok(());
    }
    // Nets have nothing to do with each other, and many are written faster in the order of the tables.
    let mut by_net: Vec<(String, &Decision)> = decisions
        .iter()
        .filter_map(|decision| match decision {
            // Delays are over before an agent is up again.
            Decision::Ban(ban) if ban.sort == Sort::Ban => Some((ban.net.to_string(), decision)),
            Decision::Unban { net, pardon: _ } => Some((net.to_string(), decision)),
            _ => None,
        })
        .collect();
    by_net.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut statements = Statements::new(connection);
    for (net, decision) in by_net {
        match decision {
            Decision::Ban(ban) => statements.ban(&net, ban, |at| timeline.ms(at, now))?,
            Decision::Unban { net: _, pardon } => statements.unban(&net, *pardon)?,
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn allow(connection: &Connection, entries: &[AllowEntry]) -> Result<()> {
    let mut put =
        connection.prepare("INSERT OR REPLACE INTO allowed (net, reason) VALUES (?, ?)")?;
    for entry in entries {
        put.execute(params![entry.net.to_string(), entry.reason])?;
    }
    Ok(())
}

pub(super) fn disallow(connection: &Connection, nets: &[IpNet]) -> Result<()> {
    let mut take = connection.prepare("DELETE FROM allowed WHERE net = ?")?;
    for net in nets {
        take.execute([net.to_string()])?;
    }
    Ok(())
}

/// Takes out bans that are over; their history stays.
pub(super) fn end_bans(connection: &Connection, now_ms: i64) -> Result<()> {
    let over = connection.execute("DELETE FROM bans WHERE end_ms <= ?", [now_ms])?;
    if over > 0 {
        connection.execute(
            "DELETE FROM evidence WHERE net NOT IN (SELECT net FROM bans)",
            [],
        )?;
    }
    Ok(())
}

/// Takes out history that is too old or too much, and gives room back.
pub(super) fn prune(connection: &Connection, now_ms: i64) -> Result<()> {
    let oldest_ms = now_ms.saturating_sub(HISTORY_DAYS_MAX * 86_400_000);
    connection.execute("DELETE FROM history WHERE last_ms < ?", [oldest_ms])?;
    let rows: i64 = connection.query_row("SELECT count(*) FROM history", [], |row| row.get(0))?;
    let excess = rows - i64::try_from(PAST_BANS_MAX).unwrap_or(i64::MAX);
    if excess > 0 {
        connection.execute(
            "DELETE FROM history WHERE net IN (SELECT net FROM history ORDER BY last_ms LIMIT ?)",
            [excess],
        )?;
    }
    connection.execute_batch(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES_MAX})"))
}

/// As the judge does (judge/history.rs): a ban that ends before its time counts until it began.
const CUT_SHORT: &str = "UPDATE history SET last_ms = min(last_ms, old.since_ms) FROM bans AS old
     WHERE history.net = ?1 AND old.net = ?1 AND old.origin <> 'manual' AND old.origin NOT LIKE 'list:%'";
/// And one that should not have been does not count.
const TAKE_BACK: &str = "UPDATE history SET level = history.level - 1 FROM bans AS old
     WHERE history.net = ?1 AND old.net = ?1 AND old.origin <> 'manual' AND old.origin NOT LIKE 'list:%'";

/// Statements for many decisions. A ban needs half of them, and to prepare one takes as long as to carry it out.
struct Statements<'c> {
    put_ban: Prepared<'c>,
    drop_ban: Prepared<'c>,
    add_evidence: Prepared<'c>,
    drop_evidence: Prepared<'c>,
    remember: Prepared<'c>,
    cut_short: Prepared<'c>,
    take_back: Prepared<'c>,
    forget: Prepared<'c>,
}

/// A statement that is prepared when it is first needed.
struct Prepared<'c> {
    connection: &'c Connection,
    sql: &'static str,
    statement: Option<Statement<'c>>,
}

impl Prepared<'_> {
    fn execute(&mut self, params: impl Params) -> Result<usize> {
        let statement = match &mut self.statement {
            Some(statement) => statement,
            missing => missing.insert(self.connection.prepare(self.sql)?),
        };
        statement.execute(params)
    }
}

impl<'c> Statements<'c> {
    fn new(connection: &'c Connection) -> Self {
        let of = |sql| Prepared {
            connection,
            sql,
            statement: None,
        };
        Self {
            put_ban: of(
                "INSERT OR REPLACE INTO bans (net, origin, since_ms, end_ms, offences, level, reason, kind, service)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ),
            drop_ban: of("DELETE FROM bans WHERE net = ?"),
            add_evidence: of("INSERT INTO evidence (net, number, at_ms, text) VALUES (?, ?, ?, ?)"),
            drop_evidence: of("DELETE FROM evidence WHERE net = ?"),
            remember: of("INSERT OR REPLACE INTO history (net, level, last_ms) VALUES (?, ?, ?)"),
            cut_short: of(CUT_SHORT),
            take_back: of(TAKE_BACK),
            forget: of("DELETE FROM history WHERE net = ? AND level <= 0"),
        }
    }

    fn ban(&mut self, net: &str, ban: &Ban, ms: impl Fn(SystemTime) -> i64) -> Result<()> {
        match PastBan::of(ban) {
            Some(past) => self
                .remember
                .execute(params![net, past.level, ms(past.last)])?,
            // A manual ban in place of an automatic one.
            None => self.cut_short.execute([net])?,
        };
        self.put_ban.execute(params![
            net,
            ban.origin.to_string(),
            ms(ban.since),
            match ban.end {
                End::At(end) => Some(ms(end)),
                End::Never => None,
            },
            ban.offences,
            ban.level,
            ban.reason,
            ban.cause.map(|cause| cause.kind.as_str()),
            ban.cause.map(|cause| cause.service.as_str()),
        ])?;
        self.drop_evidence.execute([net])?;
        for (number, evidence) in (0_u32..).zip(&ban.evidence) {
            self.add_evidence
                .execute(params![net, number, ms(evidence.at), evidence.text])?;
        }
        Ok(())
    }

    fn unban(&mut self, net: &str, pardon: Pardon) -> Result<()> {
        match pardon {
            Pardon::Expired | Pardon::Unlisted => {}
            Pardon::Displaced => {
                self.cut_short.execute([net])?;
            }
            Pardon::Removed | Pardon::Allowed => {
                self.cut_short.execute([net])?;
                self.take_back.execute([net])?;
                self.forget.execute([net])?;
            }
        }
        self.drop_ban.execute([net])?;
        self.drop_evidence.execute([net])?;
        Ok(())
    }
}
