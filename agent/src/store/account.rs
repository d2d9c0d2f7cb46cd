//! Accounts: what they did on which day, where they were used from lately, and which are held.

use std::{collections::HashMap, net::IpAddr, time::SystemTime};

use rusqlite::{Connection, Result, params};

use super::{
    Store, StoreError, read,
    timeline::{Now, Timeline},
};
use crate::{
    account::{Account, BASELINE_DAYS, Day, Seen},
    ban::{End, Evidence},
    clock::Clock,
    decision::{Decision, Hold},
};

/// Most accounts that are kept: the ones last heard of, as many as the judge knows (`judge/accounts/registry.rs`).
const ACCOUNTS_MAX: usize = 32_768;

pub(super) const TABLES: &str = "
-- Accounts that somebody logged in to.
CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    login_ms INTEGER,
    login_address TEXT
) STRICT, WITHOUT ROWID;
-- What they did on which day (since 1970, UTC).
CREATE TABLE account_days (
    name TEXT NOT NULL,
    day INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    logins INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    bounces INTEGER NOT NULL,
    PRIMARY KEY (name, day)
) STRICT, WITHOUT ROWID;
-- Where they were used from in the last day.
CREATE TABLE account_addresses (
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    count INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (name, address)
) STRICT, WITHOUT ROWID;
-- Accounts that may not send. Without an end: until they are released.
CREATE TABLE holds (
    name TEXT PRIMARY KEY,
    origin TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    end_ms INTEGER,
    count INTEGER NOT NULL,
    reason TEXT NOT NULL,
    evidence_ms INTEGER,
    evidence TEXT
) STRICT, WITHOUT ROWID;
";

impl Store {
    /// Puts what is known of accounts in place of what was known of them before: all or nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_accounts(&mut self, accounts: &[Account], clock: &Clock) -> Result<(), StoreError> {
        let now = Now::of(clock);
        let timeline = self.timeline.renewed(&now);
        let transaction = self.connection.transaction()?;
        save(&transaction, accounts, |at| timeline.ms(at, &now))?;
        Ok(transaction.commit()?)
    }

    /// The accounts and the holds that were saved.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn accounts(&self, clock: &Clock) -> Result<(Vec<Account>, Vec<Hold>), StoreError> {
        let now = Now::of(clock);
        let steady = |ms: i64| self.timeline.steady(ms, &now);
        let accounts = accounts(&self.connection, steady)?;
        Ok((accounts, holds(&self.connection, steady)?))
    }
}

