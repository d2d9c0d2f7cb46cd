//! Who looks for relays, speaks out of turn or speaks something else.

use std::net::IpAddr;

use super::guessers::{Program, new};
use crate::day::{
    names::{guess, recipient},
    programs::{exim_reject, postscreen_pregreet},
    scene::{DAY, HOUR, HostId, MINUTE, SECOND, Scene},
    smtpd::Session,
};

/// A few deliveries to elsewhere; CrowdSec's scenario is for two in ten minutes, so they come in that order of numbers. Of
/// three hosts one names its own mailbox each time.
pub fn relay(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let is_exim = scene.chance(30);
        let is_same = scene.chance(33);
        let own = format!("probe{}@example.com", scene.id());
        let mut at = scene.between(0, DAY - 2 * HOUR);
        let tries = scene.between(3, 31);
        for _ in 0..tries {
            let to = match is_same {
                true => own.clone(),
                false => format!("probe{}@example.com", scene.id()),
            };
            refuse_relay(scene, host, address, at, &to, is_exim);
            at += scene.between(2 * SECOND, 3 * MINUTE);
        }
    }
}

fn refuse_relay(
    scene: &mut Scene,
    host: HostId,
    address: IpAddr,
    at: i64,
    to: &str,
    is_exim: bool,
) {
    let from = "test@example.org";
    if is_exim {
        exim_reject(
            scene,
            at,
            address,
            "relay.example.com",
            from,
            to,
            "relay not permitted",
        );
        scene.offence(host, at);
        return;
    }
    let reply = format!("<{to}>: Relay access denied");
    Session::begin(scene, host, address, at)
        .helo("relay.example.com")
        .reject("554 5.7.1", to, &reply, from)
        .offence()
        .quit();
}

/// postscreen's PREGREET, once or again and again.
pub fn early_talker(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let mut at = scene.between(0, 20 * HOUR);
        let times = scene.between(1, 30);
        for _ in 0..times {
            postscreen_pregreet(scene, at, address, "User");
            scene.offence(host, at);
            at += scene.between(SECOND, 10 * MINUTE);
        }
    }
}

/// Scanners that ask every port for a page.
pub fn http(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let mut at = scene.between(0, 20 * HOUR);
        let times = scene.between(1, 6);
        let is_exim = scene.chance(50);
        for _ in 0..times {
            if is_exim {
                scene.exim(at, format_args!(
                    "SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from H=[{address}]:25936 I=[192.0.2.25]:25 input=\"GET / HTTP/1.1\\r\\n\""
                ));
                scene.offence(host, at);
            } else {
                Session::begin(scene, host, address, at)
                    .tell("warning: non-SMTP command from {}: GET / HTTP/1.1")
                    .offence()
                    .end();
            }
            at += scene.between(SECOND, HOUR);
        }
    }
}

/// BlockCracking: the botnet that calls itself ylmf-pc tries a login in each connection, seven within five minutes and more.
pub fn ylmf_pc(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let mut at = scene.between(0, 20 * HOUR);
        let times = scene.between(7, 60);
        let is_exim = scene.chance(50);
        for _ in 0..times {
            if is_exim {
                scene.exim(at, format_args!(
                    "SMTP protocol error in \"AUTH LOGIN\" H=(ylmf-pc) [{address}] AUTH command used when not advertised"
                ));
                scene.offence(host, at);
            } else {
                let mut session = Session::begin(scene, host, address, at);
                session.helo("ylmf-pc");
                session.failed_login(None).offence();
                session.tell("lost connection after AUTH from {}").end();
            }
            at += scene.between(5 * SECOND, 40 * SECOND);
        }
    }
}

/// Refused for their names, session by session, without ever delivering anything.
pub fn bad_sessions(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let mut at = scene.between(0, 4 * HOUR);
        let times = scene.between(20, 120);
        for _ in 0..times {
            let to = "u1@example.org";
            let is_helo = scene.chance(60);
            let mut session = Session::begin(scene, host, address, at);
            if is_helo {
                session
                    .helo("User")
                    .reject(
                        "504 5.5.2",
                        to,
                        "<User>: Helo command rejected: need fully-qualified hostname",
                        "joe@example.com",
                    )
                    .offence()
                    .quit();
            } else {
                session
                    .helo("dsl.example.com")
                    .tell("improper command pipelining after EHLO from {}: QUIT")
                    .offence()
                    .end();
            }
            at += scene.between(20 * SECOND, 15 * MINUTE);
        }
    }
}

/// Bots that a DNS list names, refused for good.
pub fn listed(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let mut at = scene.between(0, 4 * HOUR);
        let times = scene.between(20, 80);
        for _ in 0..times {
            let reply = format!(
                "Service unavailable; Client host [{address}] blocked using zen.example.net"
            );
            Session::begin(scene, host, address, at)
                .helo("dsl.example.com")
                .reject("554 5.7.1", "u1@example.org", &reply, "joe@example.com")
                .offence()
                .quit();
            at += scene.between(20 * SECOND, 15 * MINUTE);
        }
    }
}

/// A bit of everything, over the day.
pub fn mixed(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let mut at = scene.between(0, 4 * HOUR);
        let times = scene.between(20, 120);
        for _ in 0..times {
            match scene.random.below(5) {
                0 => {
                    let account = guess(scene);
                    Program::Postfix.fail(scene, host, address, at, &account);
                }
                1 => {
                    let to = format!("probe{}@example.com", scene.id());
                    refuse_relay(scene, host, address, at, &to, false);
                }
                2 => {
                    Session::begin(scene, host, address, at)
                        .helo("User")
                        .reject(
                            "504 5.5.2",
                            "u1@example.org",
                            "<User>: Helo command rejected: need fully-qualified hostname",
                            "joe@example.com",
                        )
                        .offence()
                        .quit();
                }
                _ => {
                    let to = recipient(scene);
                    Session::begin(scene, host, address, at)
                        .helo("dsl.example.com")
                        .unknown(&to, "joe@example.com")
                        .offence()
                        .quit();
                }
            }
            at += scene.between(10 * SECOND, 15 * MINUTE);
        }
    }
}
