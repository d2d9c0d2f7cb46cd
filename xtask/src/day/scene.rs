//! A day of a mail host as its logs tell it: lines in the order of their times, and who was behind them.

use std::{fmt::Display, net::IpAddr, ops::Range};

use ipnet::IpNet;
use jiff::Timestamp;

use crate::bench::logs::random::Random;

/// When the day begins: 2026-03-02, midnight (UTC).
const MIDNIGHT_MS: i64 = 1_772_409_600_000;
/// Milliseconds of a second, a minute, an hour, a day.
pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The login server is gone, and says so.
pub const NO_LOGIN_SERVER: Range<i64> = 10 * HOUR..10 * HOUR + 10 * MINUTE;
/// The table of passwords is empty: everybody's is wrong.
pub const NO_PASSWORDS: Range<i64> = 13 * HOUR..13 * HOUR + 10 * MINUTE;
/// The table of mailboxes is empty: nobody is known.
pub const NO_MAILBOXES: Range<i64> = 16 * HOUR..16 * HOUR + 10 * MINUTE;

/// Who was behind the lines of some addresses.
pub struct Host {
    /// What it does, in a word or two.
    pub kind: &'static str,
    /// Whether it must not be banned.
    pub is_good: bool,
    /// Its address, or, of one that moves about, its network.
    pub net: IpNet,
    /// When it did what it should not have done, in milliseconds since midnight.
    pub offences: Vec<i64>,
}

/// A number of a host in its scene.
#[derive(Clone, Copy)]
pub struct HostId(usize);

/// A day, while it is made up.
pub struct Scene {
    pub random: Random,
    /// Lines with their times, in milliseconds since midnight.
    lines: Vec<(i64, String)>,
    hosts: Vec<Host>,
    /// Addresses that the administrator has put on the allowlist.
    pub allowed: Vec<IpNet>,
    ids: u32,
}

impl Scene {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            lines: Vec::new(),
            hosts: Vec::new(),
            allowed: Vec::new(),
            ids: 0,
        }
    }

    /// A host that comes on stage.
    pub fn host(&mut self, kind: &'static str, is_good: bool, net: impl Into<IpNet>) -> HostId {
        self.hosts.push(Host {
            kind,
            is_good,
            net: net.into(),
            offences: Vec::new(),
        });
        HostId(self.hosts.len() - 1)
    }

    /// It did what it should not have done.
    pub fn offence(&mut self, host: HostId, at: i64) {
        self.hosts[host.0].offences.push(at);
    }

    /// A line as rsyslog writes it.
    pub fn syslog(&mut self, at: i64, tag: impl Display, message: impl Display) {
        let stamp = stamp(at, "%Y-%m-%dT%H:%M:%S%.3f+00:00");
        self.lines
            .push((at, format!("{stamp} mx1 {tag}: {message}")));
    }

    /// A line of Exim's own log.
    pub fn exim(&mut self, at: i64, message: impl Display) {
        let stamp = stamp(at, "%Y-%m-%d %H:%M:%S%.3f");
        self.lines.push((at, format!("{stamp} {message}")));
    }

    /// A number that no other process, session or message has.
    pub fn id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }

    /// One of `from..to`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let width = u64::try_from(to - from).unwrap_or(1).max(1);
        from + i64::try_from(self.random.below(width)).unwrap_or(0)
    }

    /// Whether it happens, `percent` times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    /// The lines in the order of their times, and the hosts.
    pub fn finish(mut self) -> Day {
        self.lines.sort_by_key(|(at, _)| *at);
        for host in &mut self.hosts {
            host.offences.sort_unstable();
        }
        Day {
            lines: self.lines.into_iter().map(|(_, line)| line).collect(),
            hosts: self.hosts,
            allowed: self.allowed,
        }
    }
}

/// A day that is made up.
pub struct Day {
    pub lines: Vec<String>,
    pub hosts: Vec<Host>,
    pub allowed: Vec<IpNet>,
}

/// Milliseconds since midnight of a time that the judge tells.
pub fn since_midnight(at: std::time::SystemTime) -> i64 {
    Timestamp::try_from(at).map_or(0, |at| at.as_millisecond() - MIDNIGHT_MS)
}

fn stamp(at: i64, format: &str) -> String {
    Timestamp::from_millisecond(MIDNIGHT_MS + at)
        .map(|at| at.strftime(format).to_string())
        .unwrap_or_default()
}

/// Addresses that nobody has (RFC 1112, class E): there are enough of them that hosts are as far apart as they are on the
/// Internet. Bad hosts have the lower half.
pub fn address(scene: &mut Scene, is_good: bool) -> IpAddr {
    let within = u32::try_from(scene.random.below(0x0700_0000)).unwrap_or(0);
    let first = if is_good { 0xf700_0000 } else { 0xf000_0000 };
    std::net::Ipv4Addr::from_bits(first + within).into()
}

/// A /24 of such addresses.
pub fn network(scene: &mut Scene, is_good: bool) -> u32 {
    match address(scene, is_good) {
        IpAddr::V4(address) => address.to_bits() & 0xffff_ff00,
        IpAddr::V6(_) => 0,
    }
}
