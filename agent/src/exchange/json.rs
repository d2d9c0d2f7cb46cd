//! Our own JSON: what `mailwall ban list --json` prints is read as well.

use std::{
    io::{self, BufRead, Write},
    time::SystemTime,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Entry, Format, Imported, Options, Read, Remarks,
    csv::{time, written},
    imported::{Place, shown},
    net,
    text::whole,
};
use crate::control::protocol::SCHEMA;

pub(super) const FORMAT: Format = Format {
    name: "json",
    about: "mailwall's own JSON, as of ban list --json",
    read: Read::Text(read),
    write: Some(write),
    has_origins: true,
};

#[derive(Deserialize)]
struct List {
    schema: u32,
    bans: Vec<Record>,
}

#[derive(Deserialize, Serialize)]
struct Record {
    net: String,
    rule: Option<String>,
    since: Option<String>,
    ends: Option<String>,
    #[serde(default)]
    offences: u32,
    #[serde(default)]
    level: u8,
    #[serde(default)]
    reason: String,
}

/// The whole input as one JSON value; `None` when it is no such value, which is a mistake then.
///
/// # Errors
/// When the input cannot be read.
pub(super) fn parsed<T: DeserializeOwned>(
    input: &mut dyn BufRead,
    what: &str,
    hint: &str,
    into: &mut Imported,
) -> io::Result<Option<T>> {
    let text = whole(input)?;
    Ok(serde_json::from_slice(&text)
        .map_err(|error| {
            let why = shown(error.to_string().as_bytes());
            into.mistake_with(error.line() as u64, format!("no {what}: {why}"), hint);
        })
        .ok())
}

fn read(input: &mut dyn BufRead, options: &Options, into: &mut Imported) -> io::Result<()> {
    let hint = r#"it looks like {"schema":1,"bans":[{"net":"203.0.113.7/32","ends":null}]}"#;
    let Some(list) = parsed::<List>(input, "list of bans", hint, into)? else {
        return Ok(());
    };
    if list.schema != SCHEMA {
        into.mistake_with(
            Place::All,
            format!("schema {} is not known", list.schema),
            format!("this mailwall knows schema {SCHEMA}"),
        );
        return Ok(());
    }
    into.lines = list.bans.len() as u64;
    for (record, number) in list.bans.into_iter().zip(1_u64..) {
        let place = || Place::At(format!("ban {number}"));
        let net = match net::parse(&record.net) {
            Ok(net) => net,
            Err(error) => {
                let text = format!("{}: {error}", shown(record.net.as_bytes()));
                into.mistake_with(place(), text, error.hint());
                continue;
            }
        };
        let read = |text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => time(text).map(Some).ok_or_else(|| shown(text.as_bytes())),
        };
        match (read(&record.since), read(&record.ends)) {
            (Ok(since), Ok(ends)) => {
                let entry = Entry {
                    origin: record.rule,
                    since,
                    offences: record.offences,
                    level: record.level,
                    ..Entry::new(net, &record.reason)
                };
                into.ban_until(entry, ends, options.now, place());
            }
            (Err(text), _) | (_, Err(text)) => into.mistake_with(
                place(),
                format!("{text} is no time"),
                "write it like 2026-08-22T09:14:03Z, or null",
            ),
        }
    }
    Ok(())
}

fn write(out: &mut dyn Write, entries: &[Entry], _: SystemTime, _: &mut Remarks) -> io::Result<()> {
    write!(out, "{{\"schema\":{SCHEMA},\"bans\":[")?;
    for (at, entry) in entries.iter().enumerate() {
        let record = Record {
            net: entry.net.to_string(),
            rule: entry.origin.clone(),
            since: entry.since.map(written),
            ends: entry.ends.map(written),
            offences: entry.offences,
            level: entry.level,
            reason: entry.reason.clone(),
        };
        out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &record)?;
    }
    writeln!(out, "\n]}}")
}
