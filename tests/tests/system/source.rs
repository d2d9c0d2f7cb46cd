//! Logs of every kind, and those who would have others banned through them.

use std::{
    fs::{self, File},
    io::Write as _,
    net::UdpSocket,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::Path,
    process::Command,
    time::Duration,
};

use mailwall_tests::{Agent, Journal, Setup, Testbed, eventually, rejection};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{find_ban, wait_for_ban};

/// More than any rule allows.
const MANY: u32 = 30;
const CLIENT: &str = "203.0.113.7";
const NET: &str = "203.0.113.7/32";
/// Somebody whom forged lines are about.
const VICTIM: &str = "198.51.100.66";

fn line(client: &str, number: u32) -> String {
    let recipient = format!("nobody{number}@example.test");
    rejection(client.parse().unwrap(), 1, &recipient)
}

fn append(path: &Path, numbers: std::ops::Range<u32>) {
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    for number in numbers {
        writeln!(file, "{}", line(CLIENT, number)).unwrap();
    }
}

fn start<'a>(bed: &'a Testbed, source: &str) -> Agent<'a> {
    Setup::new(bed, &config(source)).unwrap().start().unwrap()
}

fn config(source: &str) -> String {
    format!("[ban]\nfirst = \"10m\"\n\n[[source]]\n{source}\n")
}

/// Waits until a source's entry in `source list` is as asked for.
#[track_caller]
fn until_source(agent: &Agent<'_>, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    agent
        .until(what, &["source", "list"], |list| {
            let mut sources = list["sources"].as_array()?.iter();
            sources.find(|source| is_so(source)).cloned()
        })
        .unwrap()
}

#[track_caller]
fn until_following(agent: &Agent<'_>) {
    until_source(agent, "following", |source| source["state"] == "following");
}

#[track_caller]
fn until_events(agent: &Agent<'_>, count: usize) {
    agent
        .until("events", &["events"], |log| {
            (log["events"].as_array()?.len() >= count).then_some(())
        })
        .unwrap();
}

#[test]
fn a_new_file_that_fits_a_pattern_is_picked_up_and_a_rotated_one_is_not() {
    let bed = Testbed::new().unwrap();
    let folder = bed.dir().join("logs");
    fs::create_dir(&folder).unwrap();
    append(&folder.join("old.log"), 0..MANY);
    let agent = start(
        &bed,
        &format!("file = \"{}\"", folder.join("*.log*").display()),
    );
    until_following(&agent);
    append(&folder.join("new.log"), 0..3);
    until_source(&agent, "the new file", |source| {
        source["name"] == folder.join("new.log").display().to_string() && source["understood"] == 3
    });
    fs::rename(folder.join("new.log"), folder.join("new.log.1")).unwrap();
    fs::rename(folder.join("old.log"), folder.join("put-aside.log")).unwrap();
    append(&folder.join("third.log"), 3..4);
    until_source(&agent, "the third file", |source| {
        source["name"] == folder.join("third.log").display().to_string()
            && source["understood"] == 1
    });
    // What was renamed was not read again, nor what was there before.
    let list = agent.json(&["source", "list"]).unwrap();
    let sources = list["sources"].as_array().unwrap();
    let understood: u64 = sources
        .iter()
        .map(|source| source["understood"].as_u64().unwrap())
        .sum();
    assert_eq!(understood, 4, "{list}");
    append(&folder.join("new.log"), 4..MANY);
    wait_for_ban(&agent, NET);
}

/// Logs of which the database knows how far they were read.
fn remembered(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut rows = database.prepare("SELECT source FROM checkpoints ORDER BY source")?;
    rows.query_map([], |row| row.get(0))?.collect()
}

