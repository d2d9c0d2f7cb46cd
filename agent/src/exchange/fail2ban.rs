//! fail2ban's database: the bans that are in force, each until the time it was given.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, OpenFlags, Row};
use serde::Deserialize;

use super::{
    Entry, Format, Imported, Options, Read,
    imported::{Place, shown},
    net,
};

pub(super) const FORMAT: Format = Format {
    name: "fail2ban",
    about: "fail2ban's database, fail2ban.sqlite3 (import only)",
    read: Read::Database(read),
    write: None,
    has_origins: false,
};

/// Where Debian and others keep it.
pub const DEFAULT_PATH: &str = "/var/lib/fail2ban/fail2ban.sqlite3";
/// How long fail2ban may keep it locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What every SQLite database begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// What the names of jails of mail programs have in them.
const MAIL: &[&str] = &[
    "postfix",
    "exim",
    "sendmail",
    "smtp",
    "dovecot",
    "courier",
    "cyrus",
    "imap",
    "pop3",
    "sieve",
    "sasl",
    "qmail",
    "mail",
    "perdition",
    "assp",
    "kerio",
    "haraka",
    "stalwart",
    "domino",
    "exchange",
    "spam",
    "mx",
];

/// A ban as it is stored.
struct Stored {
    jail: String,
    ip: String,
    at_s: i64,
    /// Below zero: for ever.
    length_s: i64,
    count: i64,
    data: Option<String>,
}

/// What fail2ban keeps of the log.
#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    failures: u32,
}

fn read(path: &Path, options: &Options, into: &mut Imported) -> io::Result<()> {
    let mut magic = [0; MAGIC.len()];
    let is_database = match File::open(path)?.read_exact(&mut magic) {
        Ok(()) => magic == *MAGIC,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error),
    };
    if !is_database {
        into.mistake_with(
            Place::All,
            "no SQLite database",
            format!("fail2ban keeps it in {DEFAULT_PATH}"),
        );
        return Ok(());
    }
    if let Err(error) = rows(path, options, into) {
        into.mistake_with(
            Place::All,
            format!(
                "nothing that fail2ban wrote: {}",
                shown(error.to_string().as_bytes())
            ),
            "stop fail2ban, or copy the file, and try again",
        );
    }
    Ok(())
}

fn rows(path: &Path, options: &Options, into: &mut Imported) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let has = |table: &str| {
        connection.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?",
            [table],
            |row| row.get::<_, i64>(0).map(|count| count > 0),
        )
    };
    // What is in force is in `bips`, also of whom an operator let in again; `bans` is the history. Before version 0.11 that was
    // all there was, and how long a ban is stood in the configuration alone.
    let sql = match (has("bips")?, has("bans")?) {
        (true, _) => {
            "SELECT jail, ip, timeofban, bantime, bancount, data FROM bips ORDER BY jail, ip"
        }
        (false, true) => {
            into.mistake_with(
                Place::All,
                "it is of a fail2ban before 0.11, which does not keep how long a ban is",
                "fail2ban-client status JAIL lists who is banned: mailwall ban add --from - --for 1d takes one a line; or update fail2ban first",
            );
            return Ok(());
        }
        (false, false) => {
            into.mistake_with(
                Place::All,
                "no table of bans",
                format!("fail2ban keeps its database in {DEFAULT_PATH}"),
            );
            return Ok(());
        }
    };
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut left_out: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        into.lines += 1;
        let ban = match stored(row) {
            Ok(ban) => ban,
            Err(error) => {
                let place = Place::At(format!("row {}", into.lines));
                into.mistake(place, shown(error.to_string().as_bytes()));
                continue;
            }
        };
        if is_wanted(&ban.jail, options) {
            take(&ban, options, into);
        } else {
            into.left_alone += 1;
            *left_out.entry(ban.jail).or_default() += 1;
        }
    }
    for (jail, bans) in left_out {
        let jail = shown(jail.as_bytes());
        into.note(
            Place::All,
            format!("jail {jail} is not about mail: {bans} left out, --all takes them"),
        );
    }
    Ok(())
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        jail: row.get(0)?,
        ip: row.get(1)?,
        at_s: row.get(2)?,
        length_s: row.get(3)?,
        count: row.get(4)?,
        data: row.get(5).unwrap_or_default(),
    })
}

fn is_wanted(jail: &str, options: &Options) -> bool {
    if !options.only.is_empty() {
        return options.only.iter().any(|only| only == jail);
    }
    options.all || is_about_mail(jail)
}

/// Whether the name of a jail or filter is that of a mail program.
pub(super) fn is_about_mail(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    MAIL.iter().any(|word| name.contains(word))
}

