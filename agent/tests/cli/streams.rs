//! What goes on until the reader has had enough.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
};

use expect_test::{Expect, expect};
use mailwall::control::protocol::{Answer, Refused, Request};

use crate::{
    agent::{Agent, command},
    answers,
};

fn events() -> Vec<Answer> {
    answers::events().into_iter().map(Answer::Event).collect()
}

#[track_caller]
fn check(words: &str, expected: Expect) {
    let agent = Agent::new(|_| events());
    let outcome = agent.run(&words.split(' ').collect::<Vec<_>>());
    expected.assert_eq(&outcome.to_string());
}

#[test]
fn events_are_followed_until_the_agent_goes() {
    check(
        "events --follow",
        expect![[r#"
        TIME                 EVENT              NET                 SERVICE  SCORE  ACCOUNT               RECIPIENT                     RULE          FOR
        2026-08-22 08:14:02  unknown-recipient  203.0.113.7         smtp     1.0    -                     a\x1b[1m@example.org          -             -
        2026-08-22 08:14:03  ban                203.0.113.7         -        0.0    -                     -                             dictionary    10m
        error: mailwall ended the connection
        hint: its log says why it stopped: journalctl -u mailwall
        [3]"#]],
    );
    check(
        "events --follow --plain",
        expect![[r#"
        2026-08-22T08:14:02Z	unknown-recipient	203.0.113.7/32	smtp	1.0		a\x1b[1m@example.org		
        2026-08-22T08:14:03Z	ban	203.0.113.7/32		0.0			dictionary	600
        error: mailwall ended the connection
        hint: its log says why it stopped: journalctl -u mailwall
        [3]"#]],
    );
    check(
        "events --follow --json",
        expect![[r#"
        {"schema":1,"at":"2026-08-22T08:14:02Z","event":"unknown-recipient","net":"203.0.113.7/32","service":"smtp","score":1.0,"account":null,"recipient":"a\u001b[1m@example.org","rule":null,"for_s":null,"source":"/var/log/mail.log","refused":null}
        {"schema":1,"at":"2026-08-22T08:14:03Z","event":"ban","net":"203.0.113.7/32","service":null,"score":0.0,"account":null,"recipient":null,"rule":"dictionary","for_s":600,"source":null,"refused":null}
        error: mailwall ended the connection
        hint: its log says why it stopped: journalctl -u mailwall
        [3]"#]],
    );
}

#[test]
fn following_shows_ten_of_the_past_unless_something_else_is_said() {
    let agent = Agent::new(|_| events());
    agent.run(&["events", "--follow"]);
    agent.run(&["events", "--follow", "--limit", "0"]);
    agent.run(&["events"]);
    let asked = [(true, 10), (true, 0), (false, 20)]
        .map(|(follow, limit)| Request::Events { follow, limit });
    assert_eq!(agent.requests(), asked);
}

#[test]
fn a_follower_that_was_too_slow_says_so() {
    let agent = Agent::new(|_| {
        let mut answers = events();
        answers.truncate(1);
        answers.push(Answer::Refused(Refused::failed("too slow".to_owned())));
        answers
    });
    expect![[r#"
        2026-08-22T08:14:02Z	unknown-recipient	203.0.113.7/32	smtp	1.0		a\x1b[1m@example.org		
        error: too slow
        [1]"#]]
    .assert_eq(&agent.run(&["events", "--follow", "--plain"]).to_string());
}

/// The first lines of what `words` print, and the exit code after the reader has gone.
fn first_lines(agent: &Agent, words: &[&str], lines: usize) -> (String, Option<i32>, String) {
    let mut child = command(agent.dir())
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    for _ in 0..lines {
        reader.read_line(&mut text).unwrap();
    }
    drop(reader);
    let output = child.wait_with_output().unwrap();
    (
        text,
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let bans = answers::bans().into_iter().cycle().take(20_000).collect();
    let agent = Agent::saying(answers::ban_list(20_000, bans));
    let (text, code, stderr) = first_lines(&agent, &["ban", "list"], 1);
    assert!(text.starts_with("NET "), "{text}");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[test]
fn counters_are_watched_with_rates() {
    let readings = AtomicU64::new(0);
    // Ten seconds of the agent's clock from one reading to the next.
    let agent = Agent::new(move |_| {
        vec![answers::counters(
            readings.fetch_add(10, Ordering::Relaxed),
            7,
        )]
    });
    let (text, code, stderr) = first_lines(&agent, &["counters", "--watch", "1s"], 6);
    expect![[r#"
        VERDICT         ACTION  IPV4    IPV4/S  IPV6  IPV6/S  OTHER  OTHER/S
        not-ip          pass    0       0       0     0       17     0
        clean           pass    1 204   0       0     0       0      0
        banned-address  drop    88 380  7.0     12    0       0      0
        3 of 21 verdicts; -v for those never seen

    "#]]
    .assert_eq(&text);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}
