//! Real mail servers of every kind, whose live logs the agent follows: who misbehaves is shut out, who does not is let in.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use mailwall_tests::{
    Agent, Client, DOVECOT_2_3, DOVECOT_2_4, EXIM, OPENSMTPD, Outcome, SENDMAIL, Setup, Software,
    Testbed,
};

use crate::{MANY, config, wait_for_ban, with_server};

/// How long a client waits for a reply.
const REPLY_WITHIN: Duration = Duration::from_secs(60);

/// A mail server of that kind, and the agent that follows its log, guarding the ports of mail and of mailboxes. Nothing, said
/// loudly, when its root could not be made.
fn follow(test: &str, software: &Software, run: impl FnOnce(&Testbed, &Agent<'_>)) {
    with_server(test, software, |bed, server| {
        let ports = "[filter]\nports = [25, 110, 143, 465, 587]\n";
        let config = config(server.log(), "10m", ports);
        let agent = Setup::new(bed, &config).unwrap().start().unwrap();
        run(bed, &agent);
    });
}

/// Misbehaves from `address`, again and again, until the mail host answers no more, which is because of a ban; `once` tells
/// whether it was answered.
#[track_caller]
fn shut_out(
    bed: &Testbed,
    agent: &Agent<'_>,
    address: &str,
    once: impl Fn(&Client<'_>, usize) -> bool,
) {
    let client = bed.client(address);
    let answered = (0..MANY)
        .take_while(|number| once(&client, *number))
        .count();
    assert!(answered < MANY, "{address} went on and on");
    wait_for_ban(agent, &format!("{address}/32"));
}

#[track_caller]
fn only_banned(agent: &Agent<'_>, bans: usize) {
    let list = agent.json(&["ban", "list"]).unwrap();
    assert_eq!(list["total"], bans, "{list}");
}

fn guesses_recipients(client: &Client<'_>, _number: usize) -> bool {
    client.guess(1).unwrap() == 1
}

fn guesses_passwords(client: &Client<'_>, number: usize) -> bool {
    let answer = client.log_in(&format!("user{number}"), "123456").unwrap();
    assert_ne!(answer, Some(true));
    answer.is_some()
}

fn tries_to_relay(client: &Client<'_>, number: usize) -> bool {
    let outcome = client
        .send(&format!("victim{number}@elsewhere.invalid"))
        .unwrap();
    assert_ne!(outcome, Outcome::Delivered);
    outcome != Outcome::Dropped
}

/// Speaks before it is greeted, in a language that is not SMTP.
fn talks_early(client: &Client<'_>, _number: usize) -> bool {
    let Some(mut stream) = client.connect(25).unwrap() else {
        return false;
    };
    stream.set_read_timeout(Some(REPLY_WITHIN)).unwrap();
    // The server may close the connection in the middle of it.
    let _said = stream.write_all(b"GET / HTTP/1.1\r\nHost: mx.example.test\r\n\r\nQUIT\r\n");
    let _answered = stream.read_to_end(&mut Vec::new());
    true
}

/// Sends mail, mistypes a recipient, and a password where logins are offered.
#[track_caller]
fn behave(client: &Client<'_>, has_logins: bool) {
    assert_eq!(
        client.send("alice@example.test").unwrap(),
        Outcome::Delivered
    );
    let mistyped = client.send("alise@example.test").unwrap();
    assert!(matches!(mistyped, Outcome::Rejected(_)), "{mistyped:?}");
    if has_logins {
        assert_eq!(client.log_in("bob", "mistyped").unwrap(), Some(false));
        let right = client.log_in("bob", "a password of bob").unwrap();
        assert_eq!(right, Some(true));
    }
    assert_eq!(client.send("bob@example.test").unwrap(), Outcome::Delivered);
}

/// Logs in to a mailbox over IMAP; `None` when no SYN was answered.
fn read_mail(client: &Client<'_>, account: &str, password: &str) -> Option<bool> {
    let mut session = client.imap().unwrap()?;
    let is_right = session.log_in(account, password).unwrap();
    let goodbye = session.command("LOGOUT").unwrap();
    assert!(goodbye.starts_with("OK"), "{goodbye}");
    Some(is_right)
}

fn guesses_mailboxes(client: &Client<'_>, number: usize) -> bool {
    let answer = read_mail(client, &format!("user{number}"), "123456");
    assert_ne!(answer, Some(true));
    answer.is_some()
}

#[track_caller]
fn dovecot(test: &str, software: &Software) {
    follow(test, software, |bed, agent| {
        let owner = bed.client("198.51.100.20");
        let logs_in = |password| read_mail(&owner, "alice", password).unwrap();
        assert!(!logs_in("mistyped"));
        assert!(logs_in("a password of alice"));
        shut_out(bed, agent, "203.0.113.7", guesses_mailboxes);
        assert!(logs_in("a password of alice"));
        only_banned(agent, 1);
    });
}

/// A server that takes mail, with logins from the start.
#[track_caller]
fn takes_mail(test: &str, software: &Software) {
    follow(test, software, |bed, agent| {
        let good = bed.client("192.0.2.10");
        behave(&good, true);
        shut_out(bed, agent, "203.0.113.7", guesses_recipients);
        shut_out(bed, agent, "203.0.113.8", guesses_passwords);
        shut_out(bed, agent, "203.0.113.9", tries_to_relay);
        shut_out(bed, agent, "203.0.113.10", talks_early);
        behave(&good, true);
        only_banned(agent, 4);
    });
}

#[test]
fn exim_is_guarded() {
    takes_mail("exim_is_guarded", &EXIM);
}

#[test]
fn sendmail_is_guarded() {
    takes_mail("sendmail_is_guarded", &SENDMAIL);
}

#[test]
fn opensmtpd_is_guarded() {
    follow("opensmtpd_is_guarded", &OPENSMTPD, |bed, agent| {
        let good = bed.client("192.0.2.10");
        behave(&good, false);
        shut_out(bed, agent, "203.0.113.7", guesses_recipients);
        shut_out(bed, agent, "203.0.113.9", tries_to_relay);
        shut_out(bed, agent, "203.0.113.10", talks_early);
        behave(&good, false);
        only_banned(agent, 3);
    });
}

#[test]
fn dovecot_2_3_is_guarded() {
    dovecot("dovecot_2_3_is_guarded", &DOVECOT_2_3);
}

#[test]
fn dovecot_2_4_is_guarded() {
    dovecot("dovecot_2_4_is_guarded", &DOVECOT_2_4);
}
