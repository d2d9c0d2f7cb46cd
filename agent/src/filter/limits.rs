//! The limits in the kernel's maps, and what it tells of them.

use std::collections::{HashMap, HashSet};

use aya::{
    Ebpf,
    maps::{
        Array, MapData, PerCpuArray, RingBuf,
        lpm_trie::{Key, LpmTrie},
    },
};
use ipnet::IpNet;
use mailwall_common::{
    AddressV6, Counted, DEFAULT_LIMIT, EventRing, KernelInstant, LIMITS_CAPACITY, Limit,
    LimitEvent, LimitEventKind, LimitsInForce, SourceKey, map_name,
};

use super::{
    error::FilterError,
    maps::{done_if_absent, failed, take},
    settings::SettingsEntry,
};
use crate::limit::{Counts, LimitNotice, LimitRule};

/// The limits in the kernel.
pub struct Limits {
    limits: Array<MapData, Limit>,
    v4: LpmTrie<MapData, [u8; 4], u32>,
    v6: LpmTrie<MapData, [u8; 16], u32>,
    lost: PerCpuArray<MapData, u64>,
    /// Index of each limited network. It stays as long as the network is limited: what is counted of a network as a whole is
    /// counted under it.
    indices: HashMap<IpNet, u32>,
    /// What is at each index that is in use.
    rules: HashMap<u32, LimitRule>,
}

/// A ring of events, for [`follow`](super::limit_events::follow).
pub struct Ring(pub(super) RingBuf<MapData>);

impl Limits {
    /// Takes the maps out of a loaded object, with the limits of an earlier start in them.
    ///
    /// # Errors
    /// When one is missing, or the kernel refuses.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, FilterError> {
        let mut limits = Self {
            limits: take(ebpf, map_name::LIMITS)?,
            v4: take(ebpf, map_name::LIMITS_V4)?,
            v6: take(ebpf, map_name::LIMITS_V6)?,
            lost: take(ebpf, map_name::LOST_EVENTS)?,
            indices: HashMap::new(),
            rules: HashMap::new(),
        };
        for entry in limits.v4.iter() {
            let (key, index) = entry.map_err(failed("read", map_name::LIMITS_V4))?;
            if let Ok(net) = IpNet::new(key.data().into(), len(key.prefix_len())) {
                limits.indices.insert(net, index);
            }
        }
        for entry in limits.v6.iter() {
            let (key, index) = entry.map_err(failed("read", map_name::LIMITS_V6))?;
            if let Ok(net) = IpNet::new(key.data().into(), len(key.prefix_len())) {
                limits.indices.insert(net, index);
            }
        }
        Ok(limits)
    }

    /// The rings of events. Each can be taken once.
    ///
    /// # Errors
    /// When one is missing.
    pub fn take_rings(ebpf: &mut Ebpf) -> Result<[Ring; 2], FilterError> {
        Ok([
            Ring(take(ebpf, map_name::SYN_EVENTS)?),
            Ring(take(ebpf, map_name::CONNECTION_EVENTS)?),
        ])
    }

    /// Makes the maps hold exactly these limits. Who is limited before and after is limited throughout.
    ///
    /// # Errors
    /// When the kernel refuses an update.
    pub fn set(
        &mut self,
        rules: &[LimitRule],
        settings: &mut SettingsEntry,
    ) -> Result<(), FilterError> {
        let wanted: HashSet<IpNet> = rules.iter().filter_map(|rule| rule.network).collect();
        let leave: Vec<IpNet> = self
            .indices
            .keys()
            .filter(|net| !wanted.contains(net))
            .copied()
            .collect();
        // A network that comes needs an index, and its limit before its entry. Networks that go leave first only where there
        // is no room for both.
        if self.indices.len() + wanted.len() >= LIMITS_CAPACITY as usize {
            self.leave(&leave)?;
        }
        let mut in_use: HashSet<u32> = self.indices.values().copied().collect();
        let mut in_force = LimitsInForce::default();
        let mut default = None;
        self.rules.clear();
        for rule in rules {
            in_force = in_force.with(needed(rule));
            let index = match rule.network {
                None => {
                    default = Some(*rule);
                    DEFAULT_LIMIT
                }
                Some(net) => match self.indices.get(&net) {
                    Some(index) => *index,
                    None => free_index(&mut in_use),
                },
            };
            self.write(index, limit(rule))?;
            self.rules.insert(index, *rule);
            if let Some(net) = rule.network
                && self.indices.insert(net, index).is_none()
            {
                self.enter(net, index)?;
            }
        }
        if default.is_none() {
            self.write(DEFAULT_LIMIT, Limit::default())?;
        }
        settings.change(|settings| settings.limits = in_force)?;
        self.leave(&leave)
    }

    /// Under what a connection of this address is counted; `None` where nothing is.
    pub fn key_of(&self, address: std::net::IpAddr) -> Option<SourceKey> {
        let address = address.to_canonical();
        let net = IpNet::from(address);
        let narrowest = (0..=net.prefix_len()).rev().find_map(|len| {
            let net = IpNet::new(address, len).ok()?.trunc();
            self.indices.get(&net).copied()
        });
        let index = narrowest.unwrap_or(DEFAULT_LIMIT);
        let rule = self.rules.get(&index)?;
        rule.limits_anything().then(|| match rule.counts {
            Counts::Address => SourceKey::from(address),
            Counts::Network => SourceKey::network(index),
        })
    }

    /// What an event says; `None` for one of a limit that is no more.
    pub fn notice(&self, event: &LimitEvent) -> Option<LimitNotice> {
        let counted = SourceKey::from_word(event.key).counted();
        let (who, is_one_source) = match counted {
            Counted::AddressV4(_) | Counted::PrefixV6(_) => (counted.net()?, true),
            Counted::Network(index) => (self.rules.get(&index)?.network?, false),
        };
        let kind = event.known_kind()?;
        let completed = match kind {
            LimitEventKind::ConnectionsOver | LimitEventKind::OpenOver => true,
            LimitEventKind::SynsOver
            | LimitEventKind::SynsUnder
            | LimitEventKind::ConnectionsUnder
            | LimitEventKind::OpenUnder => false,
        };
        Some(LimitNotice {
            at: KernelInstant::from_ns(event.at_ns),
            kind,
            who,
            client: (completed && is_one_source).then(|| client(event.address)),
            port: u16::try_from(event.port).unwrap_or_default(),
            refused: event.refused,
            open: event.open,
        })
    }

    /// Events that found no room, since the maps were made.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn lost(&self) -> Result<u64, FilterError> {
        let mut lost = 0;
        for ring in EventRing::ALL {
            let per_cpu = self.lost.get(&(ring as u32), 0);
            let per_cpu = per_cpu.map_err(failed("read", map_name::LOST_EVENTS))?;
            lost += per_cpu.iter().sum::<u64>();
        }
        Ok(lost)
    }

    fn write(&mut self, index: u32, limit: Limit) -> Result<(), FilterError> {
        let written = self.limits.set(index, limit, 0);
        written.map_err(failed("write", map_name::LIMITS))
    }

    fn enter(&mut self, net: IpNet, index: u32) -> Result<(), FilterError> {
        match net {
            IpNet::V4(net) => self
                .v4
                .insert(&key(net.prefix_len(), net.addr().octets()), index, 0)
                .map_err(failed("add to", map_name::LIMITS_V4)),
            IpNet::V6(net) => self
                .v6
                .insert(&key(net.prefix_len(), net.addr().octets()), index, 0)
                .map_err(failed("add to", map_name::LIMITS_V6)),
        }
    }

    fn leave(&mut self, nets: &[IpNet]) -> Result<(), FilterError> {
        for net in nets {
            let (left, map) = match net {
                IpNet::V4(net) => (
                    self.v4.remove(&key(net.prefix_len(), net.addr().octets())),
                    map_name::LIMITS_V4,
                ),
                IpNet::V6(net) => (
                    self.v6.remove(&key(net.prefix_len(), net.addr().octets())),
                    map_name::LIMITS_V6,
                ),
            };
            done_if_absent(left).map_err(failed("remove from", map))?;
            self.indices.remove(net);
        }
        Ok(())
    }
}

