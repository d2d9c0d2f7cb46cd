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

/// Which of the sets a dialect reads, and what is to come of them.
struct Expected {
    /// In `lines.jsonl`.
    programs: &'static [&'static str],
    /// In `adversarial.jsonl`.
    mta: &'static str,
    /// Folders of `servers`.
    servers: &'static [&'static str],
    /// Cases of them in which the client did nothing that is held against it.
    harmless: &'static [&'static str],
    /// Cases whose log does not tell them from harmless ones.
    untold: &'static [(&'static str, &'static str)],
}

/// One for each dialect that the sets have something of.
const EXPECTED: &[Expected] = &[POSTFIX, EXIM, SENDMAIL, DOVECOT, OPENSMTPD, OTHERS];

/// Why a case is harmless where that is a question: connections lost anywhere may be a bad line; `helo_nodns` is a 450, which
/// may be our resolver; messages that are too large are honest mistakes. Untold: 3.10 waits for the end of a message with bare
/// newlines until the time is over, 3.7 logged garbage as a timeout.
const POSTFIX: Expected = Expected {
    programs: &["postfix", "postfix-logs", "postscreen-logs"],
    mta: "postfix",
    servers: &["postfix-3.7", "postfix-3.7-rsyslog", "postfix-3.10"],
    harmless: &[
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
    ],
    untold: &[
        ("postfix-3.10", "bare_newline"),
        ("postfix-3.7", "binary_garbage"),
    ],
};

const DOVECOT: Expected = Expected {
    programs: &["dovecot", "dovecot-logs", "pam-generic"],
    mta: "dovecot",
    servers: &["dovecot-2.3", "dovecot-2.3-rsyslog", "dovecot-2.4"],
    harmless: &[
        "imap_connect_drop",
        "imaps_connect_drop",
        "sieve_connect_drop",
        "submission_quit",
    ],
    untold: &[],
};

/// `auth_ok_relay` is not harmless here: logins are not offered without TLS, and the server does not relay. Untold: messages are
/// accepted whatever they hold, commands that do nothing are answered, and 6.8 cannot do TLS, so nothing comes after it.
const OPENSMTPD: Expected = Expected {
    programs: &["opensmtpd"],
    mta: "opensmtpd",
    servers: &["opensmtpd-6.8", "opensmtpd-7.6"],
    harmless: &[
        "connect_quit",
        "drop_after_mail",
        "drop_after_rcpt",
        "drop_in_data",
        "ehlo_drop",
        "ehlo_quit",
        "ok_delivery",
        "ok_starttls_delivery",
        "rset_quit",
        "scan_noise",
        "size_declared",
        "size_exceeded",
        "swaks_ok",
    ],
    untold: &[
        ("opensmtpd-6.8", "auth_fail_plain_tls"),
        ("opensmtpd-6.8", "content_reject"),
        ("opensmtpd-6.8", "swaks_auth_fail"),
        ("opensmtpd-6.8", "too_many_junk"),
        ("opensmtpd-7.6", "content_reject"),
        ("opensmtpd-7.6", "too_many_junk"),
    ],
};

/// Those that no recorded server speaks.
const OTHERS: Expected = Expected {
    programs: &[
        "courier",
        "courier-auth",
        "courier-smtp",
        "cyrus-imap",
        "perdition",
        "qmail",
        "sieve",
        "solid-pop3d",
        "uwimap",
        "uwimap-auth",
    ],
    mta: "courier",
    servers: &[],
    harmless: &[],
    untold: &[],
};
/// Postfix's harmless cases are those of the other servers that take mail.
const EXIM: Expected = Expected {
    programs: &["exim", "exim-logs", "exim-spam"],
    mta: "exim",
    servers: &[
        "exim-4.96",
        "exim-4.96-sync",
        "exim-4.96-verbose",
        "exim-4.98",
    ],
    harmless: POSTFIX.harmless,
    // Exim lets early talkers through by default, and its rate of messages was not limited.
    untold: &[
        ("exim-4.96", "msg_rate"),
        ("exim-4.96", "pregreet"),
        ("exim-4.96-verbose", "msg_rate"),
        ("exim-4.96-verbose", "pregreet"),
        ("exim-4.98", "msg_rate"),
        ("exim-4.98", "pregreet"),
    ],
};

