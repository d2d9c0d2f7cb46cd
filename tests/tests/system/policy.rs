//! The policy service, asked by clients that say what they like, and by a real Postfix.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use mailwall_tests::{
    Agent, Outcome, POSTFIX_ASKING, Server, Session, Setup, Stopwatch, Testbed, eventually,
};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{config, must, quiet_agent};

const LISTEN: &str = "[policy]\nlisten = \"inet:127.0.0.1:10040\"\n";
/// A client that hears nothing for so long has been forgotten.
const WITHIN: Duration = Duration::from_secs(60);
/// `alice` and her password, as AUTH PLAIN has it.
const ALICE: &str = "AGFsaWNlAGEgcGFzc3dvcmQgb2YgYWxpY2U=";

/// A policy client.
struct Asker(BufReader<TcpStream>);

impl Asker {
    fn connect(bed: &Testbed) -> Self {
        let stream = bed
            .server()
            .enter(|| Ok(TcpStream::connect("127.0.0.1:10040")?))
            .unwrap();
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        Self(BufReader::new(stream))
    }

    fn say(&mut self, text: &[u8]) {
        // The service may have closed the connection already.
        let _said = self.0.get_mut().write_all(text);
    }

    /// The action; `None` when the service has closed the connection.
    fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        if !matches!(self.0.read_line(&mut line), Ok(1..)) {
            return None;
        }
        let mut end = String::new();
        self.0.read_line(&mut end).unwrap();
        assert_eq!(end, "\n", "after {line:?}");
        Some(line.trim_end().strip_prefix("action=").unwrap().to_owned())
    }

    fn ask(&mut self, client: &str, port: u16, more: &str) -> String {
        self.say(request(client, port, more).as_bytes());
        self.hear().unwrap()
    }
}

fn request(client: &str, port: u16, more: &str) -> String {
    format!("request=smtpd_access_policy\nclient_address={client}\nclient_port={port}\n{more}\n\n")
}

fn service(agent: &Agent<'_>) -> Value {
    agent.json(&["status"]).unwrap()["policy"].clone()
}

fn given(service: &Value, action: &str) -> u64 {
    let mut answers = service["answers"].as_array().unwrap().iter();
    let answer = answers.find(|answer| answer["action"] == *action).unwrap();
    answer["given"].as_u64().unwrap()
}

/// A Postfix that asks, and an agent that follows its log and answers.
fn asked(more: &str, run: impl FnOnce(&Testbed, &Server, Agent<'_>)) {
    let bed = Testbed::new().unwrap();
    let server = Server::start(&bed, &POSTFIX_ASKING).unwrap();
    let config = config(server.log(), "10m", more);
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    run(&bed, &server, agent);
}

fn begin(bed: &Testbed, client: &str, port: u16) -> Session {
    bed.client(client).session_at(port).unwrap().unwrap()
}

#[track_caller]
fn deliver(session: &mut Session) {
    session.expect("DATA", 354).unwrap();
    session
        .expect("Subject: hello\r\n\r\nhello\r\n.", 250)
        .unwrap();
}

#[test]
fn a_policy_client_is_answered_again_and_again() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, LISTEN);
    let mut asker = Asker::connect(&bed);
    for _ in 0..3 {
        assert_eq!(asker.ask("203.0.113.7", 1, "protocol_state=RCPT"), "DUNNO");
    }
    // In pieces, and two at once.
    let text = request("203.0.113.7", 1, "protocol_state=DATA");
    for piece in text.as_bytes().chunks(7) {
        asker.say(piece);
    }
    assert_eq!(asker.hear().unwrap(), "DUNNO");
    asker.say(text.repeat(2).as_bytes());
    assert_eq!(asker.hear().unwrap(), "DUNNO");
    assert_eq!(asker.hear().unwrap(), "DUNNO");
    must(&agent, &["ban", "add", "203.0.113.7"]);
    let answer = asker.ask("203.0.113.7", 1, "protocol_state=RCPT");
    assert!(answer.starts_with("421 4.7.1 "), "{answer}");
    assert_eq!(asker.ask("203.0.113.8", 1, "protocol_state=RCPT"), "DUNNO");
    let service = service(&agent);
    assert_eq!(service["listening"], true);
    assert_eq!(
        (&service["requests"], &service["connections"]),
        (&8.into(), &1.into())
    );
    assert_eq!((given(&service, "dunno"), given(&service, "421")), (7, 1));
    let human = agent.cli(&["status"]).unwrap();
    assert!(
        human
            .stdout
            .contains("POLICY     inet:127.0.0.1:10040, 1 connection; 8 requests; 7 dunno; 1 421"),
        "{human:?}"
    );
}

