//! Who spreads over a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use super::guessers::Program;
use crate::day::{
    names::{guess, recipient},
    scene::{DAY, HOUR, MINUTE, Scene, network},
    smtpd::Session,
};

/// Hosts of a /24 that send a little spam each: unknown recipients, refusals by DNS list and by a filter, and one message in
/// ten that gets through.
pub fn snowshoe(scene: &mut Scene, kind: &'static str, count: u64) {
    each_network(scene, count, |scene, base, hosts| {
        let begin = scene.between(0, 16 * HOUR);
        for number in 1..=hosts {
            let address: IpAddr = Ipv4Addr::from_bits(base + number).into();
            let host = scene.host(kind, false, address);
            let messages = scene.between(3, 10);
            for _ in 0..messages {
                let at = begin + scene.between(0, 4 * HOUR);
                let (to, what) = (recipient(scene), scene.random.below(10));
                let from = format!("offer{number}@example.com");
                let mut session = Session::begin(scene, host, address, at);
                session.helo("mail.example.com");
                match what {
                    0 => {
                        session.accept(&from, 1);
                    }
                    1..=4 => {
                        session.unknown(&to, &from).offence();
                    }
                    5..=7 => {
                        let reply = format!(
                            "Service unavailable; Client host [{address}] blocked using zen.example.net"
                        );
                        session
                            .reject("554 5.7.1", "u1@example.org", &reply, &from)
                            .offence();
                    }
                    _ => {
                        let reply = "<u1@example.org>: Recipient address rejected: spam";
                        session
                            .reject("550 5.7.1", "u1@example.org", reply, &from)
                            .offence();
                    }
                }
                session.quit();
            }
        }
    });
}

/// Logins from a /24, a few of each address before the next is taken (haraka-plugin-karma: attackers rotate through it).
pub fn rotating(scene: &mut Scene, kind: &'static str, count: u64) {
    each_network(scene, count, |scene, base, hosts| {
        let program = Program::any(scene);
        let mut at = scene.between(0, 16 * HOUR);
        for number in 1..=hosts {
            let address: IpAddr = Ipv4Addr::from_bits(base + number).into();
            let host = scene.host(kind, false, address);
            let tries = scene.between(1, 4);
            for _ in 0..tries {
                let account = guess(scene);
                program.fail(scene, host, address, at, &account);
                at += scene.between(1_000, 2 * MINUTE);
            }
        }
    });
}

/// One customer's IPv6 /48, another /64 of it for each try. It is one host here: nobody else has addresses there.
pub fn hopping(scene: &mut Scene, kind: &'static str, count: u64) {
    for _ in 0..count {
        let third = u16::try_from(scene.id() % 60_000).unwrap_or(0);
        let base = Ipv6Addr::new(0x2001, 0xdb8, third, 0, 0, 0, 0, 0);
        let net = IpNet::V6(Ipv6Net::new_assert(base, 48));
        let host = scene.host(kind, false, net);
        let program = Program::any(scene);
        let mut at = scene.between(0, DAY - 6 * HOUR);
        let tries = scene.between(100, 500);
        for _ in 0..tries {
            let subnet = u16::try_from(scene.random.below(0x1_0000)).unwrap_or(0);
            let address = Ipv6Addr::new(0x2001, 0xdb8, third, subnet, 0, 0, 0, 1).into();
            let account = guess(scene);
            program.fail(scene, host, address, at, &account);
            at += scene.between(1_000, 40_000);
        }
    }
}

/// Networks with about `count` hosts together.
fn each_network(scene: &mut Scene, count: u64, mut play: impl FnMut(&mut Scene, u32, u32)) {
    let mut left = i64::try_from(count).unwrap_or(0).max(20);
    while left > 0 {
        let hosts = scene.between(20, 80);
        let base = network(scene, false);
        play(scene, base, u32::try_from(hosts).unwrap_or(20));
        left -= hosts;
    }
}
