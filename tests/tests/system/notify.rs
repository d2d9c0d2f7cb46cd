//! People are told: by real receivers, and without anybody waiting for those that hang.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use mailwall_tests::{MailServer, Setup, Testbed, eventually, rejection};

use crate::{config, must, provoke, quiet_agent};

/// How long a message may take.
const WITHIN: Duration = Duration::from_secs(60);

/// A receiver on the mail host; `serve` gets each connection. Its port.
fn receiver(bed: &Testbed, serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = bed
        .server()
        .enter(|| Ok(TcpListener::bind("127.0.0.1:0")?))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream);
        }
    });
    port
}

/// Takes one message by SMTP, and tells it.
fn take_mail(stream: TcpStream, told: &Sender<String>) -> std::io::Result<()> {
    let mut output = stream.try_clone()?;
    output.write_all(b"220 mx.example.test ESMTP\r\n")?;
    let mut mail = String::new();
    let mut is_data = false;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if is_data {
            if line == "." {
                is_data = false;
                output.write_all(b"250 2.0.0 Ok: queued\r\n")?;
                let _ = told.send(std::mem::take(&mut mail));
            } else {
                mail.push_str(&line);
                mail.push('\n');
            }
            continue;
        }
        match line.get(..4).unwrap_or_default() {
            "DATA" => {
                is_data = true;
                output.write_all(b"354 Go on\r\n")?;
            }
            "QUIT" => return output.write_all(b"221 2.0.0 Bye\r\n"),
            _ => output.write_all(b"250 2.0.0 Ok\r\n")?,
        }
    }
    Ok(())
}

/// Takes one HTTP request, and tells its body.
fn take_post(mut stream: TcpStream, told: &Sender<String>) -> std::io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    let _ = told.send(String::from_utf8(body).unwrap());
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
}

fn mail_receiver(bed: &Testbed) -> (u16, Receiver<String>) {
    let (told, heard) = channel();
    let serve = move |stream| {
        let _ = take_mail(stream, &told);
    };
    (receiver(bed, serve), heard)
}

fn post_receiver(bed: &Testbed) -> (u16, Receiver<String>) {
    let (told, heard) = channel();
    let serve = move |stream| {
        let _ = take_post(stream, &told);
    };
    (receiver(bed, serve), heard)
}

#[test]
fn a_ban_is_told_to_a_mail_server_a_webhook_and_a_command_once() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let (smtp, mails) = mail_receiver(&bed);
    let (http, posts) = post_receiver(&bed);
    let script = bed.dir().join("tell");
    let out = bed.dir().join("told");
    let text = format!(
        "#!/bin/sh\necho \"$1 $MAILWALL_TOPIC\" >> {}\n",
        out.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let notify = format!(
        "[[notify]]\nemail = \"postmaster@example.test\"\nserver = \"127.0.0.1:{smtp}\"\n\n\
         [[notify]]\nwebhook = \"http://127.0.0.1:{http}/hook\"\n\n\
         [[notify]]\ncommand = [\"{}\", \"{{address}}\"]\n",
        script.display()
    );
    let config = config(server.log(), "10m", &notify);
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    must(&agent, &["notify", "test"]);
    let mail = mails.recv_timeout(WITHIN).unwrap();
    assert!(mail.contains("a test of this notifier"), "{mail}");
    assert!(posts.recv_timeout(WITHIN).unwrap().contains("\"test\""));

    provoke(&bed, &agent, "203.0.113.7", "203.0.113.7/32");
    let mail = mails.recv_timeout(WITHIN).unwrap();
    let (head, _) = mail.split_once("\n\n").unwrap();
    assert!(head.contains("banned 203.0.113.7 for"), "{mail}");
    assert!(head.contains("To: postmaster@example.test"), "{mail}");
    let post: serde_json::Value =
        serde_json::from_str(&posts.recv_timeout(WITHIN).unwrap()).unwrap();
    assert_eq!(post["messages"][0]["net"], "203.0.113.7/32");
    eventually("the command", WITHIN, || {
        let told = fs::read_to_string(&out).unwrap_or_default();
        Ok((told.ends_with("203.0.113.7 ban\n")).then_some(()))
    })
    .unwrap();

    // The ban is there after a restart, but that is no news.
    let agent = agent.restart().unwrap();
    assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 1);
    must(&agent, &["notify", "test"]);
    let mail = mails.recv_timeout(WITHIN).unwrap();
    assert!(mail.contains("a test of this notifier"), "{mail}");
    let told = fs::read_to_string(&out).unwrap();
    assert_eq!(told.matches("ban\n").count(), 1, "{told}");
}