fn take(ban: &Stored, options: &Options, into: &mut Imported) {
    let jail = shown(ban.jail.as_bytes());
    let place = || Place::At(format!("jail {jail}, {}", shown(ban.ip.as_bytes())));
    let net = match net::parse(&ban.ip) {
        Ok(net) => net,
        // An action may be about something else than addresses.
        Err(error) => return into.mistake_with(place(), error.to_string(), error.hint()),
    };
    let at = |seconds: i64| {
        let seconds = u64::try_from(seconds).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    };
    let Some(since) = at(ban.at_s) else {
        return into.mistake(place(), format!("{} is no time", ban.at_s));
    };
    let ends = match ban.length_s {
        ..0 => None,
        length_s => match ban.at_s.checked_add(length_s).and_then(at) {
            Some(ends) => Some(ends),
            None => return into.mistake(place(), format!("{length_s} is no length")),
        },
    };
    let data: Data = ban
        .data
        .as_deref()
        .and_then(|data| serde_json::from_str(data).ok())
        .unwrap_or_default();
    let entry = Entry {
        since: Some(since),
        offences: data.failures,
        level: u8::try_from(ban.count.saturating_sub(1).clamp(0, 255)).unwrap_or(u8::MAX),
        ..Entry::new(net, &format!("fail2ban {}", ban.jail))
    };
    into.ban_until(entry, ends, options.now, place());
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use rusqlite::Connection;

    use super::read;
    use crate::exchange::{
        Imported, Options,
        tests::{now, options, told},
    };

    /// The tables as fail2ban 1.0 makes them.
    const TABLES: &str = "
        CREATE TABLE fail2banDb(version INTEGER);
        INSERT INTO fail2banDb VALUES (4);
        CREATE TABLE jails(name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1);
        CREATE TABLE logs(jail TEXT NOT NULL, path TEXT, firstlinemd5 TEXT, lastfilepos INTEGER DEFAULT 0,
            FOREIGN KEY(jail) REFERENCES jails(name) ON DELETE CASCADE, UNIQUE(jail, path), UNIQUE(jail, path, firstlinemd5));
        CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL,
            bancount INTEGER NOT NULL default 1, data JSON, FOREIGN KEY(jail) REFERENCES jails(name));
        CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL,
            bancount INTEGER NOT NULL default 1, data JSON, PRIMARY KEY(ip, jail), FOREIGN KEY(jail) REFERENCES jails(name));
        INSERT INTO jails(name) VALUES ('postfix-sasl'), ('dovecot'), ('sshd');
    ";

    fn import(rows: &str, options: &Options) -> (String, Imported) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fail2ban.sqlite3");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(TABLES).unwrap();
        connection.execute_batch(rows).unwrap();
        drop(connection);
        let mut imported = Imported::default();
        read(&path, options, &mut imported).unwrap();
        (told(&imported), imported)
    }

    #[test]
    fn what_is_in_force_is_read_with_its_end() {
        let at = 1_780_000_000 - 60;
        let rows = format!(
            "INSERT INTO bips VALUES ('203.0.113.7', 'postfix-sasl', {at}, 600, 3, '{{\"matches\": [\"x\"], \"failures\": 5}}');
             INSERT INTO bips VALUES ('203.0.113.8', 'dovecot', {at}, -1, 1, NULL);
             INSERT INTO bips VALUES ('203.0.113.9', 'dovecot', {at}, 60, 1, NULL);
             INSERT INTO bips VALUES ('2001:db8::1', 'dovecot', {at}, 3600, 1, '[]');
             INSERT INTO bips VALUES ('someone', 'dovecot', {at}, 3600, 1, NULL);
             INSERT INTO bips VALUES ('203.0.113.10', 'sshd', {at}, 3600, 1, NULL);
             INSERT INTO bans VALUES ('dovecot', '203.0.113.11', {at}, 3600, 1, NULL);"
        );
        let (told, imported) = import(&rows, &options());
        expect![[r#"
            ban 2001:db8::1/128 3540s (fail2ban dovecot)
            ban 203.0.113.8/32 for ever (fail2ban dovecot)
            ban 203.0.113.7/32 540s (fail2ban postfix-sasl)
            note  jail "sshd" is not about mail: 1 left out, --all takes them
            mistake  jail "dovecot", "someone": neither an address nor a network; write it like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/64
            6 lines, 1 left alone, 1 over
        "#]].assert_eq(&told);
        let ban = imported.bans.iter().find(|ban| ban.offences == 5).unwrap();
        assert_eq!((ban.level, ban.since.is_some()), (2, true));
        let all = Options {
            all: true,
            ..options()
        };
        assert_eq!(import(&rows, &all).1.bans.len(), 4);
        let only = Options {
            only: vec!["sshd".to_owned()],
            ..options()
        };
        assert_eq!(import(&rows, &only).1.bans.len(), 1);
        assert!(now() > std::time::SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn a_database_of_before_0_11_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fail2ban.sqlite3");
        // As fail2ban 0.10 makes them.
        Connection::open(&path)
            .unwrap()
            .execute_batch(
                "CREATE TABLE fail2banDb(version INTEGER);
                 INSERT INTO fail2banDb VALUES (2);
                 CREATE TABLE jails(name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1);
                 CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, data JSON,
                     FOREIGN KEY(jail) REFERENCES jails(name));
                 INSERT INTO jails(name) VALUES ('dovecot');
                 INSERT INTO bans VALUES ('dovecot', '203.0.113.7', 1780000000, '{}');",
            )
            .unwrap();
        let mut imported = Imported::default();
        read(&path, &options(), &mut imported).unwrap();
        expect![[r#"
            mistake  it is of a fail2ban before 0.11, which does not keep how long a ban is; fail2ban-client status JAIL lists who is banned: mailwall ban add --from - --for 1d takes one a line; or update fail2ban first
            0 lines, 0 left alone, 0 over
        "#]]
        .assert_eq(&told(&imported));
        assert!(imported.bans.is_empty());
    }

    #[test]
    fn what_is_no_database_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for (text, said) in [
            ("", "no SQLite database"),
            ("[DEFAULT]\nbantime = 10m\n", "no SQLite database"),
        ] {
            std::fs::write(&path, text).unwrap();
            let mut imported = Imported::default();
            read(&path, &options(), &mut imported).unwrap();
            assert_eq!(imported.mistakes.iter().next().unwrap().text, said);
        }
        assert!(
            read(
                &folder.path().join("none"),
                &options(),
                &mut Imported::default()
            )
            .is_err()
        );
    }
}
