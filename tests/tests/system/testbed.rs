//! The test bed itself, without an agent: what the other tests rely on.

use std::{fs, time::Duration};

use mailwall_tests::{MailServer, Outcome, Testbed, eventually};

#[test]
fn a_mail_server_takes_mail_for_those_who_exist_and_logs_who_asked_for_others() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    for address in [
        "192.0.2.10",
        "203.0.113.7",
        "2001:db8:77::10",
        "2001:db8:100:1::7",
    ] {
        let client = bed.client(address);
        assert_eq!(
            client.send("alice@example.test").unwrap(),
            Outcome::Delivered
        );
        let Outcome::Rejected(reply) = client.send("carol@example.test").unwrap() else {
            panic!("carol does not exist");
        };
        assert!(reply.starts_with("550 5.1.1 "), "{reply}");
        assert_eq!(client.guess(5).unwrap(), 5);
        let rejections = format!("[{address}]: 550 5.1.1 <");
        eventually("six rejections in the log", Duration::from_secs(30), || {
            let text = server.log_text()?;
            let count = text
                .lines()
                .filter(|line| line.contains(&rejections))
                .count();
            Ok((count == 6).then_some(()))
        })
        .unwrap();
    }
}

#[test]
fn a_mail_server_goes_on_in_a_new_file_when_its_log_is_renamed() {
    let bed = Testbed::new().unwrap();
    let server = MailServer::start(&bed).unwrap();
    let client = bed.client("203.0.113.7");
    client.guess(1).unwrap();
    fs::rename(server.log(), bed.dir().join("log/mail.log.1")).unwrap();
    server.reopen_log().unwrap();
    eventually("a line in the new log", Duration::from_secs(60), || {
        client.guess(1)?;
        let text = fs::read_to_string(server.log()).unwrap_or_default();
        Ok(text.contains("550 5.1.1").then_some(()))
    })
    .unwrap();
}

#[test]
fn test_beds_do_not_see_each_other_and_leave_nothing_behind() {
    let first = Testbed::new().unwrap();
    let second = Testbed::new().unwrap();
    let _server = MailServer::start(&first).unwrap();
    assert!(second.client("203.0.113.7").connect(25).is_err(), "refused");
    assert!(first.client("203.0.113.7").connect(25).unwrap().is_some());
    let dirs = [first.dir().to_owned(), second.dir().to_owned()];
    drop(_server);
    drop((first, second));
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    for dir in dirs {
        assert!(!dir.exists());
        assert!(!mounts.contains(&*dir.to_string_lossy()));
    }
}
