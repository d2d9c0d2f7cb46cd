//! Logs that are rotated, missing, or hostile.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::Path,
};

use mailwall_tests::{Agent, MailServer, Setup, Testbed, rejection};

use crate::{MANY, config, must, wait_for_ban};

/// Fewer guesses than any rule allows.
const FEW: usize = 3;

#[test]
fn an_attack_goes_on_counting_when_the_log_is_renamed() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let agent = dictionary_agent(&bed, &server);
    bed.client("203.0.113.7").guess(FEW).unwrap();
    fs::rename(server.log(), bed.dir().join("log/mail.log.1")).unwrap();
    server.reopen_log().unwrap();
    bed.client("203.0.113.7").guess(MANY).unwrap();
    assert_offences(&agent, FEW + 1);
}

#[test]
fn an_attack_goes_on_counting_when_the_log_is_copied_and_truncated() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let agent = dictionary_agent(&bed, &server);
    bed.client("203.0.113.7").guess(FEW).unwrap();
    wait_for_lines(&agent, FEW);
    fs::copy(server.log(), bed.dir().join("log/mail.log.1")).unwrap();
    OpenOptions::new()
        .write(true)
        .open(server.log())
        .unwrap()
        .set_len(0)
        .unwrap();
    bed.client("203.0.113.7").guess(MANY).unwrap();
    assert_offences(&agent, FEW + 1);
}

#[test]
fn a_log_that_is_not_there_yet_is_waited_for() {
    let bed = Testbed::new().unwrap();
    let config = config(&bed.dir().join("mail.log"), "10m", "");
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    agent
        .until("waiting for the log", &["source", "list"], |list| {
            (list["sources"][0]["state"] == "waiting").then_some(())
        })
        .unwrap();
    let mut log = File::create(bed.dir().join("mail.log")).unwrap();
    write_rejections(&mut log, "203.0.113.7", 0..30);
    wait_for_ban(&agent, "203.0.113.7/32");
}

#[test]
fn a_line_counts_once_it_is_whole() {
    let bed = Testbed::new().unwrap();
    let log_path = bed.dir().join("mail.log");
    let mut log = File::create(&log_path).unwrap();
    let config = config(&log_path, "10m", SINGLE_OFFENCE);
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let line = rejection("203.0.113.7".parse().unwrap(), 1, "nobody@example.test");
    let (begin, end) = line.split_at(line.len() / 2);
    log.write_all(begin.as_bytes()).unwrap();
    agent
        .until("following", &["source", "list"], |list| {
            (list["sources"][0]["state"] == "following").then_some(())
        })
        .unwrap();
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
    log.write_all(format!("{end}\n").as_bytes()).unwrap();
    wait_for_ban(&agent, "203.0.113.7/32");
}

#[test]
fn hostile_lines_ban_nobody_and_stop_nothing() {
    let bed = Testbed::new().unwrap();
    let log_path = bed.dir().join("mail.log");
    let mut log = File::create(&log_path).unwrap();
    let config = config(&log_path, "10m", SINGLE_OFFENCE);
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    // A megabyte without an end, bytes that are no text, and a name that plays at being the rest of a line.
    log.write_all(&vec![0xff; 1 << 20]).unwrap();
    log.write_all(b"\n\0\x1b[2J\r\x80\n\n").unwrap();
    let claim = "x@example.test>: Recipient address rejected; RCPT from unknown[198.51.100.66]: 550 5.1.1 <y";
    let line = rejection("127.0.0.1".parse().unwrap(), 1, claim);
    log.write_all(format!("{line}\n").as_bytes()).unwrap();
    write_rejections(&mut log, "203.0.113.7", 0..1);
    wait_for_ban(&agent, "203.0.113.7/32");
    let list = agent.json(&["ban", "list"]).unwrap();
    assert_eq!(list["total"], 1, "{list}");
    let sources = agent.json(&["source", "list"]).unwrap();
    assert!(
        sources["sources"][0]["cut"].as_u64().unwrap() >= 1,
        "{sources}"
    );
}

/// A rule that bans at the first offence.
const SINGLE_OFFENCE: &str = "[[rule]]\nname = \"first\"\ncount = [\"unknown-recipient\"]\nper = \"address\"\nlimit = 1\nwindow = \"10m\"\n";

