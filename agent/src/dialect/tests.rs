mod hostile;
mod wrapped;

use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use jiff::tz::TimeZone;

use super::{DIALECTS, Dialect, Reader, Reading};

fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/corpus/{name}.txt"))
}

pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn reader() -> Reader {
    Reader::new(TimeZone::UTC)
}

/// What a reading is called in a corpus.
pub(super) fn told(reading: &Reading) -> String {
    let event = match reading {
        Reading::Event(event) => event,
        Reading::Ignored => return "ignored".to_owned(),
        Reading::Unknown => return "unknown".to_owned(),
        Reading::Refused => return "refused".to_owned(),
    };
    let mut told = event.kind.to_string();
    match event.address {
        Some(address) => write!(told, " {address}").unwrap(),
        None => told.push_str(" -"),
    }
    match event.score.as_f64() {
        0.0 => told.push_str(" 0"),
        score => write!(told, " {score:.1}").unwrap(),
    }
    if let Some(account) = &event.account {
        write!(told, " account={account}").unwrap();
    }
    if let Some(recipient) = &event.recipient {
        write!(told, " recipient={recipient}").unwrap();
    }
    if let Some(recipients) = event.recipients {
        write!(told, " recipients={recipients}").unwrap();
    }
    if let Some(bytes) = event.bytes {
        write!(told, " bytes={bytes}").unwrap();
    }
    told
}

/// Reads one corpus; its mistakes, and how many of its lines must not weigh anything.
fn mistakes(dialect: &Dialect) -> (Vec<String>, usize) {
    let path = corpus(dialect.name);
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("every dialect has a corpus: {}: {error}", path.display()));
    let mut mistakes = Vec::new();
    let mut negative = 0;
    let mut reader = reader();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() {
            reader = self::reader();
        } else if line != "#" && !line.starts_with("# ") {
            let (_, expected) = lines.next().expect("each line has what it says under it");
            let expected = expected
                .strip_prefix("= ")
                .expect("`= ` begins what a line says");
            let reading = reader.read(line.as_bytes(), now());
            let weighs = matches!(&reading, Reading::Event(event) if event.is_offence());
            negative += usize::from(!weighs);
            if told(&reading) != expected {
                let told = told(&reading);
                mistakes.push(format!(
                    "{}: {line}\n  = {told}\n  ! {expected}",
                    number + 1
                ));
            }
        }
    }
    (mistakes, negative)
}

#[test]
fn every_line_of_every_corpus_says_what_stands_under_it() {
    for dialect in DIALECTS {
        let (mistakes, negative) = mistakes(dialect);
        assert!(
            mistakes.is_empty(),
            "{}: \n{}",
            dialect.name,
            mistakes.join("\n")
        );
        assert!(
            negative > 0,
            "{}: no line that must not weigh anything",
            dialect.name
        );
    }
}

#[test]
fn names_of_dialects_are_unique() {
    let mut names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DIALECTS.len());
}
