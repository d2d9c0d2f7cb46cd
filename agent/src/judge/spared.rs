//! Who misbehaved and was not banned for it, since the allowlist, the list of providers or its own past spares it.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;

use crate::{
    ban::RuleName,
    event::{Event, EventKind},
    rule::{Moment, Tracked},
};

/// Most hosts that are remembered; the one longest without an offence is forgotten.
pub const SPARED_MAX: usize = 4096;
/// For how long.
const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);
/// Patience with a regular is for so long.
const PATIENCE_WITHIN: Duration = Duration::from_secs(86_400);

/// What spares a host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mercy {
    /// An entry of the allowlist.
    Allowed(IpNet),
    /// It did well on several of the last days.
    Regular,
    /// It is of this provider.
    Provider(Box<str>),
}

impl Mercy {
    /// Kebab-case name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allowed(_) => "allowed",
            Self::Regular => "regular",
            Self::Provider(_) => "provider",
        }
    }
}

/// A host that was spared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spared {
    /// Which host, or network.
    pub net: IpNet,
    /// What spared it the last time.
    pub mercy: Mercy,
    /// Offences of a host on the allowlist, which no rule sees.
    pub offences: u64,
    /// How many times it reached the limit of a rule and was not banned.
    pub breaches: u64,
    /// The rule of the last time.
    pub rule: Option<RuleName>,
    /// What its last offence was; `None` where a rule counted several kinds.
    pub kind: Option<EventKind>,
    /// When it was spared first.
    pub first: SystemTime,
    /// When last.
    pub last: SystemTime,
    /// Since when its breaches of a day are counted, and how many there were.
    day: (SystemTime, u32),
}

/// Those that were spared lately.
#[derive(Debug)]
pub(super) struct SparedHosts {
    hosts: Tracked<IpNet, Spared>,
}

impl SparedHosts {
    pub(super) fn new() -> Self {
        Self {
            hosts: Tracked::new(SPARED_MAX),
        }
    }

    /// A host on the allowlist offends.
    pub(super) fn note_allowed(&mut self, address: IpAddr, entry: IpNet, event: &Event) {
        let spared = self.touch(
            address.to_canonical().into(),
            Mercy::Allowed(entry),
            event.at,
        );
        spared.offences += 1;
        spared.kind = Some(event.kind);
    }

    /// A limit was reached, and nothing follows.
    pub(super) fn note_breach(&mut self, net: IpNet, mercy: Mercy, rule: RuleName, at: SystemTime) {
        let spared = self.touch(net, mercy, at);
        spared.breaches += 1;
        spared.rule = Some(rule);
        spared.kind = None;
        let (since, count) = spared.day;
        spared.day = match at.duration_since(since) {
            Ok(age) if age >= PATIENCE_WITHIN => (at, 1),
            _ => (since, count.saturating_add(1)),
        };
    }

    /// How many times `net` was spared within a day of its first breach.
    pub(super) fn breaches_lately(&self, net: &IpNet, at: SystemTime) -> u32 {
        let of_day = self.hosts.get(net).map(|spared| spared.day);
        of_day.map_or(0, |(since, count)| match at.duration_since(since) {
            Ok(age) if age >= PATIENCE_WITHIN => 0,
            _ => count,
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Spared> {
        self.hosts.values()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    pub(super) fn forget(&mut self, now: Moment) {
        while self.hosts.pop_idle(now, REMEMBERED).is_some() {}
    }

    fn touch(&mut self, net: IpNet, mercy: Mercy, at: SystemTime) -> &mut Spared {
        let (spared, _) = self.hosts.touch(net, Moment::from(at), || Spared {
            net,
            mercy: mercy.clone(),
            offences: 0,
            breaches: 0,
            rule: None,
            kind: None,
            first: at,
            last: at,
            day: (at, 0),
        });
        spared.mercy = mercy;
        spared.last = spared.last.max(at);
        spared
    }
}
