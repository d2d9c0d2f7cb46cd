//! Mail servers, and what else connects to port 25.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{dead, deliver, sender, sender_at};
use crate::day::{
    names::account,
    programs::{exim_reject, postscreen_pregreet},
    scene::{DAY, HOUR, MINUTE, SECOND, Scene, address, network},
    smtpd::Session,
};

/// fail2ban pull request 3940: many hosts of one /24, each with some dead recipients among much mail.
pub fn provider(scene: &mut Scene, kind: &'static str, count: u64) {
    let mut left = i64::try_from(count).unwrap_or(0);
    while left > 0 {
        let hosts = scene.between(20, 60);
        let base = network(scene, true);
        for number in 1..=u32::try_from(hosts).unwrap_or(20) {
            let address: IpAddr = Ipv4Addr::from_bits(base + number).into();
            let host = sender_at(scene, kind, address);
            for _ in 0..scene.between(5, 60) {
                let at = scene.between(0, DAY);
                deliver(scene, host, address, at);
            }
            for _ in 0..scene.between(0, 9) {
                let (at, to) = (scene.between(0, DAY), dead(scene));
                Session::begin(scene, host, address, at)
                    .helo("mail.example.net")
                    .unknown(&to, "joe@example.net")
                    .quit();
            }
        }
        left -= hosts;
    }
}

/// One delivery after the other, and an old address every now and then; eight of them at once.
pub fn mailing_list(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = sender(scene, kind);
        for _ in 0..scene.between(50, 300) {
            let at = scene.between(0, DAY);
            deliver(scene, host, address, at);
        }
        let at = scene.between(0, DAY);
        let old: Vec<String> = (0..8).map(|_| dead(scene)).collect();
        let mut session = Session::begin(scene, host, address, at);
        session
            .helo("lists.example.net")
            .accept("list@example.net", 12);
        for to in &old {
            session.unknown(to, "list@example.net");
        }
        session.quit();
        for _ in 0..scene.between(0, 12) {
            let (at, to) = (scene.between(0, DAY), dead(scene));
            Session::begin(scene, host, address, at)
                .helo("lists.example.net")
                .unknown(&to, "list@example.net")
                .quit();
        }
    }
}

/// A club writes to its members once a day; up to four of those here have left, and perhaps nobody else is here.
pub fn newsletter(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = sender(scene, kind);
        let at = scene.between(0, DAY);
        let old: Vec<String> = (0..scene.between(1, 5)).map(|_| dead(scene)).collect();
        let is_all_dead = scene.chance(30);
        let mut session = Session::begin(scene, host, address, at);
        session.helo("www.example.net");
        if !is_all_dead {
            session.accept("club@example.net", 3);
        }
        for to in &old {
            session.unknown(to, "club@example.net");
        }
        session.quit();
    }
}

/// BACKSCATTER_README: bounces of mail that somebody else sent in our name, to users that never were.
pub fn backscatter(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = sender(scene, kind);
        let is_exim = scene.chance(30);
        let mut at = scene.between(0, 12 * HOUR);
        for _ in 0..scene.between(5, 200) {
            let to = format!("forged{}@example.org", scene.random.below(5_000));
            if is_exim {
                let why = "Unrouteable address";
                exim_reject(scene, at, address, "mx.example.net", "", &to, why);
            } else {
                Session::begin(scene, host, address, at)
                    .helo("mx.example.net")
                    .unknown(&to, "")
                    .quit();
            }
            at += scene.between(SECOND, 3 * MINUTE);
        }
    }
}

/// postgrey issues 86 and 107: asked to come again, many times, from changing hosts; and 4xx of other kinds.
pub fn greylisted(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = sender(scene, kind);
        let mut at = scene.between(0, 12 * HOUR);
        for _ in 0..scene.between(3, 60) {
            let to = format!("{}@example.org", account(scene));
            let reply = match scene.random.below(3) {
                0 => format!(
                    "<{to}>: Recipient address rejected: Greylisted, see http://postgrey.example.net/"
                ),
                1 => "<joe@example.net>: Sender address rejected: Domain not found".to_owned(),
                _ => format!("Client host rejected: cannot find your hostname, [{address}]"),
            };
            Session::begin(scene, host, address, at)
                .helo("mail.example.net")
                .reject("450 4.2.0", &to, &reply, "joe@example.net")
                .quit();
            at += scene.between(SECOND, 10 * MINUTE);
        }
        deliver(scene, host, address, at);
    }
}

/// Sends to one dead address, again and again, as a broken cron job does.
pub fn stubborn(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = sender(scene, kind);
        let to = dead(scene);
        let pause = scene.between(MINUTE, 20 * MINUTE);
        let mut at = scene.between(0, HOUR);
        while at < DAY {
            Session::begin(scene, host, address, at)
                .helo("cron.example.net")
                .unknown(&to, "root@cron.example.net")
                .quit();
            at += pause;
        }
    }
}

