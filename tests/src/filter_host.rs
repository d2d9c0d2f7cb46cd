//! The filter's code on the host, with a scene for its maps.

use std::{cell::Cell, net::IpAddr};

use ipnet::IpNet;
use mailwall_common::{
    EventRing, KernelInstant, Limit, LimitEvent, LimitsInForce, MODE_ENFORCE, Presence, SourceKey,
};
use mailwall_filter::{
    ban::{Found, Tables},
    filter::filter,
    limit::Limits,
    segment::Source,
    tally::Seats,
};

use crate::filter_scene::{Outcome, Scene};

/// The time that ends of bans are compared with.
pub const NOW: KernelInstant = KernelInstant::from_ns(1_000_000_000);

/// Sends a frame through the filter.
pub fn run(scene: &Scene, frame: &[u8]) -> Outcome {
    let tables = SceneTables {
        scene,
        dropped_by: Cell::new(None),
    };
    let (verdict, family) = filter(&frame, &tables);
    Outcome {
        verdict,
        family,
        dropped_by: tables.dropped_by.get(),
    }
}

/// A scene as tables, searched from one end to the other.
struct SceneTables<'a> {
    scene: &'a Scene,
    dropped_by: Cell<Option<usize>>,
}

impl SceneTables<'_> {
    /// The longest banned prefix that covers the source, among those that are kept as addresses or those that are not.
    fn longest(&self, source: Source, as_address: bool) -> Option<Found<usize>> {
        let bans = self.scene.bans.iter().enumerate();
        bans.filter(|(_, (net, _))| is_address(net) == as_address && covers(net, source))
            .max_by_key(|(_, (net, _))| net.prefix_len())
            .map(|(index, (_, end))| Found {
                may_be_allowed: true,
                end: *end,
                counter: index,
            })
    }
}

impl Tables for SceneTables<'_> {
    /// The ban's index in the scene.
    type Counter = usize;

    fn guards(&self, port: u16) -> bool {
        self.scene.ports.contains(&port)
    }

    fn enforces(&self) -> bool {
        self.scene.mode == MODE_ENFORCE
    }

    fn has_few_addresses(&self, _: Source) -> bool {
        false
    }

    fn presence(&self, source: Source) -> Presence {
        Presence {
            address: self.longest(source, true).is_some(),
            network: self.longest(source, false).is_some(),
        }
    }

    fn address_ban(&self, source: Source) -> Option<Found<usize>> {
        self.longest(source, true)
    }

    fn network_ban(&self, source: Source) -> Option<Found<usize>> {
        self.longest(source, false)
    }

    fn allows(&self, source: Source) -> bool {
        self.scene.allowed.iter().any(|net| covers(net, source))
    }

    fn now(&self) -> KernelInstant {
        NOW
    }

    fn count_drop(&self, ban: usize) {
        assert_eq!(self.dropped_by.get(), None, "a packet is counted once");
        self.dropped_by.set(Some(ban));
    }
}

/// A scene limits nothing.
impl Limits for SceneTables<'_> {
    fn in_force(&self) -> LimitsInForce {
        LimitsInForce::default()
    }

    fn limit_index(&self, _: Source) -> u32 {
        unreachable!("nothing is limited")
    }

    fn limit(&self, _: u32) -> Option<Limit> {
        unreachable!("nothing is limited")
    }

    fn rates(&self, _: SourceKey) -> Option<Seats> {
        unreachable!("nothing is limited")
    }

    fn connections(&self, _: SourceKey) -> Option<Seats> {
        unreachable!("nothing is limited")
    }

    fn tell(&self, _: EventRing, _: &LimitEvent) {
        unreachable!("nothing is limited")
    }
}

fn is_address(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.prefix_len() == 32,
        IpNet::V6(net) => net.prefix_len() == 64,
    }
}

fn covers(net: &IpNet, source: Source) -> bool {
    match source {
        Source::V4(source) => net.contains(&IpAddr::from(source.octets())),
        Source::V6(source) => net.contains(&IpAddr::from(source.octets())),
    }
}