#[test]
fn a_receiver_that_never_answers_delays_no_ban_and_is_named() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let (hold, held) = channel();
    let hanging = receiver(&bed, move |stream| {
        let _ = hold.send(stream);
    });
    let notify = format!(
        "[[notify]]\nemail = \"postmaster@example.test\"\nserver = \"127.0.0.1:{hanging}\"\ntimeout = \"1s\"\n\n\
         [[notify]]\nwebhook = \"http://127.0.0.1:{hanging}/hook\"\ntimeout = \"1s\"\n\n\
         [[notify]]\ncommand = [\"/bin/sleep\", \"1000\"]\ntimeout = \"1s\"\n"
    );
    let config = config(server.log(), "10m", &notify);
    let agent = Setup::new(&bed, &config).unwrap().start().unwrap();
    for host in 7..17 {
        let address = format!("203.0.113.{host}");
        provoke(&bed, &agent, &address, &format!("{address}/32"));
    }
    let problems = agent
        .until("three problems", &["status"], |status| {
            let problems = status["problems"].as_array()?;
            let told = problems.iter().filter_map(|problem| problem.as_str());
            let told: Vec<&str> = told.filter(|text| text.starts_with("notifier ")).collect();
            (told.len() == 3).then(|| told.join("\n"))
        })
        .unwrap();
    assert!(problems.contains("no answer within 1 s"), "{problems}");
    let answer = agent.cli(&["notify", "test", "email"]).unwrap();
    assert_eq!(answer.code, Some(1), "{answer:?}");
    // It ends all the same, and soon enough for an init system.
    let (status, _setup) = agent.stop().unwrap();
    assert!(status.success());
    assert!(held.try_iter().count() > 0);
}

#[test]
fn a_report_adds_up_networks_over_a_restart_and_leaves_bounces_out() {
    let bed = Testbed::new().unwrap();
    let agent = quiet_agent(&bed, "[filter]\nmode = \"observe\"\n");
    let log = bed.dir().join("mail.log");
    let append = |address: &str, sender: &str, count: usize| {
        let line = rejection(address.parse().unwrap(), 77, "x@example.test");
        let line = line.replace("<harvest@sender.test>", &format!("<{sender}>")) + "\n";
        let mut file = fs::File::options().append(true).open(&log).unwrap();
        file.write_all(line.repeat(count).as_bytes()).unwrap();
    };
    append("216.170.16.1", "a@sender.test", 3);
    append("216.170.16.2", "a@sender.test", 2);
    append("198.51.100.9", "a@sender.test", 4);
    append("203.0.113.9", "", 50);
    let words = [
        "report", "--since", "2d", "--by", "network", "--limit", "500",
    ];
    let top = |report: &serde_json::Value| {
        let offenders = report["top"][0]["offenders"].as_array()?;
        let shown = offenders
            .iter()
            .map(|one| (one["who"].clone(), one["offences"].clone()));
        let shown: Vec<_> = shown.collect();
        (report["offences"].as_u64()? >= 9).then_some(shown)
    };
    let before = agent.until("offences in the report", &words, top).unwrap();
    let expected = [("216.170.16.0/24", 5), ("198.51.100.0/24", 4)];
    let expected = expected.map(|(who, count)| (who.into(), count.into()));
    assert_eq!(before, expected, "bounces are no offences");
    let agent = agent.restart().unwrap();
    let after = agent.until("offences in the report", &words, top).unwrap();
    assert_eq!(after, before);

    let plain = agent.cli(&[&words[..], &["--plain"]].concat()).unwrap();
    let nets: Vec<&str> = plain
        .stdout
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect();
    assert_eq!(nets, ["216.170.16.0/24", "198.51.100.0/24"]);
    let text = agent.cli(&["report"]).unwrap();
    assert!(text.stdout.contains("216.170.16.0/24"), "{text:?}");
    let page = agent.cli(&["report", "--format", "html"]).unwrap();
    assert!(page.stdout.starts_with("<!DOCTYPE html>"), "{page:?}");
}
