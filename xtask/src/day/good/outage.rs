//! Our own faults, which look like an attack by everybody (Mailu issue 1415, mailcow issues 85 and 305).

use super::{client, deliver};
use crate::day::{
    names::account,
    programs::{dovecot_failure, dovecot_fault, dovecot_login},
    scene::{DAY, HOUR, NO_LOGIN_SERVER, NO_MAILBOXES, NO_PASSWORDS, Scene},
    smtpd::Session,
};

/// Delivers to real people all day, and in the outage, too.
pub fn sender(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = super::sender(scene, kind);
        for _ in 0..scene.between(10, 60) {
            let at = scene.between(0, DAY);
            deliver(scene, host, address, at);
        }
        for _ in 0..scene.between(3, 25) {
            let at = scene.between(NO_MAILBOXES.start, NO_MAILBOXES.end);
            let to = format!("{}@example.org", account(scene));
            Session::begin(scene, host, address, at)
                .helo("mail.example.net")
                .unknown(&to, "joe@example.net")
                .quit();
        }
        for _ in 0..scene.between(0, 5) {
            let at = scene.between(NO_LOGIN_SERVER.start, NO_LOGIN_SERVER.end);
            Session::begin(scene, host, address, at)
                .helo("mail.example.net")
                .reject(
                    "451 4.3.0",
                    "u1@example.org",
                    "<u1@example.org>: Temporary lookup failure",
                    "joe@example.net",
                )
                .quit();
        }
    }
}

/// Several people behind one address, who log in all day.
pub fn user(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let people: Vec<String> = (0..scene.between(1, 30)).map(|_| account(scene)).collect();
        let (host, address) = client(scene, kind, &people[0]);
        for person in &people {
            for _ in 0..scene.between(1, 8) {
                let at = scene.between(7 * HOUR, 20 * HOUR);
                dovecot_login(scene, at, address, person);
            }
            for _ in 0..scene.between(1, 6) {
                let at = scene.between(NO_PASSWORDS.start, NO_PASSWORDS.end);
                dovecot_failure(scene, at, address, person, 1);
            }
            let at = scene.between(NO_LOGIN_SERVER.start, NO_LOGIN_SERVER.end);
            dovecot_fault(scene, at, address, person);
            Session::begin_submission(scene, host, address, at)
                .helo("desk.example.org")
                .tell("warning: {}: SASL LOGIN authentication failed: Connection lost to authentication server")
                .quit();
        }
    }
}