fn save(
    connection: &Connection,
    accounts: &[Account],
    ms: impl Fn(SystemTime) -> i64,
) -> Result<()> {
    let mut put = connection.prepare(
        "INSERT OR REPLACE INTO accounts (name, first_ms, last_ms, login_ms, login_address) VALUES (?, ?, ?, ?, ?)",
    )?;
    let mut put_day = connection.prepare(
        "INSERT OR REPLACE INTO account_days (name, day, messages, recipients, bytes, logins, failures, bounces)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut drop_days =
        connection.prepare("DELETE FROM account_days WHERE name = ? AND day < ?")?;
    let mut put_address = connection.prepare(
        "INSERT INTO account_addresses (name, address, count, last_ms) VALUES (?, ?, ?, ?)",
    )?;
    let mut drop_addresses = connection.prepare("DELETE FROM account_addresses WHERE name = ?")?;
    for account in accounts {
        let name = &*account.name;
        put.execute(params![
            name,
            ms(account.first),
            ms(account.last),
            account.last_login.map(|(_, at)| ms(at)),
            account.last_login.map(|(address, _)| address.to_string()),
        ])?;
        // Only the newest two days change.
        for day in account.days.iter().rev().take(2) {
            let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            put_day.execute(params![
                name,
                day.number,
                number(day.messages),
                number(day.recipients),
                number(day.bytes),
                number(day.logins),
                number(day.failures),
                number(day.bounces),
            ])?;
        }
        if let Some(newest) = account.days.back() {
            drop_days.execute(params![name, newest.number - BASELINE_DAYS])?;
        }
        drop_addresses.execute([name])?;
        for seen in &account.addresses {
            put_address.execute(params![
                name,
                seen.address.to_string(),
                seen.count,
                ms(seen.last)
            ])?;
        }
    }
    Ok(())
}

fn accounts(connection: &Connection, steady: impl Fn(i64) -> SystemTime) -> Result<Vec<Account>> {
    let mut days: HashMap<String, Vec<Day>> = HashMap::new();
    let count = |row: &rusqlite::Row<'_>, column: usize| {
        let count: i64 = row.get(column)?;
        Ok::<u64, rusqlite::Error>(u64::try_from(count).unwrap_or(0))
    };
    let all = read::rows(
        connection,
        "SELECT name, day, messages, recipients, bytes, logins, failures, bounces FROM account_days ORDER BY name, day",
        |row| {
            let day = Day {
                number: row.get(1)?,
                messages: count(row, 2)?,
                recipients: count(row, 3)?,
                bytes: count(row, 4)?,
                logins: count(row, 5)?,
                failures: count(row, 6)?,
                bounces: count(row, 7)?,
            };
            Ok((row.get::<_, String>(0)?, day))
        },
    )?;
    for (name, day) in all {
        days.entry(name).or_default().push(day);
    }
    let mut addresses: HashMap<String, Vec<Seen>> = HashMap::new();
    let all = read::rows(
        connection,
        "SELECT name, address, count, last_ms FROM account_addresses ORDER BY name, last_ms",
        |row| {
            let seen = Seen {
                address: address(row, 1)?,
                count: row.get(2)?,
                last: steady(row.get(3)?),
            };
            Ok((row.get::<_, String>(0)?, seen))
        },
    )?;
    for (name, seen) in all {
        addresses.entry(name).or_default().push(seen);
    }
    // Those last heard of come last, so that they are the last to be forgotten.
    read::rows(
        connection,
        "SELECT name, first_ms, last_ms, login_ms, login_address FROM accounts ORDER BY last_ms, name",
        |row| {
            let name: String = row.get(0)?;
            let at: Option<i64> = row.get(3)?;
            let last_login = match at {
                Some(at) => Some((address(row, 4)?, steady(at))),
                None => None,
            };
            Ok(Account {
                first: steady(row.get(1)?),
                last: steady(row.get(2)?),
                days: days.remove(&name).unwrap_or_default().into(),
                addresses: addresses.remove(&name).unwrap_or_default(),
                last_login,
                name: name.into(),
            })
        },
    )
}

fn holds(connection: &Connection, steady: impl Fn(i64) -> SystemTime) -> Result<Vec<Hold>> {
    read::rows(
        connection,
        "SELECT name, origin, since_ms, end_ms, count, reason, evidence_ms, evidence FROM holds ORDER BY name",
        |row| {
            let end: Option<i64> = row.get(3)?;
            let evidence: Option<i64> = row.get(6)?;
            let evidence = match evidence {
                Some(at) => vec![Evidence {
                    at: steady(at),
                    text: row.get(7)?,
                }],
                None => Vec::new(),
            };
            Ok(Hold {
                account: row.get::<_, String>(0)?.into(),
                origin: read::origin(row, 1)?,
                since: steady(row.get(2)?),
                end: end.map_or(End::Never, |end| End::At(steady(end))),
                count: row.get(4)?,
                reason: row.get(5)?,
                evidence,
            })
        },
    )
}

fn address(row: &rusqlite::Row<'_>, column: usize) -> Result<IpAddr> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error| read::malformed(column, error))
}

