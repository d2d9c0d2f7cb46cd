//! Line sets that are kept outside of the project: other tools' test lines, attacks, and recordings of servers. They are read
//! where `MAILWALL_CORPUS` names their folder.

use std::{
    collections::BTreeSet,
    env, fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    super::{Reader, Reading},
    now, reader, told,
};
use crate::event::Event;

/// Cases of `servers/postfix-*` in which the client did nothing that is held against it, and why where that is a question:
/// connections lost anywhere may be a bad line; `helo_nodns` is a 450, which may be our resolver; messages that are too large
/// are honest mistakes.
const HARMLESS: &[&str] = &[
    "auth_ok_relay",
    "connect_quit",
    "drop_after_mail",
    "drop_after_rcpt",
    "drop_in_data",
    "ehlo_drop",
    "ehlo_quit",
    "helo_nodns",
    "idle_in_data",
    "ok_delivery",
    "ok_starttls_delivery",
    "rset_quit",
    "scan_noise",
    "size_declared",
    "size_exceeded",
    "swaks_ok",
];

/// Cases whose log does not tell them from harmless ones: 3.10 waits for the end of a message with bare newlines until the
/// time is over, 3.7 logged garbage as a timeout.
const UNTOLD: &[(&str, &str)] = &[
    ("postfix-3.10", "bare_newline"),
    ("postfix-3.7", "binary_garbage"),
];

/// The folder, or a loud word that it is not there.
fn folder() -> Option<PathBuf> {
    let folder = env::var_os("MAILWALL_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: MAILWALL_CORPUS names no folder of log lines");
    }
    folder
}

fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn event(reader: &mut Reader, line: &str) -> Option<Event> {
    match reader.read(line.as_bytes(), now()) {
        Reading::Event(event) => Some(event),
        Reading::Ignored | Reading::Unknown | Reading::Refused => None,
    }
}

fn address(value: &Value) -> Option<IpAddr> {
    value.as_str().map(|text| text.parse().unwrap())
}

/// Alone and one after another, as a file.
fn each_way(records: &[Value], mut judge: impl FnMut(&Value, Option<Event>)) {
    let mut file = reader();
    for record in records {
        let line = record["line"].as_str().unwrap();
        judge(record, event(&mut reader(), line));
        judge(record, event(&mut file, line));
    }
}

#[test]
fn lines_of_other_tools_are_understood() {
    let Some(folder) = folder() else { return };
    let mut wrong = BTreeSet::new();
    let programs = ["postfix", "postfix-logs", "postscreen-logs"];
    let ours = |record: &Value| {
        record["tier"] == "mta" && programs.iter().any(|program| record["program"] == *program)
    };
    each_way(&records(&folder.join("lines.jsonl")), |record, event| {
        let right = if !ours(record) {
            event.is_none()
        } else if record["match"] == true {
            event
                .as_ref()
                .is_some_and(|event| event.address == address(&record["address"]))
        } else {
            event.as_ref().is_none_or(|event| !event.is_offence())
        };
        if !right {
            wrong.insert(format!("{record}: {event:?}"));
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_attack_names_its_victim() {
    let Some(folder) = folder() else { return };
    let mut wrong = BTreeSet::new();
    each_way(
        &records(&folder.join("adversarial.jsonl")),
        |record, event| {
            let named = event.as_ref().and_then(|event| event.address);
            let acceptable = record["acceptable"].as_array().unwrap();
            let is_ours = record["mta"] == "postfix";
            let must_name = is_ours && acceptable.len() == 1 && !acceptable[0].is_null();
            let right = named
                .is_none_or(|named| acceptable.iter().any(|value| address(value) == Some(named)))
                && named != address(&record["victim"])
                && (named.is_some() || !must_name);
            if !right {
                wrong.insert(format!("{record}: {event:?}"));
            }
        },
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_case_of_the_servers_is_judged_right() {
    let Some(folder) = folder() else { return };
    let mut wrong = Vec::new();
    for version in ["postfix-3.7", "postfix-3.7-rsyslog", "postfix-3.10"] {
        let mut cases: Vec<PathBuf> = fs::read_dir(folder.join("servers").join(version))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "session")
            })
            .collect();
        cases.sort();
        for case in cases {
            let name = case.file_stem().unwrap().to_str().unwrap();
            let mut reader = reader();
            let mut weighs = false;
            for line in fs::read_to_string(case.with_extension("log"))
                .unwrap()
                .lines()
            {
                let reading = reader.read(line.as_bytes(), now());
                let place = format!("{version}/{name}: {line}: {}", told(&reading));
                match reading {
                    Reading::Event(event) => {
                        // Clients of these cases have other addresses; those are injected.
                        let injected =
                            |address: IpAddr| address.to_string().starts_with("203.0.113.");
                        if event.address.is_some_and(injected) {
                            wrong.push(place);
                        }
                        weighs |= event.is_offence();
                    }
                    Reading::Ignored => {}
                    Reading::Unknown | Reading::Refused => wrong.push(place),
                }
            }
            if !UNTOLD.contains(&(version, name)) && weighs == HARMLESS.contains(&name) {
                wrong.push(format!("{version}/{name}: weighs: {weighs}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
