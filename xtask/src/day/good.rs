//! Who must not be banned. What they do is what made other programs ban them (the source stands with each).

mod outage;
mod senders;
mod users;

use std::net::IpAddr;

use super::{
    names::{account, accounts},
    programs::{dovecot_login, exim_accept},
    scene::{DAY, HostId, NO_MAILBOXES, Scene, address},
    smtpd::Session,
};

/// Kinds of good hosts, and how many of a thousand.
pub const KINDS: &[Kind] = &[
    Kind::new("big provider /24", 150, senders::provider),
    Kind::new("mailing list", 60, senders::mailing_list),
    Kind::new("small newsletter", 50, senders::newsletter),
    Kind::new("backscatter", 60, senders::backscatter),
    Kind::new("greylisted", 80, senders::greylisted),
    Kind::new("retries a dead address", 50, senders::stubborn),
    Kind::new("forwarder", 50, senders::forwarder),
    Kind::new("monitoring", 20, senders::monitoring),
    Kind::new("old tls", 40, senders::old_tls),
    Kind::new("small sender", 100, senders::small),
    Kind::new("own scanner", 5, senders::own_scanner),
    Kind::new("office, one old password", 60, users::office),
    Kind::new("home, old password", 60, users::old_password),
    Kind::new("mistyped password", 80, users::mistyped),
    Kind::new("carrier (CGNAT)", 60, users::carrier),
    Kind::new("forgot to log in", 30, users::forgot_login),
    Kind::new("shared IPv6 /64", 25, senders::shared_prefix),
    Kind::new("sender in the outage", 60, outage::sender),
    Kind::new("user in the outage", 60, outage::user),
];

/// Of a hundred good hosts so many were seen in the days before.
const KNOWN: u64 = 80;

/// A kind of good hosts.
pub struct Kind {
    pub name: &'static str,
    /// Of a thousand hosts.
    share: u64,
    /// Makes about so many of them.
    play: fn(&mut Scene, &'static str, u64),
}

impl Kind {
    const fn new(name: &'static str, share: u64, play: fn(&mut Scene, &'static str, u64)) -> Self {
        Self { name, share, play }
    }
}

/// About `hosts` of them, a few of each kind at least.
pub fn play(scene: &mut Scene, hosts: u64) {
    everybody(scene);
    let all: u64 = KINDS.iter().map(|kind| kind.share).sum();
    for kind in KINDS {
        let count = (hosts * kind.share / all).max(2);
        (kind.play)(scene, kind.name, count);
    }
}

/// All who have a mailbox here log in from home, every few days of the month before.
fn everybody(scene: &mut Scene) {
    for person in accounts() {
        let address = address(scene, true);
        for days in 0..8 {
            let at = scene.between(0, 4 * DAY) - 4 * days * DAY - 4 * DAY;
            dovecot_login(scene, at, address, &person);
        }
    }
}

/// A host that delivers mail. Most were here before.
fn sender(scene: &mut Scene, kind: &'static str) -> (HostId, IpAddr) {
    let address = address(scene, true);
    (sender_at(scene, kind, address), address)
}

fn sender_at(scene: &mut Scene, kind: &'static str, address: IpAddr) -> HostId {
    let host = scene.host(kind, true, address);
    if scene.chance(KNOWN) {
        for _ in 0..6 {
            let at = scene.between(-29 * DAY, 0);
            deliver(scene, host, address, at);
        }
    }
    host
}

/// A host that somebody logs in from. Most were here before.
fn client(scene: &mut Scene, kind: &'static str, account: &str) -> (HostId, IpAddr) {
    let address = address(scene, true);
    let host = scene.host(kind, true, address);
    if scene.chance(KNOWN) {
        for _ in 0..6 {
            let at = scene.between(-29 * DAY, 0);
            dovecot_login(scene, at, address, account);
        }
    }
    (host, address)
}

/// A message to somebody who is here; it is taken unless nobody is known.
fn deliver(scene: &mut Scene, host: HostId, address: IpAddr, at: i64) {
    let from = format!("joe{}@example.net", scene.random.below(1_000));
    if scene.chance(20) && !NO_MAILBOXES.contains(&at) {
        exim_accept(scene, at, address, &from);
        return;
    }
    let recipients = u32::try_from(scene.between(1, 4)).unwrap_or(1);
    let to = format!("{}@example.org", account(scene));
    let mut session = Session::begin(scene, host, address, at);
    session.helo("mail.example.net");
    if NO_MAILBOXES.contains(&at) {
        session.unknown(&to, &from);
    } else {
        session.accept(&from, recipients);
    }
    session.quit();
}

/// The address of somebody who has left: there are forty of them.
fn dead(scene: &mut Scene) -> String {
    format!("left{}@example.org", scene.random.below(40))
}