/// An agent with one rule that counts over sessions, so that its count says what was read.
#[test]
fn a_source_that_changes_at_a_reload_loses_no_line_and_counts_none_twice() {
    let bed = Testbed::new().unwrap();
    let path = bed.dir().join("mail.log");
    let (agent, mut log) = following_agent(&bed, &path);
    write_rejections(&mut log, "203.0.113.7", 0..6);
    wait_for_lines(&agent, 6);
    let source = format!("file = \"{}\"\n", path.display());
    let changed = config(&path, "10m", "");
    assert!(changed.contains(&source), "{changed}");
    let changed = changed.replace(&source, &format!("{source}time_zone = \"UTC\"\n"));
    agent.setup().write_config(&changed).unwrap();
    must(&agent, &["reload"]);
    write_rejections(&mut log, "203.0.113.7", 6..9);
    wait_for_lines(&agent, 9);
    let events = agent.json(&["events"]).unwrap();
    assert_eq!(events["events"].as_array().unwrap().len(), 9, "{events}");
    write_rejections(&mut log, "203.0.113.7", 9..10);
    assert_offences(&agent, 10);
}

#[test]
fn what_stands_in_two_logs_counts_once() {
    const LIMIT: u32 = 4;
    let bed = Testbed::new().unwrap();
    let paths = ["mail.log", "mail.warn"].map(|name| bed.dir().join(name));
    let mut logs = paths.each_ref().map(|path| File::create(path).unwrap());
    let more = format!(
        "[[source]]\nfile = \"{}\"\n\n[[rule]]\nname = \"few\"\ncount = [\"unknown-recipient\"]\n\
         per = \"address\"\nlimit = {LIMIT}\nwindow = \"10m\"\n",
        paths[1].display()
    );
    let config = config(&paths[0], "10m", &more);
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let mut write = |number| {
        let recipient = format!("nobody{number}@example.test");
        let line = rejection("203.0.113.7".parse().unwrap(), number, &recipient);
        for log in &mut logs {
            log.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    };
    (1..LIMIT).for_each(&mut write);
    wait_for_lines(&agent, 2 * (LIMIT as usize - 1));
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
    write(LIMIT);
    let ban = wait_for_ban(&agent, "203.0.113.7/32");
    assert_eq!(ban["offences"], LIMIT, "{ban}");
}

#[test]
fn a_live_log_in_another_time_zone_bans_for_the_whole_time_and_is_reported() {
    let bed = Testbed::new().unwrap();
    let path = bed.dir().join("mail.log");
    let (agent, mut log) = following_agent(&bed, &path);
    // Read to its end once, so that what follows is known to be new.
    write_old_rejection(&mut log, "203.0.113.8", 0);
    wait_for_lines(&agent, 1);
    for number in 1..30 {
        write_old_rejection(&mut log, "203.0.113.7", number);
    }
    let ban = wait_for_ban(&agent, "203.0.113.7/32");
    assert!(ban["remaining_s"].as_u64().unwrap() > 500, "{ban}");
    let status = agent.json(&["status"]).unwrap();
    assert!(
        status["problems"].to_string().contains("time_zone"),
        "{status}"
    );
}

fn dictionary_agent<'a>(bed: &'a Testbed, server: &MailServer) -> Agent<'a> {
    let config = config(server.log(), "10m", "");
    Setup::new(bed, &config).unwrap().start().unwrap()
}

/// An agent that follows a new, empty log.
fn following_agent<'a>(bed: &'a Testbed, path: &Path) -> (Agent<'a>, File) {
    let log = File::create(path).unwrap();
    let setup = Setup::new(bed, &config(path, "10m", "")).unwrap();
    let agent = setup.start().unwrap();
    agent
        .until("the log followed", &["source", "list"], |list| {
            (list["sources"][0]["state"] == "following").then_some(())
        })
        .unwrap();
    (agent, log)
}

#[track_caller]
fn wait_for_lines(agent: &Agent<'_>, rejections: usize) {
    agent
        .until("lines read", &["events"], |log| {
            (log["events"].as_array()?.len() >= rejections).then_some(())
        })
        .unwrap();
}

/// The ban counts what was written before the rotation too.
#[track_caller]
fn assert_offences(agent: &Agent<'_>, at_least: usize) {
    let ban = wait_for_ban(agent, "203.0.113.7/32");
    assert!(
        ban["offences"].as_u64().unwrap() >= at_least as u64,
        "{ban}"
    );
}

fn write_rejections(log: &mut File, client: &str, recipients: std::ops::Range<u32>) {
    for number in recipients {
        let recipient = format!("nobody{number}@example.test");
        let line = rejection(client.parse().unwrap(), number, &recipient);
        log.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// A line stamped three hours ago.
fn write_old_rejection(log: &mut File, client: &str, number: u32) {
    let recipient = format!("nobody{number}@example.test");
    let line = rejection(client.parse().unwrap(), number, &recipient);
    let (_, text) = line.split_once(' ').unwrap();
    let stamp = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(3);
    log.write_all(format!("{stamp} {text}\n").as_bytes())
        .unwrap();
}
