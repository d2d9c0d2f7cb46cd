//! The hosts that the judge wants slowed down.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;

use crate::decision::Tarpit;

/// Most hosts that are slowed down. When there are more, the one whose time is over first is not any more.
pub const TARPITS_MAX: usize = 65_536;

/// For each net how long its commands wait, and until when they do.
#[derive(Debug, Default)]
pub struct Tarpits {
    of_net: HashMap<IpNet, (Duration, SystemTime)>,
}

impl Tarpits {
    /// Slows a net down, in place of what was said of it before.
    pub fn put(&mut self, tarpit: &Tarpit, now: SystemTime) {
        if self.of_net.len() >= TARPITS_MAX && !self.of_net.contains_key(&tarpit.net) {
            self.make_room(now);
        }
        self.of_net
            .insert(tarpit.net.trunc(), (tarpit.delay, tarpit.until));
    }

    /// Forgets what was said of a net and of those inside it.
    pub fn pardon(&mut self, net: IpNet) {
        self.of_net.retain(|inner, _| !net.contains(inner));
    }

    /// How long a client waits at each command.
    pub fn delay_of(&self, client: IpAddr, now: SystemTime) -> Option<Duration> {
        if self.of_net.is_empty() {
            return None;
        }
        let host = IpNet::from(client);
        let nets =
            (0..=host.prefix_len()).filter_map(|len| Some(IpNet::new(client, len).ok()?.trunc()));
        nets.filter_map(|net| self.of_net.get(&net))
            .filter(|(_, until)| *until > now)
            .map(|(delay, _)| *delay)
            .max()
    }

    /// How many nets are slowed down.
    pub fn len(&self) -> usize {
        self.of_net.len()
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.of_net.is_empty()
    }

    /// Forgets what is over, or else a tenth of all, those that end first, so that this is seldom done.
    fn make_room(&mut self, now: SystemTime) {
        self.of_net.retain(|_, (_, until)| *until > now);
        if self.of_net.len() < TARPITS_MAX {
            return;
        }
        let mut ends: Vec<SystemTime> = self.of_net.values().map(|(_, until)| *until).collect();
        let (_, last, _) = ends.select_nth_unstable(TARPITS_MAX / 10);
        let last = *last;
        let mut room = TARPITS_MAX / 10;
        self.of_net.retain(|_, (_, until)| {
            let goes = *until <= last && room > 0;
            room -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ban::{Origin, RuleName};

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn tarpit(net: &str, delay: u64, until: u64) -> Tarpit {
        Tarpit {
            net: net.parse().unwrap(),
            origin: Origin::Rule(RuleName::new("soft").unwrap()),
            since: at(0),
            until: at(until),
            delay: Duration::from_secs(delay),
            count: 3,
            reason: String::new(),
        }
    }

    #[test]
    fn the_longest_delay_of_a_net_around_a_client_holds_until_its_end() {
        let mut tarpits = Tarpits::default();
        tarpits.put(&tarpit("203.0.113.7/32", 5, 100), at(0));
        tarpits.put(&tarpit("203.0.113.7/32", 10, 100), at(0));
        tarpits.put(&tarpit("203.0.113.0/24", 7, 200), at(0));
        tarpits.put(&tarpit("2001:db8:1::/64", 5, 100), at(0));
        let of = |client: &str, now| {
            let delay = tarpits.delay_of(client.parse().unwrap(), at(now));
            delay.map(|delay| delay.as_secs())
        };
        assert_eq!(of("203.0.113.7", 99), Some(10));
        assert_eq!(of("203.0.113.7", 100), Some(7));
        assert_eq!(of("203.0.113.8", 199), Some(7));
        assert_eq!(of("203.0.113.8", 200), None);
        assert_eq!(of("2001:db8:1::9", 0), Some(5));
        assert_eq!(of("2001:db8:2::9", 0), None);
        tarpits.pardon("203.0.113.0/24".parse().unwrap());
        assert_eq!(tarpits.len(), 1);
    }

    #[test]
    fn there_is_a_bound_and_the_newest_is_kept() {
        let mut tarpits = Tarpits::default();
        for host in 0..TARPITS_MAX as u32 + 10 {
            let address = std::net::Ipv4Addr::from(host);
            let one = tarpit(&format!("{address}/32"), 5, 1000);
            tarpits.put(&one, at(0));
        }
        assert!(tarpits.len() <= TARPITS_MAX);
        let last = std::net::Ipv4Addr::from(TARPITS_MAX as u32 + 9);
        assert!(tarpits.delay_of(last.into(), at(0)).is_some());
    }
}