#[test]
fn garbage_closes_the_connection_and_nothing_else() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, LISTEN);
    let mut other = Asker::connect(&bed);
    assert_eq!(other.ask("203.0.113.7", 1, "protocol_state=RCPT"), "DUNNO");
    let long = vec![b'x'; 1 << 20];
    let garbage: [&[u8]; 5] = [
        b"GET /?a=b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
        b"\n",
        b"request=something_else\n\n",
        &long,
    ];
    for text in garbage {
        let mut asker = Asker::connect(&bed);
        asker.say(text);
        assert_eq!(asker.hear(), None);
    }
    // Half a request, and gone.
    Asker::connect(&bed).say(b"request=smtpd_access_policy\nclient_addr");
    assert_eq!(other.ask("203.0.113.7", 1, "protocol_state=RCPT"), "DUNNO");
    agent
        .until("end of all but one connection", &["status"], |status| {
            let service = &status["policy"];
            let is_as_it_was = service["connections"] == 1 && service["garbage"] == 5;
            is_as_it_was.then_some(())
        })
        .unwrap();
    let last = service(&agent)["last_garbage"].as_str().unwrap().to_owned();
    assert!(
        last.ends_with("a request of more than 32768 bytes"),
        "{last}"
    );
    assert_eq!(
        agent.json(&["status"]).unwrap()["problems"],
        Value::Array(Vec::new())
    );
}

/// The kernel counts none of these connections, as nobody makes them: the service words what is over a limit.
#[test]
fn who_is_over_a_limit_is_told_so_in_the_session() {
    let bed = Testbed::new().unwrap();
    let limits =
        "[[limit]]\nper_minute = 10\n[[limit]]\nnetwork = \"203.0.113.0/24\"\nper_minute = 2\n";
    let agent = quiet_agent(&bed, &format!("{limits}{LISTEN}"));
    let mut asker = Asker::connect(&bed);
    let mut connect = |client, port| asker.ask(client, port, "protocol_state=CONNECT");
    assert_eq!(connect("203.0.113.7", 1), "DUNNO");
    assert_eq!(connect("203.0.113.7", 2), "DUNNO");
    assert_eq!(
        connect("203.0.113.7", 3),
        "421 4.3.2 Connection rate limit exceeded."
    );
    assert_eq!(connect("203.0.113.8", 4), "DUNNO");
    // In observe mode it is only counted.
    let config = std::fs::read_to_string(agent.setup().config()).unwrap();
    agent
        .setup()
        .write_config(&format!("[filter]\nmode = \"observe\"\n{config}"))
        .unwrap();
    must(&agent, &["reload"]);
    assert_eq!(connect("203.0.113.7", 5), "DUNNO");
    let service = service(&agent);
    assert_eq!(given(&service, "421"), 1);
    let observed = service["answers"].as_array().unwrap().iter();
    let observed: u64 = observed
        .map(|answer| answer["observed"].as_u64().unwrap())
        .sum();
    assert_eq!(observed, 1);
}

#[test]
fn a_reload_opens_and_closes_the_service() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "");
    let config = std::fs::read_to_string(agent.setup().config()).unwrap();
    assert_eq!(service(&agent), Value::Null);
    let path = bed.dir().join("policy.sock");
    let unix = format!(
        "[policy]\nlisten = \"unix:{}\"\nmode = \"0606\"\n{config}",
        path.display()
    );
    agent.setup().write_config(&unix).unwrap();
    must(&agent, &["reload"]);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o606);
    // Another setting changes nothing of the socket.
    agent
        .setup()
        .write_config(&unix.replace("mode", "recipients = 5\nmode"))
        .unwrap();
    must(&agent, &["reload"]);
    assert!(path.exists());
    // A place that is taken is a problem that is told, and no more.
    let _other = bed
        .server()
        .enter(|| Ok(TcpListener::bind("127.0.0.1:10040")?))
        .unwrap();
    agent
        .setup()
        .write_config(&format!("{LISTEN}{config}"))
        .unwrap();
    must(&agent, &["reload"]);
    let problems = agent.json(&["status"]).unwrap()["problems"].to_string();
    assert!(
        problems.contains("the policy service does not listen: inet:127.0.0.1:10040: "),
        "{problems}"
    );
    assert!(!path.exists());
    assert_eq!(service(&agent)["listening"], false);
    agent.setup().write_config(&config).unwrap();
    must(&agent, &["reload"]);
    assert_eq!(service(&agent), Value::Null);
}

