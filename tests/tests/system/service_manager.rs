//! What the service manager and the journal are told.

use std::{
    fs,
    os::{linux::fs::MetadataExt as _, unix::net::UnixDatagram},
    time::Duration,
};

use mailwall_tests::{Setup, Testbed, eventually};

use crate::{config, must};

/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Datagrams that come until one holds `wanted`.
#[track_caller]
fn until(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut all = Vec::new();
    eventually(wanted, WITHIN, || {
        let mut buffer = vec![0; 65536];
        while let Ok(length) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let is_it = text.contains(wanted);
            all.push(text);
            if is_it {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
    .unwrap_or_else(|error| panic!("{error:#}: {all:?}"));
    all
}

fn listen(path: &std::path::Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

#[test]
fn systemd_is_told_of_the_start_a_reload_and_the_end() {
    let bed = Testbed::new().unwrap();
    let path = bed.dir().join("notify");
    let socket = listen(&path);
    let agent = Setup::new(&bed, &config(&bed.dir().join("mail.log"), "10m", ""))
        .unwrap()
        .with_variable("NOTIFY_SOCKET", path.to_str().unwrap())
        .with_variable("WATCHDOG_USEC", "400000")
        .start()
        .unwrap();
    let told = until(&socket, "READY=1");
    assert!(
        told.last()
            .unwrap()
            .contains("\nSTATUS=enforcing: 0 bans, 1 source"),
        "{told:?}"
    );
    for _ in 0..3 {
        until(&socket, "WATCHDOG=1");
    }
    must(&agent, &["ban", "add", "203.0.113.7"]);
    until(&socket, "STATUS=enforcing: 1 ban, ");
    must(&agent, &["reload"]);
    until(&socket, "RELOADING=1\nMONOTONIC_USEC=");
    until(&socket, "READY=1");
    let (status, _) = agent.stop().unwrap();
    assert!(status.success());
    until(&socket, "STOPPING=1");
}

#[test]
fn decisions_are_entries_of_the_journal_where_stderr_is_its() {
    let bed = Testbed::new().unwrap();
    let path = bed.dir().join("journal");
    let socket = listen(&path);
    let setup = Setup::new(&bed, &config(&bed.dir().join("mail.log"), "10m", "")).unwrap();
    fs::write(setup.output(), "").unwrap();
    let file = fs::metadata(setup.output()).unwrap();
    let stream = format!("{}:{}", file.st_dev(), file.st_ino());
    let agent = setup
        .with_variable("MAILWALL_JOURNAL_SOCKET", path.to_str().unwrap())
        .with_variable("JOURNAL_STREAM", &stream)
        .start()
        .unwrap();
    must(
        &agent,
        &[
            "ban",
            "add",
            "203.0.113.7",
            "--for",
            "10m",
            "--reason",
            "try\u{202e}it",
        ],
    );
    let told = until(&socket, "MAILWALL_EVENT=ban\n");
    let entry = told.last().unwrap();
    for field in [
        "MESSAGE=banned 203.0.113.7/32 for 10m by manual: try",
        "PRIORITY=6",
        "SYSLOG_IDENTIFIER=mailwall",
        "MAILWALL_NET=203.0.113.7/32",
        "MAILWALL_RULE=manual",
        "MAILWALL_FOR_S=600",
        "MAILWALL_OFFENCES=0",
    ] {
        assert!(entry.contains(field), "{field} in {entry}");
    }
    must(&agent, &["ban", "remove", "203.0.113.7"]);
    until(&socket, "MAILWALL_EVENT=unban\n");
    assert!(!agent.setup().said().contains("banned net="), "told once");

    // When journald is gone, the line on stderr stands in for it.
    drop(socket);
    must(&agent, &["ban", "add", "203.0.113.8"]);
    eventually("a line on stderr", WITHIN, || {
        let said = agent.setup().said();
        Ok(said.contains("net=203.0.113.8/32").then_some(()))
    })
    .unwrap();
}
