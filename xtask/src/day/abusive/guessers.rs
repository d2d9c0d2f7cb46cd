//! Who guesses recipients and logins.

use std::net::IpAddr;

use crate::day::{
    names::{account, guess, recipient},
    programs::{dovecot_failure, exim_failure, exim_reject},
    scene::{DAY, HOUR, HostId, MINUTE, SECOND, Scene, address},
    smtpd::Session,
};

/// Recipients in one connection after the other: IMail's example has seven in three connections within a minute,
/// SmarterMail's rule is for twenty in five minutes.
pub fn dictionary(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let mut at = scene.between(0, DAY - HOUR);
        let sessions = scene.between(2, 12);
        for _ in 0..sessions {
            let recipients = scene.between(3, 21);
            let guesses: Vec<(String, i64)> = (0..recipients)
                .map(|_| (recipient(scene), scene.between(200, 2_000)))
                .collect();
            let mut session = Session::begin(scene, host, address, at);
            session.helo("dsl.example.com");
            for (guess, pause) in guesses {
                session
                    .pause(pause)
                    .unknown(&guess, "winner@example.com")
                    .offence();
            }
            at = session.quit() + 500;
            at += scene.between(0, 90 * SECOND);
        }
    }
}

/// One recipient in a connection, every few minutes, for hours.
pub fn dictionary_slow(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let mut at = scene.between(0, 8 * HOUR);
        let end = at + scene.between(4 * HOUR, 16 * HOUR);
        while at < end {
            let guess = recipient(scene);
            let mut session = Session::begin(scene, host, address, at);
            session
                .helo("dsl.example.com")
                .unknown(&guess, "winner@example.com")
                .offence()
                .quit();
            at += scene.between(MINUTE, 10 * MINUTE);
        }
    }
}

pub fn dictionary_exim(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let mut at = scene.between(0, DAY - HOUR);
        let recipients = scene.between(15, 150);
        for _ in 0..recipients {
            let guess = recipient(scene);
            let from = "winner@example.com";
            exim_reject(
                scene,
                at,
                address,
                "dsl.example.com",
                from,
                &guess,
                "Unrouteable address",
            );
            scene.offence(host, at);
            at += scene.between(300, 15 * SECOND);
        }
    }
}

/// Another account each time, a try every second to every half minute.
pub fn logins(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let program = Program::any(scene);
        let mut at = scene.between(0, DAY - 2 * HOUR);
        let tries = scene.between(20, 300);
        for _ in 0..tries {
            let account = guess(scene);
            program.fail(scene, host, address, at, &account);
            at += scene.between(SECOND, 30 * SECOND);
        }
    }
}

/// fail2ban issue 3400: a try every few minutes, for days.
pub fn logins_slow(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let program = Program::any(scene);
        let pause = scene.between(2 * MINUTE, 15 * MINUTE);
        let mut at = scene.between(0, HOUR);
        while at < DAY {
            let account = guess(scene);
            program.fail(scene, host, address, at, &account);
            at += pause + scene.between(0, MINUTE);
        }
    }
}

/// The passwords of one account: half of those who try are after one that exists.
pub fn one_account(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let program = Program::any(scene);
        let mut at = scene.between(0, DAY - 3 * HOUR);
        let exists = scene.chance(50);
        let account = match exists {
            true => account(scene),
            false => guess(scene),
        };
        let tries = scene.between(60, 600);
        let pause = scene.between(SECOND, 20 * SECOND);
        for _ in 0..tries {
            program.fail(scene, host, address, at, &account);
            at += pause + scene.between(0, SECOND);
        }
    }
}

/// A network of hosts that try once each (haraka-plugin-karma, fail2ban issue 3400).
pub fn one_try(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = new(scene, kind);
        let program = Program::any(scene);
        let (at, account) = (scene.between(0, DAY), guess(scene));
        program.fail(scene, host, address, at, &account);
    }
}

/// Who tells of a failed login.
#[derive(Clone, Copy)]
pub enum Program {
    /// Postfix up to 3.8: without the account.
    OldPostfix,
    /// Postfix from 3.9 on.
    Postfix,
    Dovecot,
    Exim,
}

impl Program {
    pub fn any(scene: &mut Scene) -> Self {
        match scene.random.below(4) {
            0 => Self::OldPostfix,
            1 => Self::Postfix,
            2 => Self::Dovecot,
            _ => Self::Exim,
        }
    }

    /// A login fails there, and that is an offence.
    pub fn fail(self, scene: &mut Scene, host: HostId, address: IpAddr, at: i64, account: &str) {
        match self {
            Self::OldPostfix | Self::Postfix => {
                let full = format!("{account}@example.org");
                let named = matches!(self, Self::Postfix).then_some(full.as_str());
                let mut session = Session::begin_submission(scene, host, address, at);
                session.helo("User").failed_login(named).offence().quit();
            }
            Self::Dovecot => {
                dovecot_failure(scene, at, address, account, 1);
                scene.offence(host, at);
            }
            Self::Exim => {
                exim_failure(scene, at, address, "User", account);
                scene.offence(host, at);
            }
        }
    }
}

pub fn new(scene: &mut Scene, kind: &'static str) -> (HostId, IpAddr) {
    let address = address(scene, false);
    (scene.host(kind, false, address), address)
}
