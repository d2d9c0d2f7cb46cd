//! Comma-separated values, as spreadsheets and scripts have them. The first record names the columns; where it does not, they
//! are those that are written here.

use std::{
    io::{self, BufRead, Write},
    time::SystemTime,
};

use super::{
    Entry, Format, Imported, Options, Read, Remarks,
    imported::shown,
    net,
    text::{Line, lines},
};
use crate::duration;

pub(super) const FORMAT: Format = Format {
    name: "csv",
    about: "comma-separated values; the first line names the columns",
    read: Read::Text(read),
    write: Some(write),
    has_origins: true,
};

/// The columns that are written.
const COLUMNS: &[(&str, Column)] = &[
    ("net", Column::Net),
    ("origin", Column::Origin),
    ("since", Column::Since),
    ("ends", Column::Ends),
    ("offences", Column::Offences),
    ("level", Column::Level),
    ("reason", Column::Reason),
];
/// What else they are called.
const ALIASES: &[(&str, Column)] = &[
    ("ip", Column::Net),
    ("address", Column::Net),
    ("network", Column::Net),
    ("cidr", Column::Net),
    ("value", Column::Net),
    ("rule", Column::Origin),
    ("end", Column::Ends),
    ("until", Column::Ends),
    ("expires", Column::Ends),
    ("duration", Column::Length),
    ("for", Column::Length),
    ("comment", Column::Reason),
];

/// What a column says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Column {
    Net,
    Origin,
    Since,
    Ends,
    Length,
    Offences,
    Level,
    Reason,
    /// Nothing that is known here.
    Other,
}

fn read(input: &mut dyn BufRead, options: &Options, into: &mut Imported) -> io::Result<()> {
    let mut columns: Option<Vec<Column>> = None;
    into.lines = lines(input, |number, line| {
        let text = match line {
            Line::TooLong => return into.mistake(number, "a line of too many bytes"),
            Line::Text(text) => match str::from_utf8(text) {
                Ok(text) => text,
                Err(_) => return into.mistake(number, format!("{} is no text", shown(text))),
            },
        };
        if text.trim().is_empty() || text.starts_with('#') {
            return;
        }
        let Some(fields) = fields(text) else {
            return into.mistake_with(
                number,
                "a quote that does not end",
                "a quote in a field is written twice",
            );
        };
        match &columns {
            Some(columns) => record(columns, &fields, number, options, into),
            None => {
                let ours = || COLUMNS.iter().map(|(_, column)| *column).collect();
                match header(&fields) {
                    Some(named) => columns = Some(named),
                    None => record(columns.insert(ours()), &fields, number, options, into),
                }
            }
        }
    })?;
    Ok(())
}

/// The columns that a record names; `None` when it is no header.
fn header(fields: &[String]) -> Option<Vec<Column>> {
    let column = |field: &String| {
        let name = field.trim().to_ascii_lowercase();
        let mut known = COLUMNS.iter().chain(ALIASES);
        let found = known.find(|(known, _)| *known == name);
        found.map_or(Column::Other, |(_, column)| *column)
    };
    let columns: Vec<Column> = fields.iter().map(column).collect();
    columns.contains(&Column::Net).then_some(columns)
}

fn record(
    columns: &[Column],
    fields: &[String],
    number: u64,
    options: &Options,
    into: &mut Imported,
) {
    let field = |wanted: Column| {
        let at = columns.iter().position(|column| *column == wanted)?;
        let field = fields.get(at)?.trim();
        (!field.is_empty()).then_some(field)
    };
    let Some(text) = field(Column::Net) else {
        return into.mistake(number, "no network");
    };
    let net = match net::parse(text) {
        Ok(net) => net,
        Err(error) => {
            let text = format!("{}: {error}", shown(text.as_bytes()));
            return into.mistake_with(number, text, error.hint());
        }
    };
    let mut entry = Entry::new(net, field(Column::Reason).unwrap_or_default());
    entry.origin = field(Column::Origin).map(str::to_owned);
    let mut wrong = |what: &str, text: &str, hint: &str| {
        into.mistake_with(
            number,
            format!("{} is no {what}", shown(text.as_bytes())),
            hint,
        );
    };
    if let Some(text) = field(Column::Since) {
        match time(text) {
            Some(at) => entry.since = Some(at),
            None => return wrong("time", text, TIME_HINT),
        }
    }
    let mut ends = None;
    match (field(Column::Ends), field(Column::Length)) {
        (Some(text), _) if text.eq_ignore_ascii_case("never") => {}
        (Some(text), _) => match time(text) {
            Some(at) => ends = Some(at),
            None => return wrong("time", text, TIME_HINT),
        },
        (None, Some(text)) => match duration::parse(text) {
            Ok(length) => ends = options.now.checked_add(length),
            Err(_) => return wrong("duration", text, "write it like 90s, 4h or 30d"),
        },
        (None, None) => {}
    }
    let numbers = [
        (Column::Offences, u32::MAX, "number of offences"),
        (Column::Level, u32::from(u8::MAX), "level"),
    ];
    for (column, most, what) in numbers {
        let Some(text) = field(column) else { continue };
        match text.parse::<u32>() {
            Ok(value) if value <= most => match u8::try_from(value) {
                Ok(level) if column == Column::Level => entry.level = level,
                _ => entry.offences = value,
            },
            _ => return wrong(what, text, &format!("a number from 0 to {most} is wanted")),
        }
    }
    into.ban_until(entry, ends, options.now, number);
}

const TIME_HINT: &str = "write it like 2026-08-22T09:14:03Z, or leave it out";

/// A time as RFC 3339 has it.
pub(super) fn time(text: &str) -> Option<SystemTime> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(SystemTime::from(at))
}

/// A time as it is written.
pub(super) fn written(at: SystemTime) -> String {
    match jiff::Timestamp::try_from(at) {
        Ok(at) => at.to_string(),
        Err(_) => String::new(),
    }
}

/// The fields of a record; `None` when a quote does not end.
fn fields(text: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut chars = text.chars().peekable();
    let mut in_quotes = false;
    while let Some(c) = chars.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if in_quotes && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if in_quotes => in_quotes = false,
            '"' if field.trim().is_empty() => {
                field.clear();
                in_quotes = true;
            }
            ',' if !in_quotes => fields.push(String::new()),
            c => field.push(c),
        }
    }
    (!in_quotes).then_some(fields)
}

fn write(out: &mut dyn Write, entries: &[Entry], _: SystemTime, _: &mut Remarks) -> io::Result<()> {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    writeln!(out, "{}", names.join(","))?;
    for entry in entries {
        writeln!(
            out,
            "{},{},{},{},{},{},{}",
            entry.net,
            quoted(entry.origin.as_deref().unwrap_or_default()),
            entry.since.map(written).unwrap_or_default(),
            entry.ends.map(written).unwrap_or_default(),
            entry.offences,
            entry.level,
            quoted(&entry.reason),
        )?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', ' ', '#']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
