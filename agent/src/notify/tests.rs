//! Notifiers with receivers on this host: such that take, refuse, hang.

mod mail;
mod tls;

use std::{
    io,
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::PathBuf,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use super::*;

fn settings(channel: Channel) -> NotifierSettings {
    NotifierSettings {
        name: channel.as_str().to_owned(),
        channel,
        on: Topic::DEFAULT.to_vec(),
        rules: Vec::new(),
        min_level: 1,
        digest: None,
        limit: 20,
        timeout: Duration::from_secs(20),
    }
}

fn ban() -> Message {
    Message {
        net: Some("203.0.113.7/32".parse().unwrap()),
        rule: Some("auth".to_owned()),
        account: Some("-rf \"x\"\\x0a$(reboot)".to_owned()),
        for_s: Some(600),
        evidence: vec!["a line <b>".to_owned()],
        ..Message::new(
            "2026-08-22T08:14:03Z".to_owned(),
            Topic::Ban,
            "banned 203.0.113.7".to_owned(),
        )
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A server that hands each connection to `serve`.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
    port
}

/// Reads one request, tells its body, answers `status`.
fn answer(mut stream: impl io::Read + io::Write, status: &str, told: &Sender<String>) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap() {
                let _ = told.send(body.to_owned());
                break;
            }
        }
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "cut: {text}");
        request.extend_from_slice(&chunk[..read]);
    }
    let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
}

fn webhook(port: u16) -> NotifierSettings {
    settings(Channel::Webhook {
        url: format!("http://127.0.0.1:{port}/secret"),
        ca_file: None,
    })
}

fn json_server(status: &'static str) -> (u16, Receiver<String>) {
    let (told, heard) = channel();
    (server(move |stream| answer(stream, status, &told)), heard)
}