/// Untold: Sendmail says no more of a broken order of commands, of logins that were broken off or not offered, and of bad
/// parameters than of sessions in which nothing was tried, and took the content.
const SENDMAIL: Expected = Expected {
    programs: &["sendmail-auth", "sendmail-reject"],
    mta: "sendmail",
    servers: &["sendmail-8.17", "sendmail-8.17-loglevel14"],
    harmless: POSTFIX.harmless,
    untold: &[
        ("sendmail-8.17", "auth_drop"),
        ("sendmail-8.17", "auth_unsupported_mech"),
        ("sendmail-8.17", "bad_sequence"),
        ("sendmail-8.17", "bad_syntax"),
        ("sendmail-8.17", "binary_garbage"),
        ("sendmail-8.17", "content_reject"),
        ("sendmail-8.17-loglevel14", "auth_drop"),
        ("sendmail-8.17-loglevel14", "auth_unsupported_mech"),
        ("sendmail-8.17-loglevel14", "bad_sequence"),
        ("sendmail-8.17-loglevel14", "bad_syntax"),
        ("sendmail-8.17-loglevel14", "binary_garbage"),
        ("sendmail-8.17-loglevel14", "content_reject"),
        ("sendmail-8.17-loglevel14", "no_helo"),
    ],
};

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
    let ours = |record: &Value| {
        let mut programs = EXPECTED.iter().flat_map(|expected| expected.programs);
        record["tier"] == "mta" && programs.any(|program| record["program"] == *program)
    };
    each_way(&records(&folder.join("lines.jsonl")), |record, event| {
        let right = if !ours(record) {
            event.as_ref().is_none_or(|event| !event.is_offence())
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
            let is_ours = EXPECTED
                .iter()
                .any(|expected| record["mta"] == expected.mta);
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
    for expected in EXPECTED {
        for version in expected.servers {
            judge_cases(&folder.join("servers").join(version), expected, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Puts what is wrong with the cases in `folder` into `wrong`.
fn judge_cases(folder: &Path, expected: &Expected, wrong: &mut Vec<String>) {
    let version = folder.file_name().unwrap().to_str().unwrap();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
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
                    let injected = |address: IpAddr| address.to_string().starts_with("203.0.113.");
                    if event.address.is_some_and(injected) {
                        wrong.push(place);
                    }
                    weighs |= event.is_offence() && event.address.is_some();
                }
                Reading::Ignored => {}
                Reading::Unknown | Reading::Refused => wrong.push(place),
            }
        }
        let is_untold = expected.untold.contains(&(version, name));
        if !is_untold && weighs == expected.harmless.contains(&name) {
            wrong.push(format!("{version}/{name}: weighs: {weighs}"));
        }
    }
}

#[test]
fn what_a_second_log_repeats_weighs_once() {
    let Some(folder) = folder() else { return };
    let weight = |log: &str| {
        let mut reader = reader();
        let events = log.lines().filter_map(|line| event(&mut reader, line));
        let scores = events.map(|event| event.score.as_tenths().max(0));
        scores.map(i32::from).sum::<i32>()
    };
    let mut seconds = 0;
    for version in EXIM.servers {
        for entry in fs::read_dir(folder.join("servers").join(version)).unwrap() {
            let second = entry.unwrap().path();
            let name = second.to_str().unwrap();
            let Some(first) = name.strip_suffix(".2.log") else {
                continue;
            };
            seconds += 1;
            let first = fs::read_to_string(format!("{first}.log")).unwrap();
            let second = fs::read_to_string(&second).unwrap();
            assert_eq!(
                weight(&format!("{first}{second}")),
                weight(&first),
                "{name}"
            );
        }
    }
    assert!(seconds > 0);
}
