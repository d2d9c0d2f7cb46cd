//! Live sessions end: of an address, of an account, and of nobody else.

use std::{fs, path::Path};

use mailwall_tests::{
    Agent, DOVECOT_2_3, DOVECOT_2_4, EXIM_ASKING, ImapSession, POSTFIX_ASKING, Server, Session,
    Setup, Software, Testbed,
};
use serde_json::Value;

use crate::{config, wait_for_ban, with_server};

/// The address that several people share.
const OFFICE: &str = "203.0.113.7";
const ELSEWHERE: &str = "198.51.100.20";
/// Postfix asks in vain for a while, where nobody answers.
const POLICY: &str = "[policy]\nlisten = \"inet:127.0.0.1:10040\"\n";
const GUARDED: &str = "[filter]\nports = [25, 143, 587]\n";

fn guard<'a>(bed: &'a Testbed, server: &Server, more: &str) -> Setup<'a> {
    let config = config(server.log(), "10m", &format!("{GUARDED}\n{more}"));
    Setup::new(bed, &config).unwrap()
}

/// Waits until the agent knows of as many connections that an account is logged in on.
#[track_caller]
fn wait_for_sessions(agent: &Agent<'_>, account: &str, count: usize) {
    let what = format!("{count} sessions of {account}");
    agent
        .until(&what, &["account", "show", account], |shown| {
            (shown["sessions"].as_array()?.len() == count).then_some(())
        })
        .unwrap();
}

/// Kicks, and gives what is said of it.
#[track_caller]
fn kick(agent: &Agent<'_>, words: &[&str]) -> Value {
    let done = agent.json(&[&["kick"], words].concat()).unwrap();
    assert_eq!(done["problems"], Value::Array(Vec::new()), "{done}");
    done
}

fn read_mail(bed: &Testbed, address: &str, account: &str) -> ImapSession {
    let mut session = bed.client(address).imap().unwrap().unwrap();
    let password = format!("a password of {account}");
    assert!(session.log_in(account, &password).unwrap());
    session
}

fn reads_on(session: &mut ImapSession) -> bool {
    session
        .command("NOOP")
        .is_ok_and(|answer| answer.starts_with("OK"))
}

/// Logs in at `port` and sends a message, as what mail programs tell of logins goes with messages; the session stays.
fn submit(bed: &Testbed, address: &str, port: u16, account: &str) -> Session {
    let mut session = bed.client(address).session_at(port).unwrap().unwrap();
    let password = format!("a password of {account}");
    assert!(session.log_in(account, &password).unwrap());
    send(&mut session);
    session
}

fn send(session: &mut Session) {
    let to = ["bob@example.test".to_owned()];
    let replies = session.send("writer@example.test", &to).unwrap();
    assert!(replies[0].starts_with("250"), "{replies:?}");
}

fn goes_on(session: &mut Session) -> bool {
    session.expect("NOOP", 250).is_ok()
}

/// Vector 10: of several people behind one address only those sessions end that the account is logged in on, and all of them.
#[track_caller]
fn imap_is_cut(test: &str, software: &Software) {
    with_server(test, software, |bed, server| {
        // Without Dovecot's own tool: the kernel does it alone.
        let agent = guard(bed, server, "").start().unwrap();
        let mut alices = [
            read_mail(bed, OFFICE, "alice"),
            read_mail(bed, OFFICE, "alice"),
            read_mail(bed, ELSEWHERE, "alice"),
        ];
        let mut bob = read_mail(bed, OFFICE, "bob");
        wait_for_sessions(&agent, "alice", 3);
        wait_for_sessions(&agent, "bob", 1);
        assert!(alices.iter_mut().all(reads_on) && reads_on(&mut bob));

        assert_eq!(kick(&agent, &["alice"])["connections"], 3);
        assert!(!alices.iter_mut().any(reads_on));
        assert!(reads_on(&mut bob));
        let again = agent.cli(&["kick", "alice"]).unwrap();
        assert_eq!(again.code, Some(5), "there is nothing left: {again:?}");

        // It is no ban.
        let mut elsewhere = read_mail(bed, ELSEWHERE, "alice");
        let mut here = read_mail(bed, OFFICE, "alice");
        assert_eq!(kick(&agent, &[OFFICE])["connections"], 2);
        assert!(!reads_on(&mut bob) && !reads_on(&mut here));
        assert!(reads_on(&mut elsewhere));
        assert_eq!(kick(&agent, &["198.51.100.0/24"])["connections"], 1);
        assert!(!reads_on(&mut elsewhere));
    });
}