async fn until(notify: &Notify, what: impl Fn(&Health) -> bool) -> Health {
    loop {
        let health = notify.standing().next().unwrap().health;
        if what(&health) {
            return health;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_webhook_gets_json() {
    let (port, heard) = json_server("204 No Content");
    block_on(async {
        let mut notify = Notify::start(&[webhook(port)], "mx");
        notify.tell(&ban());
        until(&notify, |health| health.told == 1).await;
        notify.stop().await;
    });
    let body: serde_json::Value = serde_json::from_str(&heard.recv().unwrap()).unwrap();
    assert_eq!(body["schema"], 1);
    assert_eq!(body["host"], "mx");
    assert_eq!(body["messages"][0]["net"], "203.0.113.7/32");
    assert_eq!(body["messages"][0]["topic"], "ban");
}

#[test]
fn a_receiver_that_refuses_is_named() {
    let (port, _heard) = json_server("500 No");
    let health = block_on(async {
        let mut notify = Notify::start(&[webhook(port)], "mx");
        notify.tell(&ban());
        let health = until(&notify, |health| health.failing_since.is_some()).await;
        notify.stop().await;
        health
    });
    assert!(health.last_error.unwrap().contains("500"));
    assert_eq!((health.told, health.lost), (0, 0), "it is tried again");
}

#[test]
fn a_receiver_that_hangs_holds_up_nobody_and_loses_with_a_count() {
    let streams = std::sync::Mutex::new(Vec::new());
    // Accepts, and never answers.
    let port = server(move |stream| streams.lock().unwrap().push(stream));
    block_on(async {
        let (other, heard) = json_server("200 OK");
        let hanging = webhook(port);
        let good = NotifierSettings {
            name: "good".to_owned(),
            limit: 100_000,
            ..webhook(other)
        };
        let mut notify = Notify::start(&[hanging, good], "mx");
        // The task of a notifier has not run yet: what does not fit into its channel is lost, and counted.
        for host in 0..ORDERS_MAX + 7 {
            let mut message = ban();
            message.net = Some(std::net::IpAddr::from((host as u32).to_be_bytes()).into());
            notify.tell(&message);
        }
        let lost: Vec<u64> = notify.standing().map(|one| one.health.lost).collect();
        assert_eq!(lost, [7, 7]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(heard.recv_timeout(Duration::from_secs(20)).is_ok());
        let hanging = notify.standing().next().unwrap().health;
        assert_eq!(hanging.told, 0);
    });
}

#[test]
fn a_command_gets_arguments_environment_and_json_and_no_shell() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("tell");
    let out = dir.path().join("out");
    let text = format!(
        "#!/bin/sh\n{{ printf '%s\\n' \"$#\" \"$@\" \"$MAILWALL_ACCOUNT\"; cat; }} > {}\n",
        out.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let words = [
        script.to_str().unwrap(),
        "{address}",
        "$(reboot)",
        "x{net}",
        "{for_s}",
    ];
    let channel = Channel::Command {
        words: words.map(str::to_owned).to_vec(),
    };
    let results = block_on(async {
        let notify = Notify::start(&[settings(channel)], "mx");
        notify.test(None, &ban()).await
    });
    assert_eq!(results, [("command".to_owned(), Ok(()))]);
    let written = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    let expected = [
        "4",
        "203.0.113.7",
        "$(reboot)",
        "x{net}",
        "600",
        "-rf \"x\"\\x0a$(reboot)",
    ];
    assert_eq!(lines[..6], expected);
    let body: serde_json::Value = serde_json::from_str(lines[6]).unwrap();
    assert_eq!(body["messages"][0]["rule"], "auth");
}

#[test]
fn a_command_that_hangs_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let script = format!("sleep 1000 & echo $! > {}; wait", pids.display());
    let channel = Channel::Command {
        words: ["/bin/sh", "-c", &script].map(str::to_owned).to_vec(),
    };
    let hanging = NotifierSettings {
        timeout: Duration::from_millis(500),
        ..settings(channel)
    };
    let results = block_on(async {
        let notify = Notify::start(&[hanging], "mx");
        notify.test(Some("command"), &ban()).await
    });
    assert!(results[0].1.as_ref().unwrap_err().contains("no answer"));
    let pid = std::fs::read_to_string(&pids).unwrap();
    let stat = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    for _ in 0..1000 {
        // Gone, or not waited for by whoever inherited it.
        match std::fs::read_to_string(&stat) {
            Ok(stat) if !stat.contains(") Z ") => thread::sleep(Duration::from_millis(10)),
            _ => return,
        }
    }
    panic!("{pid} lives");
}

#[test]
fn a_command_that_fails_says_why() {
    let channel = Channel::Command {
        words: ["/bin/sh", "-c", "echo no such list >&2; exit 3"]
            .map(str::to_owned)
            .to_vec(),
    };
    let missing = Channel::Command {
        words: vec!["/nonexistent".to_owned()],
    };
    let missing = NotifierSettings {
        name: "missing".to_owned(),
        ..settings(missing)
    };
    let results = block_on(async {
        let notify = Notify::start(&[settings(channel), missing], "mx");
        notify.test(None, &ban()).await
    });
    let errors: Vec<&str> = results
        .iter()
        .map(|(_, error)| error.as_ref().unwrap_err().as_str())
        .collect();
    assert_eq!(errors[0], "/bin/sh ended with exit status: 3: no such list");
    assert!(
        errors[1].starts_with("cannot run /nonexistent"),
        "{errors:?}"
    );
}

#[test]
fn the_journal_gets_fields_that_no_text_can_forge() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("journal");
    let journal = UnixDatagram::bind(&socket).unwrap();
    let message = Message {
        text: "x\nMAILWALL_NET=192.0.2.1".to_owned(),
        ..ban()
    };
    let results = block_on(async {
        let notify = Notify::start(&[settings(Channel::Journal { socket })], "mx");
        notify.test(None, &message).await
    });
    assert_eq!(results[0].1, Ok(()));
    let mut record = [0; 8192];
    let length = journal.recv(&mut record).unwrap();
    let mut rest = &record[..length];
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let name = rest.split(|byte| *byte == b'\n').next().unwrap();
        let after = &rest[name.len() + 1..];
        let (length, after) = after.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        let value = String::from_utf8(after[..length].to_vec()).unwrap();
        fields.push((String::from_utf8(name.to_vec()).unwrap(), value));
        rest = &after[length + 1..];
    }
    let of = |name: &str| {
        let found = fields.iter().filter(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("MAILWALL_NET"), ["203.0.113.7/32"]);
    assert_eq!(of("MESSAGE"), ["x\nMAILWALL_NET=192.0.2.1"]);
    assert_eq!(of("MAILWALL_RULE"), ["auth"]);
}

#[test]
fn rules_and_topics_choose_what_is_told() {
    let (port, heard) = json_server("200 OK");
    block_on(async {
        let only = NotifierSettings {
            rules: vec!["dictionary".to_owned()],
            on: vec![Topic::Ban],
            ..webhook(port)
        };
        let mut notify = Notify::start(&[only], "mx");
        notify.tell(&ban());
        notify.tell(&Message {
            rule: Some("dictionary".to_owned()),
            topic: Topic::WouldBan,
            ..ban()
        });
        notify.tell(&Message {
            rule: Some("dictionary".to_owned()),
            ..ban()
        });
        notify.stop().await;
    });
    let told: Vec<String> = heard.try_iter().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("dictionary"));
}

#[test]
fn strangers_hear_of_the_second_ban_and_nothing_of_people() {
    let (told, heard) = channel();
    let port = server(move |stream| answer(stream, "200 OK", &told));
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join("key");
    std::fs::write(&key_file, "0123abcd\n").unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let channel = Channel::AbuseIpdb {
        url: format!("http://127.0.0.1:{port}/api/v2/report"),
        key_file,
        ca_file: None,
    };
    let stranger = NotifierSettings {
        on: vec![Topic::Ban],
        min_level: 2,
        ..settings(channel)
    };
    let results = block_on(async {
        let mut notify = Notify::start(&[stranger], "mx.example.org");
        notify.tell(&ban());
        notify.tell(&Message { level: 1, ..ban() });
        notify.tell(&Message { level: 1, ..ban() });
        let results = notify
            .test(
                None,
                &Message {
                    topic: Topic::Test,
                    ..ban()
                },
            )
            .await;
        until(&notify, |health| health.told == 1).await;
        notify.stop().await;
        results
    });
    assert_eq!(results[0].1, Ok(()), "the key is there");
    let bodies: Vec<String> = heard.try_iter().collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(
        bodies[0].starts_with("ip=203.0.113.7&categories="),
        "{bodies:?}"
    );
    assert!(
        !bodies[0].contains("example.org") && !bodies[0].contains("line"),
        "{bodies:?}"
    );
}
