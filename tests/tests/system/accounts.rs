//! Accounts whose passwords are stolen or guessed, on real mail servers: the account is told of or held, and nobody is banned for
//! it, least of all the account's own user.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    thread,
    time::Duration,
};

use mailwall_tests::{
    Agent, Client, DOVECOT_2_3, DOVECOT_2_4, EXIM_ASKING, Outcome, Server, Setup, Software,
    Testbed, eventually,
};
use serde_json::Value;

use crate::{config, must, with_server};

/// How long a message may take.
const WITHIN: Duration = Duration::from_secs(60);
/// As many hosts as the botnet of the Exim administrators' report had.
const BOTNET: u8 = 13;
const PASSWORD: &str = "a password of alice";

/// A mail server of that kind, what people are told (in a file), and the agent that follows its log and answers Exim's questions.
/// Nothing, said loudly, when its root could not be made.
fn attacked(
    test: &str,
    software: &Software,
    more: &str,
    run: impl FnOnce(&Testbed, &Server, &Agent<'_>),
) {
    with_server(test, software, |bed, server| {
        let tell = bed.dir().join("tell");
        let script = format!(
            "#!/bin/sh\nprintf '%s %s %s\\n%s\\n' \"$MAILWALL_TOPIC\" \"$MAILWALL_RULE\" \"$MAILWALL_ACCOUNT\" \
             \"$MAILWALL_TEXT\" >> {}\n",
            told_at(bed).display()
        );
        fs::write(&tell, script).unwrap();
        fs::set_permissions(&tell, fs::Permissions::from_mode(0o755)).unwrap();
        let more = format!(
            "{more}\n[filter]\nports = [25, 143]\n\n[policy]\nlisten = \"inet:127.0.0.1:10040\"\n\n\
             [[notify]]\ncommand = [\"{}\"]\n",
            tell.display()
        );
        let config = config(server.log(), "10m", &more);
        let agent = Setup::new(bed, &config).unwrap().start().unwrap();
        run(bed, server, &agent);
    });
}

fn told_at(bed: &Testbed) -> PathBuf {
    bed.dir().join("told")
}

/// How many times people were told by that topic, rule and account.
fn told(bed: &Testbed, head: &str) -> usize {
    let text = fs::read_to_string(told_at(bed)).unwrap_or_default();
    text.lines().filter(|line| *line == head).count()
}

#[track_caller]
fn wait_until_told(bed: &Testbed, head: &str) {
    eventually(head, WITHIN, || Ok((told(bed, head) > 0).then_some(()))).unwrap();
}

/// Waits until `account show` has as much of `field` of `account`.
#[track_caller]
fn wait_for_count(agent: &Agent<'_>, account: &str, field: &str, count: u64) -> Value {
    let what = format!("{field} of {account} to be {count}");
    agent
        .until(&what, &["account", "show", account], |shown| {
            (shown["account"][field] == count).then(|| shown.clone())
        })
        .unwrap()
}

#[track_caller]
fn nobody_is_banned(agent: &Agent<'_>) {
    let list = agent.json(&["ban", "list"]).unwrap();
    assert_eq!(list["total"], 0, "{list}");
}

/// The report of an account has the layout of the seed's: the day with the number of addresses, a line for each, and the last one.
#[track_caller]
fn shows_botnet(agent: &Agent<'_>, account: &str, members: &[String], logins: u32) {
    let shown = agent.cli(&["account", "show", account]).unwrap();
    let lines: Vec<&str> = shown.stdout.lines().collect();
    let title = format!(" -> mailbox {account}: ({})", members.len());
    let at = lines.iter().position(|line| line.ends_with(&title));
    let at = at.unwrap_or_else(|| panic!("{shown:?}"));
    let listed: BTreeSet<&str> = lines[at + 1..=at + members.len()].iter().copied().collect();
    let expected: BTreeSet<String> = members
        .iter()
        .map(|address| format!("  {address} => {logins}"))
        .collect();
    assert!(listed.iter().eq(expected.iter()), "{shown:?}");
    let last = format!(
        "    Last connection from {} at ",
        members.last().map_or("", String::as_str)
    );
    assert!(
        lines[at + 1 + members.len()].starts_with(&last),
        "{shown:?}"
    );
}

fn botnet() -> Vec<String> {
    (1..=BOTNET)
        .map(|number| format!("203.0.113.{}", 100 + number))
        .collect()
}

/// Sends one message as alice to each of `recipients`.
fn submit(client: &Client<'_>, recipients: &[String]) {
    let mut session = client.session().unwrap().unwrap();
    assert!(session.log_in("alice", PASSWORD).unwrap());
    let replies = session.send("alice@example.test", recipients).unwrap();
    assert!(replies.iter().all(|reply| reply.starts_with("250")));
    session.expect("QUIT", 221).unwrap();
}

/// Vector 8: thirteen hosts with a stolen password, one message of each.
#[test]
fn exim_a_botnet_on_one_account_is_told_and_none_of_it_banned() {
    let test = "exim_a_botnet_on_one_account_is_told_and_none_of_it_banned";
    attacked(test, &EXIM_ASKING, "", |bed, _, agent| {
        const TOLD: &str = "notify account-addresses alice";
        let members = botnet();
        let bob = ["bob@example.test".to_owned()];
        for address in &members[..10] {
            submit(&bed.client(address), &bob);
        }
        wait_for_count(agent, "alice", "addresses", 10);
        assert_eq!(told(bed, TOLD), 0, "ten are a traveller");
        for address in &members[10..] {
            submit(&bed.client(address), &bob);
        }
        let shown = wait_for_count(agent, "alice", "addresses", BOTNET.into());
        assert_eq!(shown["account"]["messages"], u64::from(BOTNET), "{shown}");
        assert_eq!(shown["account"]["held"], false, "{shown}");
        wait_until_told(bed, TOLD);
        shows_botnet(agent, "alice", &members, 1);
        nobody_is_banned(agent);
        for address in &members {
            let sent = bed.client(address).send("alice@example.test").unwrap();
            assert_eq!(sent, Outcome::Delivered, "{address}");
        }
        assert_eq!(told(bed, TOLD), 1, "once");
    });
}

/// The mail server that recipients of other domains are at: refuses `nobody...` for good and `later...` for now.
fn remote_server(bed: &Testbed) {
    let listener = bed
        .server()
        .enter(|| Ok(TcpListener::bind("127.0.0.1:2525")?))
        .unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || take_mail(stream));
        }
    });
}