#[test]
fn dovecot_2_3_sessions_of_an_account_are_cut_and_its_neighbours_read_on() {
    imap_is_cut(
        "dovecot_2_3_sessions_of_an_account_are_cut_and_its_neighbours_read_on",
        &DOVECOT_2_3,
    );
}

#[test]
fn dovecot_2_4_sessions_of_an_account_are_cut_and_its_neighbours_read_on() {
    imap_is_cut(
        "dovecot_2_4_sessions_of_an_account_are_cut_and_its_neighbours_read_on",
        &DOVECOT_2_4,
    );
}

/// Sessions that began before the agent: it knows none of their ports, but Dovecot does.
#[track_caller]
fn doveadm_is_asked(test: &str, software: &Software) {
    with_server(test, software, |bed, server| {
        let mut alice = read_mail(bed, OFFICE, "alice");
        let mut bob = read_mail(bed, OFFICE, "bob");
        assert!(reads_on(&mut alice) && reads_on(&mut bob));
        let programs = bed.dir().join("programs");
        fs::create_dir(&programs).unwrap();
        server
            .wrap("/usr/bin/doveadm", &programs.join("doveadm"))
            .unwrap();
        let setup = guard(bed, server, "").with_programs(Path::new(&programs));
        let agent = setup.start().unwrap();
        let done = kick(&agent, &["alice"]);
        assert_eq!(
            (&done["connections"], &done["dovecot"]),
            (&0.into(), &true.into())
        );
        assert!(!reads_on(&mut alice));
        assert!(reads_on(&mut bob));
        // Nobody is everybody.
        let done = agent.cli(&["kick", "--account", "*"]).unwrap();
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(reads_on(&mut bob));
        let done = kick(&agent, &["carol"]);
        assert_eq!(done["connections"], 0, "{done}");
        assert!(reads_on(&mut bob));
    });
}

#[test]
fn dovecot_2_3_ends_itself_what_the_agent_does_not_know_of() {
    doveadm_is_asked(
        "dovecot_2_3_ends_itself_what_the_agent_does_not_know_of",
        &DOVECOT_2_3,
    );
}

#[test]
fn dovecot_2_4_ends_itself_what_the_agent_does_not_know_of() {
    doveadm_is_asked(
        "dovecot_2_4_ends_itself_what_the_agent_does_not_know_of",
        &DOVECOT_2_4,
    );
}

/// The same over SMTP, at two ports; the log has names of accounts with `domain`.
#[track_caller]
fn smtp_is_cut(test: &str, software: &Software, ports: [u16; 2], domain: &str) {
    with_server(test, software, |bed, server| {
        let agent = guard(bed, server, POLICY).start().unwrap();
        let [alice, bobs] = ["alice", "bob"].map(|name| format!("{name}{domain}"));
        let mut alices = [
            submit(bed, OFFICE, ports[0], "alice"),
            submit(bed, ELSEWHERE, ports[1], "alice"),
        ];
        let mut bob = submit(bed, OFFICE, ports[1], "bob");
        let mut stranger = bed.client(OFFICE).session().unwrap().unwrap();
        wait_for_sessions(&agent, &alice, 2);
        wait_for_sessions(&agent, &bobs, 1);
        assert!(alices.iter_mut().all(goes_on) && goes_on(&mut bob));
        assert_eq!(kick(&agent, &[&alice])["connections"], 2);
        assert!(!alices.iter_mut().any(goes_on));
        assert!(goes_on(&mut bob) && goes_on(&mut stranger));
        let mut elsewhere = submit(bed, ELSEWHERE, ports[0], "alice");
        assert_eq!(kick(&agent, &[OFFICE])["connections"], 2);
        assert!(!goes_on(&mut bob) && !goes_on(&mut stranger));
        assert!(goes_on(&mut elsewhere));
    });
}

