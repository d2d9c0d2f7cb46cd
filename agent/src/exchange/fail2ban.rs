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
    // What is in force is in `bips`, also of whom an operator let in again; `bans` is the history, and all there was before
    // version 0.11.
    let sql = match (has("bips")?, has("bans")?) {
        (true, _) => {
            "SELECT jail, ip, timeofban, bantime, bancount, data FROM bips ORDER BY jail, ip"
        }
        (false, true) => {
            "SELECT jail, ip, max(timeofban), bantime, bancount, data FROM bans GROUP BY jail, ip ORDER BY jail, ip"
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
    let jail = jail.to_ascii_lowercase();
    options.all || MAIL.iter().any(|word| jail.contains(word))
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