fn key<D: aya::Pod>(prefix_len: u8, octets: D) -> Key<D> {
    Key::new(u32::from(prefix_len), octets)
}

fn len(prefix_len: u32) -> u8 {
    u8::try_from(prefix_len).unwrap_or(u8::MAX)
}

fn limit(rule: &LimitRule) -> Limit {
    let limit = Limit::new(rule.per_minute, rule.concurrent);
    match rule.counts {
        Counts::Address => limit,
        Counts::Network => limit.together(),
    }
}

/// What the kernel has to look for because of a rule.
fn needed(rule: &LimitRule) -> LimitsInForce {
    let mut needed = LimitsInForce::default();
    if rule.per_minute != 0 {
        needed = needed.with(LimitsInForce::RATE);
    }
    if rule.concurrent != 0 {
        needed = needed.with(LimitsInForce::CONCURRENT);
    }
    match rule.network {
        Some(IpNet::V4(_)) => needed.with(LimitsInForce::NETWORKS_V4),
        Some(IpNet::V6(_)) => needed.with(LimitsInForce::NETWORKS_V6),
        None => needed,
    }
}

/// The lowest index that no network has. The configuration has at most as many as there are.
fn free_index(in_use: &mut HashSet<u32>) -> u32 {
    let free = (DEFAULT_LIMIT + 1..LIMITS_CAPACITY)
        .find(|index| !in_use.contains(index))
        .unwrap_or(LIMITS_CAPACITY - 1);
    in_use.insert(free);
    free
}

fn client(address: AddressV6) -> std::net::IpAddr {
    std::net::IpAddr::from(address.octets()).to_canonical()
}
