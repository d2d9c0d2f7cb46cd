//! Tables for tests: limits in plain memory, with a clock that stands still until it is moved.

use std::cell::{Cell, RefCell};

use mailwall_common::{
    AddressV4, AddressV6, BUCKETS, Bucket, EventRing, KernelInstant, Limit, LimitEvent,
    LimitsInForce, NetworkV4, Presence, SourceKey,
};

use crate::{
    ban::{self, Found},
    limit::Limits,
    segment::Source,
    tally::{Place, Seats},
};

/// Nanoseconds.
pub const SECOND: u64 = 1_000_000_000;
const SEED: u64 = 0x1234_5678_9abc_def1;

/// An address of 192.0.2.0/24.
pub fn v4(last: u8) -> Source {
    Source::V4(AddressV4::from_octets([192, 0, 2, last]))
}

/// An address of a /64 of 2001:db8::/32.
pub fn v6(subnet: u8) -> Source {
    let mut octets = [0; 16];
    octets[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    octets[7] = subnet;
    octets[15] = 1;
    Source::V6(AddressV6::from_octets(octets))
}

/// An IPv4 network.
pub fn network(octets: [u8; 4], len: u32) -> NetworkV4 {
    NetworkV4::new(len, octets)
}

/// See the module.
pub struct Tables {
    pub in_force: LimitsInForce,
    pub allowed: Vec<Source>,
    /// What was told.
    pub events: RefCell<Vec<(EventRing, LimitEvent)>>,
    /// What was asked for.
    pub asked: RefCell<Vec<&'static str>>,
    limits: Vec<Limit>,
    networks: Vec<(NetworkV4, u32)>,
    rates: RefCell<Vec<Bucket>>,
    connections: RefCell<Vec<Bucket>>,
    now_ns: Cell<u64>,
}

impl Default for Tables {
    fn default() -> Self {
        let buckets = || RefCell::new(vec![Bucket::default(); BUCKETS as usize]);
        Self {
            in_force: LimitsInForce::default(),
            allowed: Vec::new(),
            events: RefCell::default(),
            asked: RefCell::default(),
            limits: vec![Limit::default()],
            networks: Vec::new(),
            rates: buckets(),
            connections: buckets(),
            now_ns: Cell::new(1000 * SECOND),
        }
    }
}

impl Tables {
    /// With this default limit.
    pub fn limiting(limit: Limit) -> Self {
        let mut tables = Self::default();
        tables.limits[0] = limit;
        tables.in_force = LimitsInForce::RATE.with(LimitsInForce::CONCURRENT);
        tables
    }

    pub fn limit(&mut self, network: NetworkV4, limit: Limit) {
        self.networks.push((network, self.limits.len() as u32));
        self.limits.push(limit);
        self.in_force = self.in_force.with(LimitsInForce::NETWORKS_V4);
    }

    pub fn pass_ns(&self, ns: u64) {
        self.now_ns.set(self.now_ns.get() + ns);
    }

    pub fn pass_s(&self, seconds: u64) {
        self.pass_ns(seconds * SECOND);
    }

    /// Sources of one bucket.
    pub fn mates(&self, count: usize) -> Vec<Source> {
        let address = |n: u32| AddressV4::from_octets(n.to_be_bytes());
        let bucket = |n: &u32| SourceKey::v4(address(*n)).bucket(SEED);
        (1..)
            .filter(|n| bucket(n) == bucket(&1))
            .take(count)
            .map(|n| Source::V4(address(n)))
            .collect()
    }

    pub fn open(&self, source: Source) -> i32 {
        let key = key(source);
        let seats = self.connections(key).unwrap();
        seats.find(key).map_or(0, |seat| seat.open())
    }

    pub fn set_open(&self, source: Source, open: i32) {
        let key = key(source);
        let seats = self.connections(key).unwrap();
        match seats.place(key, self.now_ns.get()).unwrap() {
            Place::Own(seat) => seat.set_open(open),
            Place::Free(seat) => {
                seat.settle(key);
                seat.set_open(open);
            }
        }
    }

    fn note(&self, what: &'static str) {
        self.asked.borrow_mut().push(what);
    }
}

fn key(source: Source) -> SourceKey {
    match source {
        Source::V4(address) => SourceKey::v4(address),
        Source::V6(address) => SourceKey::v6(address),
    }
}

fn seats(buckets: &RefCell<Vec<Bucket>>, key: SourceKey) -> Option<Seats> {
    let mut buckets = buckets.borrow_mut();
    let bucket = buckets.get_mut(key.bucket(SEED) as usize)?;
    // SAFETY: the buckets are not moved while the tables are there, and one thread uses them.
    Some(unsafe { Seats::new(&raw mut *bucket) })
}

impl ban::Tables for Tables {
    type Counter = ();

    fn guards(&self, port: u16) -> bool {
        port == 25
    }

    fn enforces(&self) -> bool {
        true
    }

    fn has_few_addresses(&self, _: Source) -> bool {
        false
    }

    fn presence(&self, _: Source) -> Presence {
        Presence::default()
    }

    fn address_ban(&self, _: Source) -> Option<Found<()>> {
        None
    }

    fn network_ban(&self, _: Source) -> Option<Found<()>> {
        None
    }

    fn allows(&self, source: Source) -> bool {
        self.note("allowlist");
        self.allowed.contains(&source)
    }

    fn now(&self) -> KernelInstant {
        KernelInstant::from_ns(self.now_ns.get())
    }

    fn count_drop(&self, (): ()) {}
}

impl Limits for Tables {
    fn in_force(&self) -> LimitsInForce {
        self.note("in force");
        self.in_force
    }

    fn limit_index(&self, source: Source) -> u32 {
        let Source::V4(address) = source else {
            return 0;
        };
        let within = |network: &NetworkV4| {
            let bits = |octets| u64::from(u32::from_be_bytes(octets)) << network.prefix_len() >> 32;
            bits(address.octets()) == bits(network.octets())
        };
        let networks = self.networks.iter().filter(|(network, _)| within(network));
        networks
            .max_by_key(|(network, _)| network.prefix_len())
            .map_or(0, |(_, index)| *index)
    }

    fn limit(&self, index: u32) -> Option<Limit> {
        self.limits.get(index as usize).copied()
    }

    fn rates(&self, key: SourceKey) -> Option<Seats> {
        seats(&self.rates, key)
    }

    fn connections(&self, key: SourceKey) -> Option<Seats> {
        seats(&self.connections, key)
    }

    fn tell(&self, ring: EventRing, event: &LimitEvent) {
        self.events.borrow_mut().push((ring, *event));
    }
}