#[test]
fn how_far_a_log_was_read_that_is_long_gone_is_forgotten_and_new_ones_are_read_from_their_start() {
    const DAY_MS: i64 = 86_400_000;
    let bed = Testbed::new().unwrap();
    let folder = bed.dir().join("logs");
    fs::create_dir(&folder).unwrap();
    let log = |day: u32| folder.join(format!("mail-2026-11-0{day}.log"));
    for day in 1..=4 {
        append(&log(day), 0..1);
    }
    let pattern = format!("file = \"{}\"", folder.join("*.log").display());
    let agent = start(&bed, &pattern);
    for day in 1..=4 {
        append(&log(day), day..day + 1);
        until_source(&agent, "the line", |source| {
            source["name"] == log(day).display().to_string() && source["understood"] == 1
        });
    }
    let (_, setup) = agent.stop().unwrap();
    let database = Connection::open(setup.database()).unwrap();
    assert_eq!(remembered(&database).unwrap().len(), 4);
    for (day, ago) in [(1, 50), (2, 40), (3, 31), (4, 50)] {
        database
            .execute(
                "UPDATE checkpoints SET seen_ms = seen_ms - ?1 WHERE source = ?2",
                (ago * DAY_MS, log(day).display().to_string()),
            )
            .unwrap();
    }
    drop(database);
    for day in 1..=3 {
        fs::remove_file(log(day)).unwrap();
    }
    // It is there, but under another name.
    fs::rename(log(4), folder.join("kept")).unwrap();
    append(&log(5), 5..8);
    let database = setup.database();
    let agent = setup.start().unwrap();
    until_source(&agent, "all of the new file", |source| {
        source["name"] == log(5).display().to_string() && source["understood"] == 3
    });
    // The third is the last that is gone of the pattern.
    let expected = [3, 4, 5].map(|day| log(day).display().to_string());
    let mut found = Vec::new();
    let forgotten = eventually("the old ones forgotten", Duration::from_secs(60), || {
        found = remembered(&Connection::open(&database)?)?;
        Ok((found == expected).then_some(()))
    });
    assert!(forgotten.is_ok(), "{found:?}");
    // What is known of the others still counts.
    let agent = agent.restart().unwrap();
    append(&log(5), 8..9);
    until_source(&agent, "one more line", |source| {
        source["name"] == log(5).display().to_string() && source["understood"] == 1
    });
}

#[test]
fn a_log_compressed_while_the_agent_was_down_is_read_to_its_end() {
    let bed = Testbed::new().unwrap();
    let log = bed.dir().join("mail.log");
    File::create(&log).unwrap();
    let agent = start(&bed, &format!("file = \"{}\"", log.display()));
    until_following(&agent);
    append(&log, 0..2);
    until_events(&agent, 2);
    let (_, setup) = agent.stop().unwrap();
    append(&log, 2..5);
    let rotated = bed.dir().join("mail.log.1");
    fs::rename(&log, &rotated).unwrap();
    let packed = Command::new("gzip").arg(&rotated).status().unwrap();
    assert!(packed.success());
    append(&log, 5..6);
    let agent = setup.start().unwrap();
    until_source(&agent, "all lines", |source| source["understood"] == 4);
}

#[test]
fn datagrams_of_a_syslog_daemon_are_read() {
    let bed = Testbed::new().unwrap();
    let path = bed.dir().join("log.sock");
    let agent = start(&bed, &format!("syslog = \"unix:{}\"", path.display()));
    until_following(&agent);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "others may not write to it");
    let sender = UnixDatagram::unbound().unwrap();
    // A datagram is one line, whatever is in it.
    let forged = format!(
        "<22>Nov 21 17:26:38 mx cron[1]: hello\n{}\n",
        line(VICTIM, 1)
    );
    for _ in 0..MANY {
        sender.send_to(forged.as_bytes(), &path).unwrap();
    }
    for number in 0..MANY {
        let text = line(CLIENT, number);
        let (_, text) = text.split_once(" mx ").unwrap();
        let stamp = jiff::Timestamp::now().strftime("%b %e %H:%M:%S");
        sender
            .send_to(format!("<22>{stamp} {text}\n\0").as_bytes(), &path)
            .unwrap();
    }
    wait_for_ban(&agent, NET);
    let list = agent.json(&["ban", "list"]).unwrap();
    assert_eq!(list["total"], 1, "{list}");
    // Again with the socket that the first one left.
    let agent = agent.restart().unwrap();
    until_following(&agent);
}

#[test]
fn udp_is_taken_from_this_host_only_unless_told_otherwise() {
    let bed = Testbed::new().unwrap();
    let remote = config("syslog = \"udp:192.0.2.1:5514\"");
    let setup = Setup::new(&bed, &remote).unwrap();
    let answer = setup.cli(&["config", "check"]).unwrap();
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(
        answer.stderr.contains("can be reached by other hosts"),
        "{answer:?}"
    );
    setup
        .write_config(&format!("{remote}allow_remote = true\n"))
        .unwrap();
    assert_eq!(setup.cli(&["config", "check"]).unwrap().code, Some(0));

    setup
        .write_config(&config("syslog = \"udp:127.0.0.1:5514\""))
        .unwrap();
    bed.server().ip("link set lo up").unwrap();
    let agent = setup.start().unwrap();
    until_following(&agent);
    bed.server()
        .enter(|| {
            let sender = UdpSocket::bind("127.0.0.1:0")?;
            for number in 0..MANY {
                sender.send_to(line(CLIENT, number).as_bytes(), "127.0.0.1:5514")?;
            }
            Ok(())
        })
        .unwrap();
    wait_for_ban(&agent, NET);
}

