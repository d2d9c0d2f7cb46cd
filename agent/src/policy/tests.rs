//! The desk, asked as Postfix asks: the numbers are those of the systems that did this inside.

use std::time::{Duration, SystemTime};

use super::{request::Place, *};
use crate::limit::{Counts, LimitRule};

const CLIENT: &str = "203.0.113.7";

fn second(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second)
}

fn connect(client: &str, port: u16) -> Request {
    Request {
        state: State::Connect,
        client: Some(client.parse().unwrap()),
        client_port: Some(port),
        ..Request::default()
    }
}

fn recipient(port: u16, message: u32) -> Request {
    Request {
        state: State::Recipient,
        instance: format!("2f1.673f1a2b.4c4b4.{message}").into(),
        ..connect(CLIENT, port)
    }
}

fn limit(network: Option<&str>, per_minute: u32, concurrent: u32, counts: Counts) -> LimitRule {
    LimitRule {
        network: network.map(|net| net.parse().unwrap()),
        per_minute,
        concurrent,
        counts,
    }
}

/// What a desk with these settings tells, as it goes over the wire, without the ends of lines.
struct Scene {
    desk: Desk,
}

impl Scene {
    fn new(change: impl FnOnce(&mut PolicySettings)) -> Self {
        let mut settings = PolicySettings::default();
        change(&mut settings);
        Self {
            desk: Desk::new(settings),
        }
    }

    fn ask(&mut self, request: &Request, standing: &Standing<'_>, at: u64) -> String {
        let verdict = self.desk.answer(request, standing, second(at));
        let wire = verdict.answer.to_wire();
        wire.strip_prefix("action=").unwrap().trim_end().to_owned()
    }
}

const DUNNO: &str = "DUNNO";

#[test]
fn who_did_nothing_is_let_through_at_every_step() {
    let mut scene = Scene::new(|_| {});
    for state in [
        State::Connect,
        State::Helo,
        State::Mail,
        State::Recipient,
        State::Data,
        State::EndOfMessage,
        State::Other,
    ] {
        let request = Request {
            state,
            ..connect(CLIENT, 1)
        };
        assert_eq!(scene.ask(&request, &Standing::default(), 0), DUNNO);
        let unknown = Request {
            client: None,
            ..request
        };
        assert_eq!(scene.ask(&unknown, &Standing::default(), 0), DUNNO);
    }
}

#[test]
fn a_delayed_host_waits_and_so_many_at_once() {
    let mut scene = Scene::new(|settings| settings.sleepers = 2);
    let delayed = Standing {
        delay: Some(Duration::from_secs(10)),
        ..Standing::default()
    };
    assert_eq!(scene.ask(&recipient(1, 0), &delayed, 0), "sleep 10");
    assert_eq!(scene.ask(&recipient(2, 0), &delayed, 5), "sleep 10");
    assert_eq!(scene.ask(&recipient(3, 0), &delayed, 9), DUNNO);
    assert_eq!(scene.desk.held(second(9)), 2);
    assert_eq!(scene.ask(&recipient(3, 0), &delayed, 10), "sleep 10");
    scene.desk.reconfigure(PolicySettings {
        sleepers: 2,
        when_full: Response::Close,
        ..PolicySettings::default()
    });
    let full = scene.ask(&recipient(4, 0), &delayed, 10);
    assert!(full.starts_with("421 4.7.0 "), "{full}");
}

#[test]
fn a_delay_is_at_most_thirty_seconds() {
    let mut scene = Scene::new(|_| {});
    let delayed = Standing {
        delay: Some(Duration::from_secs(99)),
        ..Standing::default()
    };
    assert_eq!(scene.ask(&recipient(1, 0), &delayed, 0), "sleep 30");
}

#[test]
fn a_session_that_outlived_its_ban() {
    let banned = Standing {
        banned: true,
        delay: Some(Duration::from_secs(10)),
        ..Standing::default()
    };
    for (response, start) in [
        (Response::Close, "421 4.7.1 "),
        (Response::Defer, "450 4.7.1 "),
        (Response::Reject, "REJECT 5.7.1 "),
        (Response::Dunno, "sleep 10"),
    ] {
        let mut scene = Scene::new(|settings| settings.banned = response);
        let answer = scene.ask(&recipient(1, 0), &banned, 0);
        assert!(answer.starts_with(start), "{answer}");
    }
}

#[test]
fn the_allowlist_wins_but_not_for_an_account() {
    let mut scene = Scene::new(|settings| settings.recipients = 1);
    let mut standing = Standing {
        allowed: true,
        banned: true,
        delay: Some(Duration::from_secs(10)),
        ..Standing::default()
    };
    assert_eq!(scene.ask(&recipient(1, 0), &standing, 0), DUNNO);
    assert_eq!(scene.ask(&recipient(1, 0), &standing, 0), DUNNO);
    standing.account_held = true;
    let answer = scene.ask(&recipient(1, 0), &standing, 0);
    assert_eq!(answer, "HOLD mailwall: the account's mail is held");
}