/// Puts holds in and takes them out, in the order in which it was decided.
pub(super) fn decisions(
    connection: &Connection,
    decisions: &[Decision],
    timeline: &Timeline,
    now: &Now,
) -> Result<()> {
    for decision in decisions {
        match decision {
            Decision::Hold(hold) => {
                let evidence = hold.evidence.last();
                let mut put = connection.prepare(
                    "INSERT OR REPLACE INTO holds (name, origin, since_ms, end_ms, count, reason, evidence_ms, evidence)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                )?;
                put.execute(params![
                    &*hold.account,
                    hold.origin.to_string(),
                    timeline.ms(hold.since, now),
                    match hold.end {
                        End::At(end) => Some(timeline.ms(end, now)),
                        End::Never => None,
                    },
                    hold.count,
                    hold.reason,
                    evidence.map(|evidence| timeline.ms(evidence.at, now)),
                    evidence.map(|evidence| evidence.text.as_str()),
                ])?;
            }
            Decision::Release { account, pardon: _ } => {
                connection.execute("DELETE FROM holds WHERE name = ?", [&**account])?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Takes out what is too old or too much.
pub(super) fn prune(connection: &Connection, now_ms: i64) -> Result<()> {
    let rows: i64 = connection.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0))?;
    let excess = rows - i64::try_from(ACCOUNTS_MAX).unwrap_or(i64::MAX);
    if excess > 0 {
        connection.execute(
            "DELETE FROM accounts WHERE name IN (SELECT name FROM accounts ORDER BY last_ms LIMIT ?)",
            [excess],
        )?;
    }
    let today = now_ms.div_euclid(86_400_000);
    connection.execute(
        "DELETE FROM account_days WHERE day < ? OR name NOT IN (SELECT name FROM accounts)",
        [today - BASELINE_DAYS - 1],
    )?;
    connection.execute(
        "DELETE FROM account_addresses WHERE last_ms < ? OR name NOT IN (SELECT name FROM accounts)",
        [now_ms - 2 * 86_400_000],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        account::{Account, day_number},
        ban::{End, Evidence, Origin},
        clock::Clock,
        decision::{Decision, Hold, Pardon},
        store::Store,
    };

    #[test]
    fn accounts_and_holds_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start();
        let now = clock.now();
        let mut account = Account::new("joe@example.org".into(), now - Duration::from_secs(9));
        account.note_login("203.0.113.7".parse().unwrap(), now);
        account.note_login("2001:db8::1".parse().unwrap(), now);
        account.last = now;
        let day = account.day_mut(day_number(now)).unwrap();
        (day.messages, day.recipients, day.bytes) = (3, 40, 5_000_000_000);
        let hold = Hold {
            count: 7,
            reason: "why".to_owned(),
            evidence: vec![Evidence {
                at: now,
                text: "a line".to_owned(),
            }],
            ..Hold::new("joe@example.org".into(), Origin::Manual, now, End::Never)
        };
        {
            let mut store = Store::open(folder.path(), &clock).unwrap().store;
            store.save_accounts(&[account.clone()], &clock).unwrap();
            account.day_mut(day_number(now)).unwrap().messages = 4;
            store.save_accounts(&[account.clone()], &clock).unwrap();
            store
                .commit(&[Decision::Hold(hold.clone())], &[], &clock)
                .unwrap();
        }
        let near = |a: std::time::SystemTime, b: std::time::SystemTime| {
            a.duration_since(b).unwrap_or_else(|error| error.duration()) < Duration::from_secs(5)
        };
        let mut store = Store::open(folder.path(), &clock).unwrap().store;
        let (accounts, holds) = store.accounts(&clock).unwrap();
        let [read] = &accounts[..] else {
            panic!("{accounts:?}");
        };
        assert_eq!((&read.name, &read.days), (&account.name, &account.days));
        assert_eq!(read.addresses.len(), 2);
        assert!(near(read.first, account.first) && near(read.last, account.last));
        assert_eq!(
            read.last_login.map(|(address, _)| address),
            account.last_login.map(|(address, _)| address)
        );
        let [held] = &holds[..] else {
            panic!("{holds:?}");
        };
        assert_eq!(
            (&held.account, held.end, held.count),
            (&hold.account, End::Never, 7)
        );
        assert_eq!(held.evidence[0].text, "a line");
        let release = Decision::Release {
            account: hold.account,
            pardon: Pardon::Removed,
        };
        store.commit(&[release], &[], &clock).unwrap();
        assert_eq!(store.accounts(&clock).unwrap().1, []);
    }
}