/// Waits until the process has ended. Its parent may not have been told yet, or not have asked.
fn until_ended(pid: &str) {
    let state = Path::new("/proc").join(pid.trim()).join("stat");
    eventually("journalctl ends", Duration::from_secs(10), || {
        let stat = fs::read_to_string(&state).unwrap_or_default();
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        Ok(matches!(state, None | Some('Z' | 'X')).then_some(()))
    })
    .unwrap();
}

#[test]
fn the_journal_is_followed_and_forged_records_are_not_believed() {
    let bed = Testbed::new().unwrap();
    let mut journal = Journal::new(&bed);
    let setup = Setup::new(&bed, &config("journal = true")).unwrap();
    let agent = setup.with_programs(journal.folder()).start().unwrap();
    until_following(&agent);
    let shell = json!({"_UID": "1000", "_COMM": "logger", "_SYSTEMD_UNIT": "session-3.scope"});
    journal.reject(VICTIM, 0..MANY, &shell);
    let forward = json!({"_UID": "1000"});
    journal.reject(VICTIM, 0..MANY, &forward);
    let inside = format!("hello\n{}", line(VICTIM, 1));
    journal.write(
        &inside,
        json!({"_SYSTEMD_UNIT": "cron.service", "SYSLOG_IDENTIFIER": "cron"}),
    );
    journal.reject(CLIENT, 0..3, &json!({}));
    let journald = json!({
        "_UID": "0", "_COMM": "systemd-journal", "_TRANSPORT": "driver",
        "_SYSTEMD_UNIT": "systemd-journald.service", "SYSLOG_IDENTIFIER": "systemd-journald",
    });
    journal.write("Suppressed 917 messages from postfix@-.service", journald);
    until_source(&agent, "the journal read", |source| {
        source["understood"] == 3
            && source["refused"] == 2 * u64::from(MANY)
            && source["lost"] == 917
    });
    let status = agent.json(&["status"]).unwrap();
    assert!(
        status["problems"].to_string().contains("lost 917 lines"),
        "{status}"
    );

    // It does not outlive an agent that is killed, and goes on where that stopped.
    let pid = fs::read_to_string(journal.folder().join("pid")).unwrap();
    let (_, setup) = agent.stop().unwrap();
    let agent = setup.start().unwrap();
    until_following(&agent);
    journal.reject(CLIENT, 3..5, &json!({}));
    until_source(&agent, "what came after the cursor", |source| {
        source["understood"] == 2
    });
    let asked = fs::read_to_string(journal.folder().join("asked")).unwrap();
    assert!(
        asked
            .lines()
            .last()
            .unwrap()
            .contains("--after-cursor=s=f00;i="),
        "{asked}"
    );
    until_ended(&pid);
    let pid = fs::read_to_string(journal.folder().join("pid")).unwrap();
    let setup = agent.kill().unwrap();
    let agent = setup.start().unwrap();
    until_ended(&pid);
    until_following(&agent);
    journal.reject(CLIENT, 5..MANY, &json!({}));
    wait_for_ban(&agent, NET);
    let list = agent.json(&["ban", "list"]).unwrap();
    assert!(find_ban(&list, "198.51.100.66/32").is_none(), "{list}");
}

#[test]
fn what_is_piped_into_the_agent_is_read_to_its_end() {
    let bed = Testbed::new().unwrap();
    let pipe = bed.dir().join("pipe");
    nix::unistd::mkfifo(
        &pipe,
        nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR,
    )
    .unwrap();
    // Opened for both, so that opening it waits for nobody.
    let mut writer = File::options().read(true).write(true).open(&pipe).unwrap();
    let setup = Setup::new(&bed, &config("stdin = true"))
        .unwrap()
        .reading(&pipe);
    let agent = setup.start().unwrap();
    until_following(&agent);
    for number in 0..MANY {
        writeln!(writer, "{}", line(CLIENT, number)).unwrap();
    }
    wait_for_ban(&agent, NET);
    drop(writer);
    until_source(&agent, "the end", |source| source["state"] == "ended");
}
