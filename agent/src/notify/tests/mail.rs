//! What a mail server gets: complaints in the form that programs read.

use std::io::{BufRead as _, BufReader, Write as _};

use super::*;

/// A mail server that takes everything: one text a message, with the envelope before it.
fn sink() -> (u16, Receiver<String>) {
    let (told, heard) = channel();
    let port = server(move |stream| {
        let mut out = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let mut say = |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        say("220 sink.example.org ESMTP");
        while let Some(line) = lines.next() {
            match line
                .split([' ', ':'])
                .next()
                .unwrap()
                .to_ascii_uppercase()
                .as_str()
            {
                "DATA" => {
                    say("354 go on");
                    for line in lines.by_ref().take_while(|line| line != ".") {
                        text += &line;
                        text.push('\n');
                    }
                    let _ = told.send(std::mem::take(&mut text));
                    say("250 taken");
                }
                "QUIT" => {
                    say("221 bye");
                    return;
                }
                "MAIL" | "RCPT" => {
                    text += &format!("{line}\n");
                    say("250 so be it");
                }
                _ => say("250 sink.example.org"),
            }
        }
    });
    (port, heard)
}

/// X-ARF 0.2: `X-XARF: PLAIN`, words for people, and a second part with fields, each once.
#[test]
fn a_complaint_has_the_form_of_x_arf() {
    let (port, heard) = sink();
    let channel = Channel::XArf {
        to: "abuse@example.net".to_owned(),
        from: Some("postmaster@example.org".to_owned()),
        server: MailServer::Smtp("127.0.0.1".to_owned(), port),
    };
    let complaint = Message {
        kinds: vec!["auth-failure".to_owned()],
        kind: Some("auth-failure"),
        service: Some("imap"),
        offences: 12,
        level: 1,
        ..ban()
    };
    block_on(async {
        let mut notify = Notify::start(&[settings(channel)], "mx.example.org");
        notify.tell(&complaint);
        until(&notify, |health| health.told == 1).await;
        notify.stop().await;
    });
    let mail = heard.recv_timeout(Duration::from_secs(20)).unwrap();
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert!(
        head.starts_with("MAIL FROM:<postmaster@example.org>")
            && head.contains("\nRCPT TO:<abuse@example.net>\n"),
        "{mail}"
    );
    let header = |name: &str| {
        let found: Vec<&str> = head
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name}: ")))
            .collect();
        assert_eq!(found.len(), 1, "{name}: {mail}");
        found[0].to_owned()
    };
    assert_eq!(header("X-XARF"), "PLAIN");
    assert_eq!(header("To"), "abuse@example.net");
    assert!(header("Subject").starts_with("abuse report about 203.0.113.7 - "));
    assert!(
        header("Content-Type").starts_with("multipart/mixed;"),
        "{mail}"
    );
    let unfolded = head.replace("\n ", " ");
    let boundary = unfolded.split("boundary=\"").nth(1).unwrap();
    let boundary = boundary.split('"').next().unwrap();
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    // Before the first, two parts, and the end.
    assert_eq!(parts.len(), 4, "{mail}");
    assert!(parts[1].contains("Content-Type: text/plain"), "{mail}");
    assert!(parts[1].contains("12 offences (auth-failure)"), "{mail}");
    assert!(parts[3].starts_with("--"), "{mail}");
    let (part_head, report) = parts[2].split_once("\n\n").unwrap();
    assert!(
        part_head.contains("Content-Type: text/plain")
            && part_head.contains("filename=\"report.txt\""),
        "{mail}"
    );
    let fields: Vec<(&str, &str)> = report
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "Reported-From",
            "Category",
            "Report-ID",
            "Report-Type",
            "Service",
            "Version",
            "User-Agent",
            "Date",
            "Source-Type",
            "Source",
            "Port",
            "Schema-URL",
            "Attachment"
        ]
    );
    let of = |name: &str| fields.iter().find(|(field, _)| *field == name).unwrap().1;
    assert_eq!(of("Reported-From"), "postmaster@example.org");
    assert_eq!(of("Category"), "abuse");
    assert_eq!(of("Report-Type"), "login-attack");
    assert_eq!((of("Service"), of("Port")), ("imap", "143"));
    assert_eq!(of("Source-Type"), "ip-address");
    assert_eq!(of("Source"), "203.0.113.7");
    assert_eq!(of("Version"), "0.2");
    assert!(of("User-Agent").starts_with("mailwall "));
    // Nothing that a client wrote goes to strangers.
    assert!(
        !mail.contains("reboot") && !mail.contains("a line"),
        "{mail}"
    );
}
