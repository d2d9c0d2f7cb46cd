//! People and their devices.

use super::client;
use crate::day::{
    names::account,
    programs::{dovecot_failure, dovecot_login},
    scene::{DAY, HOUR, MINUTE, NO_LOGIN_SERVER, NO_PASSWORDS, SECOND, Scene},
    smtpd::Session,
};

/// Sessions that a device opens each time it looks for mail, and how often it does (mailu issue 3599).
const SESSIONS: i64 = 7;
const POLL: i64 = 10 * MINUTE;

/// fail2ban issue 779: thirty people behind one address, and one phone with an old password.
pub fn office(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let people: Vec<String> = (0..30).map(|_| account(scene)).collect();
        let (host, address) = client(scene, kind, &people[0]);
        for person in &people {
            for _ in 0..scene.between(2, 12) {
                let at = scene.between(7 * HOUR, 18 * HOUR);
                dovecot_login(scene, at, address, person);
            }
            let at = scene.between(7 * HOUR, 18 * HOUR);
            let works = !NO_LOGIN_SERVER.contains(&at) && !NO_PASSWORDS.contains(&at);
            if works && scene.chance(60) {
                Session::begin_submission(scene, host, address, at)
                    .helo("desk.example.org")
                    .submit(person)
                    .quit();
            }
        }
        let person = account(scene);
        phone(scene, address, &person, 8 * HOUR..17 * HOUR);
    }
}

/// The same phone alone: at home where it was known, or anywhere. It never gets in.
pub fn old_password(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let person = account(scene);
        let (host, address) = client(scene, kind, &person);
        let begin = scene.between(0, 12 * HOUR);
        let devices = scene.between(1, 4);
        for _ in 0..devices {
            phone(scene, address, &person, begin..begin + 10 * HOUR);
        }
        // It sends, too, a few times; Postfix before 3.9 does not tell whose login failed.
        let names_account = scene.chance(50);
        for _ in 0..scene.between(0, 6) {
            let at = begin + scene.between(0, 10 * HOUR);
            let full = format!("{person}@example.org");
            let named = names_account.then_some(full.as_str());
            Session::begin_submission(scene, host, address, at)
                .helo("phone.local")
                .failed_login(named)
                .quit();
        }
    }
}

/// Gets it wrong some times, then right.
pub fn mistyped(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let person = account(scene);
        let (host, address) = client(scene, kind, &person);
        let mut at = scene.between(0, 20 * HOUR);
        let names_account = scene.chance(50);
        for _ in 0..scene.between(1, 7) {
            match scene.chance(50) {
                true => {
                    let attempts = u32::try_from(scene.between(1, 4)).unwrap_or(1);
                    dovecot_failure(scene, at, address, &person, attempts);
                }
                false => {
                    let full = format!("{person}@example.org");
                    let named = names_account.then_some(full.as_str());
                    Session::begin_submission(scene, host, address, at)
                        .helo("laptop.local")
                        .failed_login(named)
                        .quit();
                }
            }
            at += scene.between(5 * SECOND, 2 * MINUTE);
        }
        dovecot_login(scene, at, address, &person);
    }
}

/// A carrier's address: people of ours come and go, some with an old password, some mistype.
pub fn carrier(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (_, address) = client(scene, kind, "u1");
        for _ in 0..scene.between(3, 25) {
            let person = account(scene);
            let at = scene.between(0, DAY);
            match scene.random.below(10) {
                0..=6 => dovecot_login(scene, at, address, &person),
                7..=8 => {
                    dovecot_failure(scene, at, address, &person, 1);
                    dovecot_login(scene, at + 20 * SECOND, address, &person);
                }
                _ => phone(scene, address, &person, at..at + HOUR),
            }
        }
    }
}

/// A mail program that was told to send without a login: to a few people, and again when it fails.
pub fn forgot_login(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let person = account(scene);
        let (host, address) = client(scene, kind, &person);
        let mut at = scene.between(0, 18 * HOUR);
        let friends: Vec<String> = (0..scene.between(1, 4))
            .map(|friend| format!("friend{friend}@example.net"))
            .collect();
        for _ in 0..scene.between(1, 4) {
            for friend in &friends {
                let reply = format!("<{friend}>: Relay access denied");
                Session::begin(scene, host, address, at)
                    .helo("laptop.local")
                    .reject(
                        "554 5.7.1",
                        friend,
                        &reply,
                        &format!("{person}@example.org"),
                    )
                    .quit();
                at += scene.between(SECOND, MINUTE);
            }
            at += scene.between(MINUTE, 20 * MINUTE);
        }
        dovecot_login(scene, at, address, &person);
    }
}

/// A device with an old password, in these hours.
fn phone(scene: &mut Scene, address: std::net::IpAddr, account: &str, hours: std::ops::Range<i64>) {
    let mut at = hours.start;
    while at < hours.end {
        for session in 0..SESSIONS {
            let late = scene.between(0, 3 * SECOND);
            dovecot_failure(scene, at + session * 300 + late, address, account, 1);
        }
        at += POLL;
    }
}