/// Vector 7, with a real Postfix: after two bad recipients every further one waits, and the eleventh of a message is put off.
#[test]
fn postfix_makes_guessers_wait_and_puts_many_recipients_off() {
    let settings =
        format!("{LISTEN}bad_recipients = 2\nbad_recipient_delay = \"2s\"\nrecipients = 10\n");
    asked(&settings, |bed, _, agent| {
        let mut session = begin(bed, "203.0.113.7", 25);
        session.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
        session
            .expect("RCPT TO:<nobody1@example.test>", 550)
            .unwrap();
        session.expect("RCPT TO:<alice@example.test>", 250).unwrap();
        session
            .expect("RCPT TO:<nobody2@example.test>", 550)
            .unwrap();
        assert_eq!(given(&service(&agent), "sleep"), 0);
        for (recipient, code) in [("bob", 250), ("nobody3", 550)] {
            let watch = Stopwatch::start();
            session
                .expect(&format!("RCPT TO:<{recipient}@example.test>"), code)
                .unwrap();
            assert!(
                watch.elapsed() >= Duration::from_secs(2),
                "{:?}",
                watch.elapsed()
            );
        }
        assert_eq!(given(&service(&agent), "sleep"), 2);
        deliver(&mut session);

        let mut session = begin(bed, "203.0.113.8", 25);
        session.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
        for _ in 0..10 {
            session.expect("RCPT TO:<alice@example.test>", 250).unwrap();
        }
        let eleventh = session.command("RCPT TO:<bob@example.test>").unwrap();
        assert!(
            eleventh.starts_with("452 4.5.3 ") && eleventh.ends_with("Too many recipients"),
            "{eleventh}"
        );
        deliver(&mut session);
        session.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
        session.expect("RCPT TO:<bob@example.test>", 250).unwrap();
        deliver(&mut session);
        assert_eq!(given(&service(&agent), "sleep"), 2);
    });
}

#[test]
fn postfix_closes_a_session_that_outlived_its_ban() {
    asked(LISTEN, |bed, _, agent| {
        let mut session = begin(bed, "203.0.113.7", 25);
        session.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
        session.expect("RCPT TO:<alice@example.test>", 250).unwrap();
        must(&agent, &["ban", "add", "203.0.113.7"]);
        let reply = session.command("RCPT TO:<bob@example.test>").unwrap();
        assert!(reply.starts_with("421 4.7.1 "), "{reply}");
        assert!(session.command("NOOP").is_err(), "the session goes on");
        assert_eq!(
            bed.client("203.0.113.8").send("bob@example.test").unwrap(),
            Outcome::Delivered
        );
    });
}

#[test]
fn postfix_asks_at_a_unix_socket() {
    let bed = Testbed::new().unwrap();
    let server = Server::start(&bed, &POSTFIX_ASKING).unwrap();
    let socket = server.log().with_file_name("policy.sock");
    let policy = format!(
        "[policy]\nlisten = \"unix:{}\"\nmode = \"0666\"\n",
        socket.display()
    );
    let config = config(server.log(), "10m", &policy);
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    let mut session = begin(&bed, "203.0.113.7", 587);
    session.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
    session.expect("RCPT TO:<alice@example.test>", 250).unwrap();
    deliver(&mut session);
    assert_eq!(service(&agent)["requests"], 1);
    // Gone with the agent, and made anew by the next one, also after a kill.
    let setup = agent.kill().unwrap();
    assert!(socket.exists());
    let agent = setup.start().unwrap();
    session.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
    session.expect("RCPT TO:<alice@example.test>", 250).unwrap();
    assert_eq!(service(&agent)["requests"], 1);
    agent.stop().unwrap();
    assert!(!socket.exists());
}

#[test]
fn mail_flows_without_the_agent() {
    asked(LISTEN, |bed, _, mut agent| {
        let mut session = begin(bed, "203.0.113.7", 25);
        let mut send = |recipient: &str| {
            session.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
            session
                .expect(&format!("RCPT TO:<{recipient}@example.test>"), 250)
                .unwrap();
            deliver(&mut session);
        };
        send("alice");
        assert_eq!(service(&agent)["requests"], 3);
        // It hangs: Postfix gives up after two time-outs of two seconds, each time that it asks.
        agent.signal(Signal::SIGSTOP).unwrap();
        let watch = Stopwatch::start();
        send("bob");
        assert!(
            watch.elapsed() >= Duration::from_secs(4),
            "{:?}",
            watch.elapsed()
        );
        agent.signal(Signal::SIGCONT).unwrap();
        send("alice");
        // It is killed in the middle of the session.
        let setup = agent.kill().unwrap();
        send("bob");
        assert_eq!(
            bed.client("203.0.113.8")
                .send("alice@example.test")
                .unwrap(),
            Outcome::Delivered
        );
        let agent = setup.start().unwrap();
        send("alice");
        assert_eq!(service(&agent)["requests"], 3);
    });
}