#[test]
fn a_held_account_is_held_before_it_is_delayed() {
    let held = Standing {
        account_held: true,
        delay: Some(Duration::from_secs(10)),
        ..Standing::default()
    };
    for (response, start) in [
        (Response::Hold, "HOLD "),
        (Response::Defer, "450 4.7.1 "),
        (Response::Close, "421 4.7.1 "),
        (Response::Reject, "REJECT 5.7.1 "),
        (Response::Dunno, "sleep 10"),
    ] {
        let mut scene = Scene::new(|settings| settings.held_account = response);
        let answer = scene.ask(&recipient(1, 0), &held, 0);
        assert!(answer.starts_with(start), "{answer}");
    }
}

#[test]
fn what_is_observed_is_only_counted() {
    let mut scene = Scene::new(|settings| settings.sleepers = 1);
    let observed = Standing {
        observe: true,
        banned: true,
        ..Standing::default()
    };
    let verdict = scene.desk.answer(&recipient(1, 0), &observed, second(0));
    assert_eq!(
        verdict,
        Verdict {
            answer: Answer::Dunno,
            would: Some(Kind::Close)
        }
    );
    let delayed = Standing {
        observe: true,
        delay: Some(Duration::from_secs(5)),
        ..Standing::default()
    };
    let verdict = scene.desk.answer(&recipient(1, 0), &delayed, second(0));
    assert_eq!(verdict.would, Some(Kind::Sleep));
    assert_eq!(scene.desk.held(second(0)), 0);
}

/// Vector 4, with the limits of vector 3: two a minute for 206.81.85.0/24, ten for everybody else, none for a customer.
#[test]
fn the_rate_of_connections_is_worded_as_sendmail_does() {
    let limits = [
        limit(None, 10, 0, Counts::Address),
        limit(Some("206.81.85.0/24"), 2, 0, Counts::Address),
        limit(Some("206.81.85.99/32"), 0, 0, Counts::Address),
        limit(Some("198.51.100.0/24"), 2, 0, Counts::Network),
    ];
    let limited = Standing {
        limits: &limits,
        ..Standing::default()
    };
    let mut scene = Scene::new(|_| {});
    let mut port = 0;
    let mut opens = |client: &str, at| {
        port += 1;
        scene.ask(&connect(client, port), &limited, at)
    };
    const OVER: &str = "421 4.3.2 Connection rate limit exceeded.";
    assert_eq!(opens("206.81.85.1", 0), DUNNO);
    assert_eq!(opens("206.81.85.1", 1), DUNNO);
    assert_eq!(opens("206.81.85.1", 2), OVER);
    // Each address for itself.
    assert_eq!(opens("206.81.85.2", 2), DUNNO);
    assert_eq!(opens("206.81.85.1", 2 + 61), DUNNO);
    // The narrowest limit counts, and 0 is none.
    for _ in 0..20 {
        assert_eq!(opens("206.81.85.99", 5), DUNNO);
    }
    for _ in 0..10 {
        assert_eq!(opens("192.0.2.33", 6), DUNNO);
    }
    assert_eq!(opens("192.0.2.33", 6), OVER);
    // Two hosts of a network that is counted as one.
    assert_eq!(opens("198.51.100.1", 7), DUNNO);
    assert_eq!(opens("198.51.100.2", 7), DUNNO);
    assert_eq!(opens("198.51.100.3", 7), OVER);
    assert_eq!(opens("198.51.100.3", 7 + 61), DUNNO);
}

#[test]
fn without_terminate_every_command_is_refused_and_the_connection_stays() {
    let limits = [limit(None, 1, 0, Counts::Address)];
    let limited = Standing {
        limits: &limits,
        ..Standing::default()
    };
    let mut scene = Scene::new(|settings| settings.over_limit = Response::Defer);
    assert_eq!(scene.ask(&connect(CLIENT, 1), &limited, 0), DUNNO);
    const OVER: &str = "452 4.3.2 Connection rate limit exceeded.";
    assert_eq!(scene.ask(&connect(CLIENT, 2), &limited, 0), OVER);
    assert_eq!(scene.ask(&recipient(2, 0), &limited, 1), OVER);
    // The first session is as it was, and is not counted again.
    assert_eq!(scene.ask(&recipient(1, 0), &limited, 1), DUNNO);
}