#[test]
fn exim_sessions_of_an_account_are_cut_and_its_neighbours_go_on() {
    let test = "exim_sessions_of_an_account_are_cut_and_its_neighbours_go_on";
    smtp_is_cut(test, &EXIM_ASKING, [25, 25], "");
}

#[test]
fn postfix_sessions_of_an_account_are_cut_and_its_neighbours_go_on() {
    let test = "postfix_sessions_of_an_account_are_cut_and_its_neighbours_go_on";
    smtp_is_cut(test, &POSTFIX_ASKING, [25, 587], "@example.test");
}

/// Rule 2b of the Exim administrators: so many messages on one connection are a program's.
const MANY_MESSAGES: &str = "[[rule]]\nname = \"per-connection\"\ncount = [\"mail-accepted\"]\nper = \"account-session\"\n\
    limit = 3\nthen = { kick = true, notify = true }\n";

#[test]
fn exim_a_rule_ends_the_sessions_of_an_account_and_no_others() {
    let test = "exim_a_rule_ends_the_sessions_of_an_account_and_no_others";
    with_server(test, &EXIM_ASKING, |bed, server| {
        let agent = guard(bed, server, MANY_MESSAGES).start().unwrap();
        let mut robot = submit(bed, OFFICE, 25, "alice");
        let mut idle = submit(bed, ELSEWHERE, 25, "alice");
        let mut bob = submit(bed, OFFICE, 25, "bob");
        wait_for_sessions(&agent, "alice", 2);
        send(&mut bob);
        send(&mut robot);
        assert!(goes_on(&mut robot) && goes_on(&mut idle));
        send(&mut robot);
        wait_until_kicked(&agent, "alice", 2);
        assert!(!goes_on(&mut robot) && !goes_on(&mut idle));
        assert!(goes_on(&mut bob));
        assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 0);
    });
}

/// The log of the agent tells when a kick that nobody waits for is over.
#[track_caller]
fn wait_until_kicked(agent: &Agent<'_>, whom: &str, connections: usize) {
    let line = format!("kicked whom=\"{whom}\" connections={connections} ");
    mailwall_tests::eventually(&line, std::time::Duration::from_secs(60), || {
        Ok(agent.setup().said().contains(&line).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error:#}\n{}", agent.setup().said()));
}

const KICKED_OUT: &str = "[[rule]]\nname = \"guesser\"\ncount = [\"unknown-recipient\"]\nper = \"address\"\nlimit = 4\n\
    window = \"10m\"\nthen = { ban = \"10m\", kick = true }\n";

#[test]
fn exim_a_rule_that_bans_ends_what_is_open_too() {
    let test = "exim_a_rule_that_bans_ends_what_is_open_too";
    with_server(test, &EXIM_ASKING, |bed, server| {
        let agent = guard(bed, server, KICKED_OUT).start().unwrap();
        let mut idle = bed.client(OFFICE).session().unwrap().unwrap();
        let mut neighbour = bed.client("203.0.113.8").session().unwrap().unwrap();
        let mut guesser = bed.client(OFFICE).session().unwrap().unwrap();
        guesser.expect("MAIL FROM:<a@sender.test>", 250).unwrap();
        for guess in 0..4 {
            guesser
                .expect(&format!("RCPT TO:<nobody{guess}@example.test>"), 550)
                .unwrap();
        }
        wait_for_ban(&agent, "203.0.113.7/32");
        wait_until_kicked(&agent, "203.0.113.7/32", 2);
        assert!(!goes_on(&mut guesser) && !goes_on(&mut idle));
        assert!(goes_on(&mut neighbour));
        assert!(bed.client(OFFICE).session().unwrap().is_none());
    });
}