/// Passes on what it gets, spam included (postfwd issue 42).
pub fn forwarder(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = sender(scene, kind);
        for _ in 0..scene.between(20, 200) {
            let at = scene.between(0, DAY);
            deliver(scene, host, address, at);
        }
        for _ in 0..scene.between(10, 150) {
            let at = scene.between(0, DAY);
            let id = scene.id();
            let message = match scene.random.below(3) {
                0 => format!(
                    "milter-reject: END-OF-MESSAGE from {{}}: 550 5.7.1 Spam message rejected; from=<a{id}@example.com> to=<u1@example.org> proto=ESMTP helo=<fwd.example.net>"
                ),
                1 => format!(
                    "NOQUEUE: reject: RCPT from {{}}: 550 5.7.23 <u1@example.org>: Recipient address rejected: Message rejected due to: SPF fail; from=<a{id}@example.com> to=<u1@example.org> proto=ESMTP helo=<fwd.example.net>"
                ),
                _ => format!(
                    "NOQUEUE: reject: RCPT from {{}}: 550 5.1.0 <a{id}@example.com>: Sender address rejected: User unknown; from=<a{id}@example.com> to=<u1@example.org> proto=ESMTP helo=<fwd.example.net>"
                ),
            };
            Session::begin(scene, host, address, at)
                .helo("fwd.example.net")
                .tell(&message)
                .quit();
        }
    }
}

/// mailcow issue 1253: connects every minute and goes, or says EHLO first.
pub fn monitoring(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let address = address(scene, true);
        let host = scene.host(kind, true, address);
        let says_hello = scene.chance(50);
        let mut at = scene.between(0, MINUTE);
        while at < DAY {
            let mut session = Session::begin(scene, host, address, at);
            match says_hello {
                true => session.helo("nagios.example.net").quit(),
                false => session.tell("lost connection after CONNECT from {}").end(),
            };
            at += MINUTE;
        }
    }
}

/// Handshakes fail, connections get lost; now and then a message comes through.
pub fn old_tls(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = sender(scene, kind);
        for _ in 0..scene.between(10, 80) {
            let at = scene.between(0, DAY);
            let is_tls = scene.chance(60);
            let mut session = Session::begin(scene, host, address, at);
            match is_tls {
                true => session
                    .helo("old.example.net")
                    .tell("SSL_accept error from {}: -1")
                    .tell("lost connection after STARTTLS from {}")
                    .end(),
                false => session
                    .helo("old.example.net")
                    .tell("timeout after DATA (12345 bytes) from {}")
                    .end(),
            };
        }
        let at = scene.between(0, DAY);
        deliver(scene, host, address, at);
    }
}

/// A few messages, and a mistake or two: a name that is not one, a listed address for an hour.
pub fn small(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let (host, address) = sender(scene, kind);
        for _ in 0..scene.between(1, 8) {
            let at = scene.between(0, DAY);
            deliver(scene, host, address, at);
        }
        for _ in 0..scene.between(0, 3) {
            let at = scene.between(0, DAY);
            let reply = match scene.random.below(3) {
                0 => "<localhost>: Helo command rejected: need fully-qualified hostname".to_owned(),
                1 => format!(
                    "Service unavailable; Client host [{address}] blocked using zen.example.net"
                ),
                _ => "<jo@example.invalid>: Sender address rejected: Domain not found".to_owned(),
            };
            Session::begin(scene, host, address, at)
                .helo("localhost")
                .reject("550 5.7.1", "u1@example.org", &reply, "jo@example.invalid")
                .quit();
        }
    }
}

/// The administrator's own scanner does everything that is bad. It is on the allowlist.
pub fn own_scanner(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let address = address(scene, true);
        let host = scene.host(kind, true, address);
        scene.allowed.push(address.into());
        for _ in 0..50 {
            let at = scene.between(0, DAY);
            postscreen_pregreet(scene, at, address, "ylmf-pc");
            let mut session = Session::begin(scene, host, address, at);
            session.helo("ylmf-pc").failed_login(None);
            session
                .tell("warning: non-SMTP command from {}: GET / HTTP/1.1")
                .end();
        }
    }
}

/// Customers of a hoster in one /64: each delivers a little, some to dead addresses.
pub fn shared_prefix(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let prefix = u16::try_from(scene.id() % 60_000).unwrap_or(0);
        let of = |customer| {
            IpAddr::from(Ipv6Addr::new(
                0x2001, 0xdb8, 0xffff, prefix, 0, 0, 0, customer,
            ))
        };
        for customer in 1..=6 {
            let address = of(customer);
            let host = sender_at(scene, kind, address);
            for _ in 0..scene.between(3, 12) {
                let at = scene.between(0, DAY);
                deliver(scene, host, address, at);
            }
            for _ in 0..scene.between(0, 3) {
                let (at, to) = (scene.between(0, DAY), dead(scene));
                Session::begin(scene, host, address, at)
                    .helo("vps.example.net")
                    .unknown(&to, "www-data@vps.example.net")
                    .quit();
            }
        }
    }
}
