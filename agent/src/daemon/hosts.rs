//! Who misbehaves most just now, for `mailwall top`. Nothing is judged by it: it forgets what the judge remembers.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use foldhash::quality::RandomState;
use ipnet::IpNet;

use super::Daemon;
use crate::{
    control::protocol::{HostList, HostView, SCHEMA},
    event::{Event, EventKind, Service},
};

/// Most hosts that are remembered; when there are more, the half with the lower scores is forgotten.
const HOSTS_MAX: usize = 4096;
/// Most hosts of an answer.
const SHOWN_MAX: usize = 1000;
/// In this time a score falls to its half.
const HALF_LIFE: Duration = Duration::from_secs(600);
/// What counts as one IPv6 host.
const PREFIX_V6: u8 = 64;

/// Hosts with offences, by what they weigh.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    by_net: HashMap<IpNet, Host, RandomState>,
}

#[derive(Clone, Copy, Debug)]
struct Host {
    /// As it was at `at`.
    score: f64,
    /// Steady clock.
    at: SystemTime,
    offences: u64,
    last: EventKind,
    service: Service,
}

impl Host {
    fn score_at(&self, now: SystemTime) -> f64 {
        let age = now.duration_since(self.at).unwrap_or_default();
        self.score * (-age.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
    }
}

impl Hosts {
    /// Takes in an offence.
    pub(super) fn note(&mut self, event: &Event) {
        let Some(address) = event.address else {
            return;
        };
        let weight = event.score.as_f64();
        let net = host(address);
        if let Some(host) = self.by_net.get_mut(&net) {
            host.score = host.score_at(event.at) + weight;
            host.at = host.at.max(event.at);
            host.offences += 1;
            (host.last, host.service) = (event.kind, event.service);
            return;
        }
        if self.by_net.len() >= HOSTS_MAX {
            self.forget_half(event.at);
        }
        let host = Host {
            score: weight,
            at: event.at,
            offences: 1,
            last: event.kind,
            service: event.service,
        };
        self.by_net.insert(net, host);
    }

    fn forget_half(&mut self, now: SystemTime) {
        let mut scores: Vec<f64> = self
            .by_net
            .values()
            .map(|host| host.score_at(now))
            .collect();
        let half = scores.len() / 2;
        let (_, middle, _) = scores.select_nth_unstable_by(half, f64::total_cmp);
        let middle = *middle;
        let above = self.by_net.values();
        let above = above.filter(|host| host.score_at(now) > middle).count();
        // Of many with the same score no more are kept than there is room for.
        let mut room = (HOSTS_MAX / 2).saturating_sub(above);
        self.by_net.retain(|_, host| {
            let score = host.score_at(now);
            let is_one_of_many = score.total_cmp(&middle).is_eq() && room > 0;
            room -= usize::from(is_one_of_many);
            score > middle || is_one_of_many
        });
    }

    /// The highest scores first.
    fn ranked(&self, now: SystemTime) -> Vec<(IpNet, Host, f64)> {
        let scored = self.by_net.iter();
        let mut ranked: Vec<(IpNet, Host, f64)> = scored
            .map(|(net, host)| (*net, *host, host.score_at(now)))
            .collect();
        ranked.sort_unstable_by(|(a, _, m), (b, _, n)| n.total_cmp(m).then(a.cmp(b)));
        ranked
    }
}

fn host(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    match address {
        IpAddr::V4(_) => IpNet::from(address),
        IpAddr::V6(_) => {
            IpNet::new(address, PREFIX_V6).map_or(IpNet::from(address), |net| net.trunc())
        }
    }
}

impl Daemon {
    /// Hosts by score.
    pub(super) fn host_list(&self, limit: usize) -> HostList {
        let now = self.clock.now();
        let ranked = self.log.hosts().ranked(now);
        let total = ranked.len();
        let limit = if limit == 0 {
            SHOWN_MAX
        } else {
            limit.min(SHOWN_MAX)
        };
        let hosts = ranked
            .into_iter()
            .take(limit)
            .map(|(net, host, score)| HostView {
                net,
                score: (score * 10.0).round() / 10.0,
                offences: host.offences,
                last: host.last.as_str().to_owned(),
                service: host.service.as_str().to_owned(),
                last_s: now.duration_since(host.at).unwrap_or_default().as_secs(),
                banned: self.judge.bans().around(net).next().is_some(),
            });
        HostList {
            schema: SCHEMA,
            total,
            hosts: hosts.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::{Duration, SystemTime},
    };

    use super::{HOSTS_MAX, Hosts};
    use crate::event::{Event, EventKind, Service};

    fn offence(address: IpAddr, at_s: u64) -> Event {
        Event {
            address: Some(address),
            ..Event::new(at(at_s), EventKind::AuthFailure, Service::Smtp, "test")
        }
    }

    fn at(s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(s)
    }

    #[test]
    fn a_score_falls_to_its_half_in_ten_minutes() {
        let mut hosts = Hosts::default();
        let weight = EventKind::AuthFailure.score().as_f64();
        let [old, new] = ["203.0.113.7", "2001:db8::7"].map(|a| a.parse().unwrap());
        for _ in 0..3 {
            hosts.note(&offence(old, 0));
        }
        for _ in 0..2 {
            hosts.note(&offence(new, 600));
        }
        let ranked = hosts.ranked(at(600));
        assert_eq!(ranked[0].0, "2001:db8::/64".parse().unwrap());
        assert!((ranked[0].2 - 2.0 * weight).abs() < 1e-9);
        assert!((ranked[1].2 - 1.5 * weight).abs() < 1e-9);
    }

    #[test]
    fn the_worst_are_remembered_whatever_the_number_of_others() {
        let mut hosts = Hosts::default();
        let worst = "192.0.2.1".parse().unwrap();
        for _ in 0..5 {
            hosts.note(&offence(worst, 0));
        }
        for i in 0..3 * HOSTS_MAX as u32 {
            let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + i);
            hosts.note(&offence(address.into(), 1));
            assert!(hosts.by_net.len() <= HOSTS_MAX);
        }
        assert_eq!(hosts.ranked(at(1))[0].0, "192.0.2.1/32".parse().unwrap());
    }
}
