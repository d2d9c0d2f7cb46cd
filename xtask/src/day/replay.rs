//! The day as the agent's library reads and judges it, and what became of whom.

use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use jiff::tz::TimeZone;
use mailwall::{
    allowlist::{AllowEntry, AllowOrigin, Allowlist},
    config::Config,
    decision::Decision,
    dialect::{Reader, Reading},
    judge::{Judge, JudgeSettings},
};

use super::scene::{Day, Host, since_midnight};

/// Offences within which an abusive host should be banned.
pub const SOON: usize = 20;

/// A ban of a judge.
pub struct Banned {
    pub net: IpNet,
    /// When, in milliseconds since midnight.
    pub at: i64,
    pub rule: String,
    pub reason: String,
}

/// What became of a host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It was never banned.
    Free,
    /// It was, after so many offences.
    Banned {
        after: usize,
        rule: String,
        reason: String,
    },
}

/// What came of a day.
pub struct Replay {
    pub lines: usize,
    pub events: usize,
    pub bans: Vec<Banned>,
}

/// Judges the day.
pub fn judge(day: &Day, config: &Config) -> Replay {
    let allowed = day.allowed.iter().map(|net| AllowEntry {
        net: *net,
        origin: AllowOrigin::Config,
        reason: String::new(),
    });
    let rules = config.rules.rules.iter().map(|(rule, _)| rule.clone());
    let settings = JudgeSettings {
        rules: rules.collect(),
        ipv6_prefix: config.filter.ipv6_prefix,
    };
    let mut judge = Judge::new(settings, Allowlist::new(allowed));
    config.clemency.put_in_force(&mut judge);
    let mut reader = Reader::new(TimeZone::UTC);
    // Only for lines without a year, of which there are none.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_409_600);
    let mut replay = Replay {
        lines: day.lines.len(),
        events: 0,
        bans: Vec::new(),
    };
    for line in &day.lines {
        let Reading::Event(event) = reader.read(line.as_bytes(), now) else {
            continue;
        };
        replay.events += 1;
        if judge.poll_timeout().is_some_and(|due| due <= event.at) {
            judge.handle_timeout(event.at);
        }
        judge.handle_event(&event, line.as_bytes());
        while let Some(decision) = judge.next_decision() {
            if let Decision::Ban(ban) = decision {
                replay.bans.push(Banned {
                    net: ban.net,
                    at: since_midnight(ban.since),
                    rule: ban.origin.to_string(),
                    reason: ban.reason,
                });
            }
        }
    }
    replay
}

impl Replay {
    /// What became of the hosts of a day, in their order.
    pub fn fates(&self, day: &Day) -> Vec<Fate> {
        // A look at each ban for each host takes too long.
        let mut bans: Vec<&Banned> = self.bans.iter().collect();
        bans.sort_by_key(|ban| (ban.net.prefix_len(), ban.net, ban.at));
        let first = |net: IpNet| -> Option<&Banned> {
            let start = bans
                .partition_point(|ban| (ban.net.prefix_len(), ban.net) < (net.prefix_len(), net));
            bans.get(start).filter(|ban| ban.net == net).copied()
        };
        day.hosts.iter().map(|host| fate(host, first)).collect()
    }
}

fn fate<'b>(host: &Host, first: impl Fn(IpNet) -> Option<&'b Banned>) -> Fate {
    // Bans are of hosts, of a /64, a /56 or a /48, of a /24.
    const LENGTHS: [u8; 6] = [32, 24, 128, 64, 56, 48];
    let around = LENGTHS
        .iter()
        .filter(|&&length| length <= host.net.prefix_len());
    let around = around.filter_map(|&length| IpNet::new(host.net.addr(), length).ok());
    let ban = around
        .filter_map(|net| first(net.trunc()))
        .min_by_key(|ban| ban.at);
    match ban {
        Some(ban) => Fate::Banned {
            after: host.offences.partition_point(|&at| at <= ban.at),
            rule: ban.rule.clone(),
            reason: ban.reason.clone(),
        },
        None => Fate::Free,
    }
}
