//! The "stop spammers" proposal from end to end: five errors in one connection, and the address is out until somebody has looked.

use std::{
    fmt::Write as _,
    fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use mailwall_tests::{Agent, Client, MailServer, Outcome, Setup, Testbed, search_path};

use crate::{config, find_ban, must, wait_for_ban};

const PRESET: &str = "[rules]\npreset = \"stop-spammers\"\n";
/// Less than the second after which a client repeats its SYN: the first one decides.
const FIRST_SYN: Duration = Duration::from_millis(900);

/// Postfix, and an agent with that preset.
fn stop_spammers(bed: &Testbed) -> (MailServer, Agent<'_>) {
    let server = MailServer::start(bed).unwrap();
    let config = config(server.log(), "10m", PRESET);
    let agent = Setup::new(bed, &config).unwrap().start().unwrap();
    (server, agent)
}

/// So many errors in one connection are too many.
const LIMIT: usize = 5;

/// Errors in one connection, the first two of them failed logins.
fn err(client: &Client<'_>, errors: usize) {
    let mut session = client.session().unwrap().expect("a SYN that is answered");
    for guess in 0..2 {
        assert!(!session.log_in("root", &format!("guess {guess}")).unwrap());
    }
    session.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
    for error in 2..errors.min(LIMIT - 1) {
        session
            .expect(&format!("RCPT TO:<nobody{error}@example.test>"), 550)
            .unwrap();
    }
    if errors < LIMIT {
        session.expect("QUIT", 221).unwrap();
        return;
    }
    // The connection is cut, perhaps before the reply to the last error is read.
    let _cut = session.command("RCPT TO:<nobody@example.test>");
}

fn is_let_in(client: &Client<'_>) -> bool {
    client.connect_within(25, FIRST_SYN).unwrap().is_some()
}

#[test]
fn five_errors_in_one_connection_ban_until_somebody_has_looked() {
    let bed = Testbed::new().unwrap();
    let (_server, agent) = stop_spammers(&bed);
    let twice_four = bed.client("203.0.113.4");
    err(&twice_four, 4);
    err(&twice_four, 4);
    let mut banned = Vec::new();
    for host in [9, 7, 8] {
        let address = format!("203.0.113.{host}");
        let client = bed.client(&address);
        err(&client, 5);
        let ban = wait_for_ban(&agent, &format!("{address}/32"));
        assert_eq!(ban["rule"], "session-errors", "{ban}");
        assert!(ban["ends"].is_null(), "{ban}");
        assert_eq!(client.send("alice@example.test").unwrap(), Outcome::Dropped);
        banned.push(format!("{address}/32"));
    }
    // What was logged before these is judged, and was not enough.
    let list = agent.json(&["ban", "list", "--sort", "added"]).unwrap();
    let nets: Vec<&str> = list["bans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ban| ban["net"].as_str().unwrap())
        .collect();
    assert_eq!(nets, banned, "the newest last");
    assert!(is_let_in(&twice_four));

    // The review: one was a mistake.
    let pardoned = bed.client("203.0.113.7");
    assert!(!is_let_in(&pardoned));
    must(&agent, &["ban", "remove", "203.0.113.7"]);
    assert!(is_let_in(&pardoned), "at once");
    assert!(!is_let_in(&bed.client("203.0.113.8")));
    err(&pardoned, 4);
    err(&bed.client("203.0.113.10"), 5);
    wait_for_ban(&agent, "203.0.113.10/32");
    assert!(is_let_in(&pardoned), "what was counted is forgotten");
}

/// Whether the filter is on the interface of the mail host.
fn is_attached(bed: &Testbed) -> bool {
    let mut command = Command::new("ip");
    command
        .args(["link", "show", "dev", "mail0"])
        .env("PATH", search_path());
    let output = bed.server().output(&mut command).unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).contains("prog/xdp")
}

#[test]
fn the_list_is_in_force_before_the_first_packet_is_let_through() {
    let bed = Testbed::new().unwrap();
    let (_server, agent) = stop_spammers(&bed);
    let spammer = bed.client("203.0.113.7");
    err(&spammer, 5);
    wait_for_ban(&agent, "203.0.113.7/32");
    // A restart, also after a kill, lets nothing through at any time.
    let agent = while_knocking(&spammer, |_| false, || agent.restart().unwrap());
    let agent = while_knocking(
        &spammer,
        |_| false,
        || agent.kill().unwrap().start().unwrap(),
    );
    // After a reboot nothing is filtered until the filter is there, and then the list is, too.
    let setup = agent.kill().unwrap();
    bed.lose_pins().unwrap();
    assert!(!is_attached(&bed) && is_let_in(&spammer));
    let agent = while_knocking(
        &spammer,
        |before_the_syn| !before_the_syn,
        || setup.start().unwrap(),
    );
    let list = agent.json(&["ban", "list"]).unwrap();
    assert_eq!(list["total"], 1, "{list}");
    assert!(is_attached(&bed) && !is_let_in(&spammer));
}

/// Does `work` while the client knocks all the time: it may be let in only where `may_be` says so of whether the filter was on the
/// interface before the client sent its SYN.
#[track_caller]
fn while_knocking<T>(
    client: &Client<'_>,
    may_be: impl Fn(bool) -> bool + Sync,
    work: impl FnOnce() -> T,
) -> T {
    let is_over = AtomicBool::new(false);
    let knock = || {
        let mut knocks = 0;
        // Once more after the end.
        loop {
            let was_over = is_over.load(Ordering::SeqCst);
            let was_attached = is_attached(client.bed());
            let was_let_in = is_let_in(client);
            assert!(
                !was_let_in || may_be(was_attached),
                "let in at knock {knocks}, attached: {was_attached}"
            );
            knocks += 1;
            if was_over {
                return knocks;
            }
        }
    };
    let (done, knocks) = thread::scope(|scope| {
        let knocking = scope.spawn(knock);
        let done = work();
        is_over.store(true, Ordering::SeqCst);
        (done, knocking.join())
    });
    assert!(knocks.expect("nobody is let in") > 0);
    done
}

/// The lines of a session with `errors` unknown recipients on a day of a year.
fn session(date: &str, pid: u32, address: &str, errors: std::ops::Range<u32>) -> String {
    let mut text = String::new();
    for error in errors {
        let to = format!("user{error}@example.test");
        writeln!(
            text,
            "{date}T10:00:{error:02}.000000+00:00 mx postfix/smtpd[{pid}]: NOQUEUE: reject: RCPT from unknown[{address}]: \
             550 5.1.1 <{to}>: Recipient address rejected: User unknown in local recipient table; from=<x@sender.test> \
             to=<{to}> proto=ESMTP helo=<x>"
        )
        .unwrap();
    }
    text
}

#[test]
fn years_of_rotated_logs_fill_the_list() {
    let bed = Testbed::new().unwrap();
    let (_server, agent) = stop_spammers(&bed);
    let folder = bed.dir().join("old");
    fs::create_dir(&folder).unwrap();
    // Two sessions of four errors each are none of eight.
    let logs = [
        (
            "mail.log.3",
            [
                session("2023-02-03", 11, "203.0.113.30", 0..5),
                session("2023-02-04", 12, "203.0.113.40", 0..4),
            ],
        ),
        (
            "mail.log.2",
            [
                session("2024-02-03", 13, "203.0.113.40", 0..4),
                session("2024-02-05", 14, "203.0.113.20", 0..5),
            ],
        ),
        (
            "mail.log.1",
            [
                session("2026-02-03", 15, "198.51.100.10", 0..9),
                session("2026-02-03", 16, "198.51.100.11", 0..1),
            ],
        ),
    ];
    let mut files = Vec::new();
    for (name, text) in logs {
        let path = folder.join(name);
        fs::write(&path, text.concat()).unwrap();
        files.push(path.display().to_string());
    }
    for (file, program, ending) in [(0, "xz", ".xz"), (1, "gzip", ".gz")] {
        let packed = Command::new(program).arg(&files[file]).status().unwrap();
        assert!(packed.success(), "{program}");
        files[file].push_str(ending);
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let expected = ["203.0.113.30/32", "203.0.113.20/32", "198.51.100.10/32"];
    // A look first, which changes nothing.
    let dry = agent.json(&[&["analyze"], &files[..]].concat()).unwrap();
    let nets: Vec<&str> = dry["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ban| ban["net"].as_str().unwrap())
        .collect();
    assert_eq!(nets, expected, "{dry}");
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
    assert!(is_let_in(&bed.client("203.0.113.30")));

    let applied = agent
        .json(&[&["analyze", "--apply"], &files[..]].concat())
        .unwrap();
    assert_eq!(applied["applied"], 3, "{applied}");
    let agent = agent.restart().unwrap();
    let list = agent.json(&["ban", "list"]).unwrap();
    assert_eq!(list["total"], 3, "{list}");
    for net in expected {
        let ban = find_ban(&list, net).unwrap();
        assert!(ban["ends"].is_null(), "{ban}");
        let address = net.trim_end_matches("/32");
        assert!(!is_let_in(&bed.client(address)), "{address}");
    }
    assert!(is_let_in(&bed.client("203.0.113.40")));
    // The same again adds nothing.
    let again = agent
        .json(&[&["analyze", "--apply"], &files[..]].concat())
        .unwrap();
    assert_eq!(again["applied"], 0, "{again}");
}