fn take_mail(mut output: TcpStream) -> std::io::Result<()> {
    let input = BufReader::new(output.try_clone()?);
    output.write_all(b"220 mx.remote.test ESMTP\r\n")?;
    let mut is_data = false;
    for line in input.lines() {
        let line = line?;
        let answer = match line.get(..4).unwrap_or_default() {
            _ if is_data && line != "." => continue,
            "DATA" => "354 go on",
            "RCPT" if line.contains("<nobody") => "550 5.1.1 no such user",
            "RCPT" if line.contains("<later") => "450 4.2.1 try again later",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        is_data = line == "DATA";
        output.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}

/// Vector 11: a hundred recipients that do not exist, and what BlockCracking does: later mail of the account is frozen.
#[test]
fn exim_failing_recipients_hold_the_account_once_and_exim_freezes_its_mail() {
    let test = "exim_failing_recipients_hold_the_account_once_and_exim_freezes_its_mail";
    attacked(test, &EXIM_ASKING, "", |bed, server, agent| {
        const HELD: &str = "hold account-wrong-recipients alice";
        remote_server(bed);
        let client = bed.client("198.51.100.20");
        let some = |name: &str, numbers: std::ops::Range<u32>| -> Vec<String> {
            numbers
                .map(|number| format!("{name}{number}@remote.test"))
                .collect()
        };
        let frozen = || {
            let queue = server.run("exim4 -bp").unwrap();
            queue.matches("*** frozen ***").count()
        };
        // Refused for now, until Exim gives up: a hundred are nothing.
        submit(&client, &some("later", 0..100));
        eventually("deferrals in the log", WITHIN, || {
            let log = fs::read_to_string(server.log())?;
            Ok((log.matches("450 4.2.1 try again later").count() >= 100).then_some(()))
        })
        .unwrap();
        submit(&client, &some("nobody", 0..99));
        let shown = wait_for_count(agent, "alice", "bounces", 99);
        assert_eq!(shown["account"]["held"], false, "{shown}");
        assert_eq!((told(bed, HELD), frozen()), (0, 0));
        // The same again is no other one.
        submit(&client, &some("nobody", 0..10));
        let shown = wait_for_count(agent, "alice", "bounces", 109);
        assert_eq!(shown["account"]["held"], false, "{shown}");

        submit(&client, &some("nobody", 99..100));
        let shown = wait_for_count(agent, "alice", "bounces", 110);
        assert_eq!(shown["account"]["held"], true, "{shown}");
        assert_eq!(shown["hold"]["rule"], "account-wrong-recipients");
        assert!(shown["hold"]["ends"].is_null(), "until somebody has looked");
        wait_until_told(bed, HELD);
        submit(&client, &some("nobody", 100..200));
        assert_eq!(frozen(), 1, "kept as evidence");
        submit(&client, &["bob@example.test".to_owned()]);
        assert_eq!(frozen(), 2);
        // Others send as ever, from the same address, too.
        let sent = client.send("bob@example.test").unwrap();
        assert_eq!(sent, Outcome::Delivered);
        must(agent, &["account", "release", "alice"]);
        submit(&client, &["bob@example.test".to_owned()]);
        assert_eq!(frozen(), 2);
        assert_eq!(told(bed, HELD), 1, "once");
        nobody_is_banned(agent);
    });
}

/// Logs in to the mailbox of alice, once.
fn read_mail(client: &Client<'_>, password: &str) -> bool {
    let mut session = client.imap().unwrap().expect("a SYN that is answered");
    let is_right = session.log_in("alice", password).unwrap();
    let goodbye = session.command("LOGOUT").unwrap();
    assert!(goodbye.starts_with("OK"), "{goodbye}");
    is_right
}

#[track_caller]
fn dovecot_botnet(test: &str, software: &Software) {
    attacked(test, software, "", |bed, _, agent| {
        const TOLD: &str = "notify account-addresses alice";
        let members = botnet();
        for _ in 0..2 {
            for address in &members[..10] {
                assert!(read_mail(&bed.client(address), PASSWORD));
            }
        }
        wait_for_count(agent, "alice", "logins", 20);
        assert_eq!(told(bed, TOLD), 0, "ten are a traveller");
        for _ in 0..2 {
            for address in &members[10..] {
                assert!(read_mail(&bed.client(address), PASSWORD));
            }
        }
        wait_for_count(agent, "alice", "logins", 26);
        wait_until_told(bed, TOLD);
        shows_botnet(agent, "alice", &members, 2);
        nobody_is_banned(agent);
        assert_eq!(told(bed, TOLD), 1, "once");
    });
}

/// Hosts of many networks guess alice's password, few times each, while she reads her mail: whoever is banned, she is not; and a
/// single one that guesses all the time is.
#[track_caller]
fn dovecot_guesses(test: &str, software: &Software) {
    const RULES: &str = "[[rule]]\nname = \"account-guessed\"\ncount = [\"auth-failure\"]\nper = \"account\"\n\
        distinct = \"address\"\nlimit = 20\nwindow = \"1h\"\nthen = { notify = true }\n\n\
        [[rule]]\nname = \"guesser\"\ncount = [\"auth-failure\"]\nper = \"address\"\nlimit = 12\nwindow = \"1h\"\n\
        bad_share = 80\n";
    attacked(test, software, RULES, |bed, _, agent| {
        const TOLD: &str = "notify account-guessed alice";
        let owner = bed.client("198.51.100.20");
        assert!(read_mail(&owner, PASSWORD));
        for number in 0..30 {
            let attacker = bed.client(&format!("2001:db8:{:x}:{number:x}::7", 0x100 + number));
            for guess in 0..3 {
                assert!(!read_mail(&attacker, &format!("guess {guess}")));
            }
            if number % 10 == 0 {
                // She mistypes, too.
                assert!(!read_mail(&owner, "mistyped"));
                assert!(read_mail(&owner, PASSWORD));
            }
        }
        wait_for_count(agent, "alice", "failures", 93);
        wait_until_told(bed, TOLD);
        nobody_is_banned(agent);
        // She is at it from her phone, with the old password, all day, and from her desk with the right one.
        for _ in 0..20 {
            assert!(!read_mail(&owner, "old password"));
            assert!(read_mail(&owner, PASSWORD));
        }
        wait_for_count(agent, "alice", "failures", 113);
        nobody_is_banned(agent);
        let guesser = bed.client("203.0.113.7");
        for guess in 0..12 {
            assert!(!read_mail(&guesser, &format!("guess {guess}")));
        }
        crate::wait_for_ban(agent, "203.0.113.7/32");
        assert!(guesser.imap().unwrap().is_none());
        assert!(read_mail(&owner, PASSWORD));
        assert_eq!(agent.json(&["ban", "list"]).unwrap()["total"], 1);
        assert_eq!(told(bed, TOLD), 1, "once");
    });
}

#[test]
fn dovecot_2_3_a_botnet_on_one_account_is_told_and_none_of_it_banned() {
    dovecot_botnet(
        "dovecot_2_3_a_botnet_on_one_account_is_told_and_none_of_it_banned",
        &DOVECOT_2_3,
    );
}

#[test]
fn dovecot_2_4_a_botnet_on_one_account_is_told_and_none_of_it_banned() {
    dovecot_botnet(
        "dovecot_2_4_a_botnet_on_one_account_is_told_and_none_of_it_banned",
        &DOVECOT_2_4,
    );
}

#[test]
fn dovecot_2_3_guesses_at_an_account_never_ban_its_own_user() {
    dovecot_guesses(
        "dovecot_2_3_guesses_at_an_account_never_ban_its_own_user",
        &DOVECOT_2_3,
    );
}

#[test]
fn dovecot_2_4_guesses_at_an_account_never_ban_its_own_user() {
    dovecot_guesses(
        "dovecot_2_4_guesses_at_an_account_never_ban_its_own_user",
        &DOVECOT_2_4,
    );
}