/// The soft limit of IMail, in the session: what comes after two errors waits, longer with each further one.
#[test]
fn postfix_slows_down_whom_a_rule_delays() {
    const RULE: &str = "[[rule]]\nname = \"soft\"\ncount = [\"unknown-recipient\"]\nper = \"address\"\nlimit = 2\n\
        window = \"10m\"\nthen = { delay = \"2s\", at_most = \"30s\", by = \"policy\" }\n";
    asked(&format!("{LISTEN}{RULE}"), |bed, _, agent| {
        let mut session = begin(bed, "203.0.113.7", 25);
        session.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
        for (guess, least) in [
            ("nobody1", 0),
            ("nobody2", 0),
            ("nobody3", 2),
            ("nobody4", 4),
        ] {
            session
                .expect(&format!("RCPT TO:<{guess}@example.test>"), 550)
                .unwrap();
            // The log is read a moment later.
            eventually(&format!("a delay of {least} s"), WITHIN, || {
                let watch = Stopwatch::start();
                session.expect("RCPT TO:<alice@example.test>", 250)?;
                Ok((watch.elapsed() >= Duration::from_secs(least)).then_some(()))
            })
            .unwrap();
        }
        assert!(given(&service(&agent), "sleep") >= 3);
        // Others are not slowed down, nor is anybody banned.
        let others = given(&service(&agent), "sleep");
        let other = bed.client("203.0.113.8").send("bob@example.test").unwrap();
        assert_eq!(other, Outcome::Delivered);
        assert_eq!(given(&service(&agent), "sleep"), others);
        assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
    });
}

#[test]
fn postfix_holds_what_a_held_account_sends_and_nothing_else() {
    asked(LISTEN, |bed, server, agent| {
        let send = |is_alice: bool| {
            let mut session = begin(bed, "203.0.113.7", 25);
            if is_alice {
                session.expect(&format!("AUTH PLAIN {ALICE}"), 235).unwrap();
            }
            session
                .expect("MAIL FROM:<alice@example.test>", 250)
                .unwrap();
            session.expect("RCPT TO:<bob@example.test>", 250).unwrap();
            deliver(&mut session);
        };
        let held = || {
            let queue = server.run("postqueue -p").unwrap();
            queue.lines().filter(|line| line.contains('!')).count()
        };
        // As Postfix logs it: with its domain or without.
        must(&agent, &["account", "hold", "alice"]);
        must(&agent, &["account", "hold", "alice@example.test"]);
        send(false);
        assert_eq!(held(), 0);
        send(true);
        assert_eq!(held(), 1);
        let agent = agent.restart().unwrap();
        send(true);
        assert_eq!(held(), 2);
        must(&agent, &["account", "release", "alice"]);
        must(&agent, &["account", "release", "alice@example.test"]);
        send(true);
        assert_eq!(held(), 2);
    });
}

/// A service that answers every question in the same way, in place of the agent's.
struct Double {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Double {
    fn start(bed: &Testbed, answer: &'static str) -> Self {
        let listener = bed
            .server()
            .enter(|| Ok(TcpListener::bind("127.0.0.1:10040")?))
            .unwrap();
        listener.set_nonblocking(true).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => drop(thread::spawn(move || always(stream, answer))),
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers until Postfix closes the connection.
fn always(mut stream: TcpStream, answer: &str) {
    stream.set_nonblocking(false).unwrap();
    let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        seen.extend_from_slice(&chunk[..read]);
        if seen.ends_with(b"\n\n") {
            seen.clear();
            let _sent = stream.write_all(answer.as_bytes());
        }
    }
}

#[test]
fn postfix_puts_a_held_message_into_the_hold_queue() {
    let bed = Testbed::new().unwrap();
    let server = Server::start(&bed, &POSTFIX_ASKING).unwrap();
    let held = mailwall::policy::Answer::Hold("mailwall: the account's mail is held").to_wire();
    let double = Double::start(&bed, held.leak());
    let mut session = begin(&bed, "203.0.113.7", 25);
    session.expect(&format!("AUTH PLAIN {ALICE}"), 235).unwrap();
    session
        .expect("MAIL FROM:<alice@example.test>", 250)
        .unwrap();
    session.expect("RCPT TO:<bob@example.test>", 250).unwrap();
    deliver(&mut session);
    // An exclamation mark behind the queue id is the hold queue.
    let queue = server.run("postqueue -p").unwrap();
    assert!(
        queue
            .lines()
            .any(|line| line.contains('!') && line.ends_with("alice@example.test")),
        "{queue}"
    );
    drop(double);
}