/// Vector 5: the third connection while two are open.
#[test]
fn too_many_open_connections_are_worded_as_sendmail_does() {
    let limits = [limit(None, 0, 2, Counts::Address)];
    let mut scene = Scene::new(|_| {});
    let mut opens = |port, open| {
        let standing = Standing {
            limits: &limits,
            open: Some(open),
            ..Standing::default()
        };
        scene.ask(&connect(CLIENT, port), &standing, 0)
    };
    assert_eq!(opens(1, 1), DUNNO);
    assert_eq!(opens(2, 2), DUNNO);
    assert_eq!(opens(3, 3), "421 4.3.2 Too many open connections.");
    assert_eq!(opens(4, 2), DUNNO);
}

/// Vector 7: after two bad recipients every further one of the session waits a second.
#[test]
fn recipients_after_two_bad_ones_wait_a_second() {
    let mut scene = Scene::new(|settings| settings.bad_recipients = 2);
    let mut told = Vec::new();
    let answers: Vec<String> = (0..5)
        .map(|step| {
            let standing = Standing {
                bad_recipients: told.clone(),
                ..Standing::default()
            };
            let answer = scene.ask(&recipient(1, 0), &standing, step * 2);
            // Postfix logs the refusal after it asked.
            told.push(second(step * 2 + 1));
            answer
        })
        .collect();
    assert_eq!(answers, [DUNNO, DUNNO, "sleep 1", "sleep 1", "sleep 1"]);
    // What was before a session does not count in it, nor does it for people who logged in.
    let standing = Standing {
        bad_recipients: told,
        ..Standing::default()
    };
    assert_eq!(scene.ask(&recipient(2, 0), &standing, 20), DUNNO);
    let person = Request {
        account: Some("alice".into()),
        ..recipient(1, 0)
    };
    assert_eq!(scene.ask(&person, &standing, 20), DUNNO);
}

#[test]
fn two_places_tell_bad_recipients_without_the_log() {
    let mut scene = Scene::new(|settings| settings.bad_recipients = 2);
    let mut names = |exists: bool| {
        let before = Request {
            place: Place::Before,
            ..recipient(1, 0)
        };
        let answer = scene.ask(&before, &Standing::default(), 0);
        if exists {
            let after = Request {
                place: Place::After,
                ..before
            };
            assert_eq!(scene.ask(&after, &Standing::default(), 0), DUNNO);
        }
        answer
    };
    let answers = [true, false, true, false, true, false].map(&mut names);
    assert_eq!(answers, [DUNNO, DUNNO, DUNNO, DUNNO, "sleep 1", "sleep 1"]);
}

/// Vector 7: the eleventh recipient of a message.
#[test]
fn the_eleventh_recipient_of_a_message_is_put_off() {
    let mut scene = Scene::new(|settings| settings.recipients = 10);
    let mut names = |request: &Request| scene.ask(request, &Standing::default(), 0);
    const TOO_MANY: &str = "452 4.5.3 Too many recipients";
    for _ in 0..10 {
        assert_eq!(names(&recipient(1, 0)), DUNNO);
    }
    assert_eq!(names(&recipient(1, 0)), TOO_MANY);
    assert_eq!(names(&recipient(1, 0)), TOO_MANY);
    // The envelope goes on, with the next message the rest is tried again.
    let data = Request {
        state: State::Data,
        recipients: 10,
        ..recipient(1, 0)
    };
    assert_eq!(names(&data), DUNNO);
    assert_eq!(names(&recipient(1, 1)), DUNNO);
    let person = Request {
        account: Some("alice".into()),
        ..recipient(2, 0)
    };
    for _ in 0..20 {
        assert_eq!(names(&person), DUNNO);
    }
}

#[test]
fn a_port_that_is_used_again_is_another_session() {
    let mut scene = Scene::new(|settings| settings.recipients = 1);
    let standing = Standing::default();
    assert_eq!(scene.ask(&recipient(1, 0), &standing, 0), DUNNO);
    assert!(scene.ask(&recipient(1, 0), &standing, 1).starts_with("452"));
    assert_eq!(scene.ask(&connect(CLIENT, 1), &standing, 2), DUNNO);
    assert_eq!(scene.ask(&recipient(1, 1), &standing, 3), DUNNO);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However many ask for whatever, no more wait than may, and nobody who did nothing is refused.
        #[test]
        fn what_waits_is_bounded(
            asked in prop::collection::vec((0..40u16, 0..6u64, 0..60u64, any::<bool>()), 0..200),
        ) {
            let mut scene = Scene::new(|settings| settings.sleepers = 5);
            let mut at = 0;
            for (port, step, delay, is_delayed) in asked {
                at += step;
                let standing = Standing {
                    delay: is_delayed.then_some(Duration::from_secs(delay)),
                    ..Standing::default()
                };
                let answer = scene.ask(&recipient(port, 0), &standing, at);
                prop_assert!(is_delayed || answer == DUNNO);
                prop_assert!(scene.desk.held(second(at)) <= 5);
            }
        }
    }
}
