//! Limits on connections: what is allowed, what is counted of each source, and what is told when a limit is reached.

use crate::{AddressV4, AddressV6, PrefixV6, line::spread};

/// Limits that there can be: the default one and those of networks.
pub const LIMITS_CAPACITY: u32 = 4096;
/// Index in `LIMITS` of the limit of sources in no limited network.
pub const DEFAULT_LIMIT: u32 = 0;
/// Buckets of the `RATES` and of the `CONNECTIONS` map.
pub const BUCKETS: u32 = 1 << BUCKET_BITS;
/// Bytes of each ring of [`LimitEvent`]: a multiple of every page size that Linux has.
pub const EVENTS_BYTES: u32 = 1 << 16;
/// While a source stays over its limit, it is told of again after this long.
pub const REMINDER_NS: u64 = 60_000_000_000;

const BUCKET_BITS: u32 = 14;

/// What a source, or a network as a whole, may do. All zero is: anything.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct Limit {
    /// Time between two connections at the most that is allowed for long; 0 for no such limit.
    pub interval_ns: u64,
    /// How far ahead of that a source may be: with `n - 1` intervals, `n` connections may come at once.
    pub burst_ns: u64,
    /// Most open connections; 0 for no such limit.
    pub concurrent: u32,
    /// [`Limit::TOGETHER`] or 0.
    pub flags: u32,
}

impl Limit {
    /// In `flags`: all sources of the network are counted as one.
    pub const TOGETHER: u32 = 1;

    /// Of `per_minute` connections a minute, all of which may come at once, and `concurrent` open ones; 0 is no limit.
    pub const fn new(per_minute: u32, concurrent: u32) -> Self {
        let (interval_ns, burst_ns) = if per_minute == 0 {
            (0, 0)
        } else {
            let interval_ns = 60_000_000_000 / per_minute as u64;
            (interval_ns, interval_ns * (per_minute as u64 - 1))
        };
        Self {
            interval_ns,
            burst_ns,
            concurrent,
            flags: 0,
        }
    }

    /// The same for all sources of the network together.
    pub const fn together(self) -> Self {
        Self {
            flags: Self::TOGETHER,
            ..self
        }
    }

    /// One more connection at `now_ns` of who may have the next at `due_ns` when it never hurries (the "theoretical arrival
    /// time" of the generic cell rate algorithm, ITU-T I.371): the new such time, or nothing when it is too many. One
    /// time stamp stands for all of the past, and nothing begins anew with a minute.
    #[inline(always)]
    pub const fn admit(&self, due_ns: u64, now_ns: u64) -> Option<u64> {
        if due_ns > now_ns.saturating_add(self.burst_ns) {
            return None;
        }
        let from = if due_ns > now_ns { due_ns } else { now_ns };
        Some(from.saturating_add(self.interval_ns))
    }
}

/// Which limits there are at all, in [`Settings::limits`](crate::Settings): what is not there is not looked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(transparent)]
pub struct LimitsInForce(u32);

impl LimitsInForce {
    /// Some limit has a rate.
    pub const RATE: Self = Self(1);
    /// Some limit has a number of open connections.
    pub const CONCURRENT: Self = Self(2);
    /// An IPv4 network has a limit of its own.
    pub const NETWORKS_V4: Self = Self(4);
    /// An IPv6 network has a limit of its own.
    pub const NETWORKS_V6: Self = Self(8);

    /// Both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing is limited.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `one` is among them.
    #[inline(always)]
    pub const fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }
}

/// Who is counted: an IPv4 address, an IPv6 /64, or a network as a whole. The last two of these begin with bits that no
/// unicast IPv6 address has (ff00::/8 is multicast).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[repr(transparent)]
pub struct SourceKey(u64);

/// Who a [`SourceKey`] stands for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Counted {
    /// One address.
    AddressV4(AddressV4),
    /// One /64.
    PrefixV6(PrefixV6),
    /// The network whose limit has this index.
    Network(u32),
}

impl SourceKey {
    const V4: u64 = 0xffff_ffff_0000_0000;
    const NETWORK: u64 = 0xffff_fffe_0000_0000;

    /// Of an IPv4 address.
    #[inline(always)]
    pub const fn v4(address: AddressV4) -> Self {
        Self(Self::V4 | u32::from_be(address.word()) as u64)
    }

    /// Of an IPv6 address: its /64.
    #[inline(always)]
    pub const fn v6(address: AddressV6) -> Self {
        Self(u64::from_be(address.prefix().word()))
    }

    /// Of the network whose limit has this index.
    #[inline(always)]
    pub const fn network(index: u32) -> Self {
        Self(Self::NETWORK | index as u64)
    }

    /// Who it stands for.
    pub const fn counted(self) -> Counted {
        let low = self.0 as u32;
        match self.0 & !0xffff_ffff {
            Self::V4 => Counted::AddressV4(AddressV4::from_be(low.to_be())),
            Self::NETWORK => Counted::Network(low),
            _ => Counted::PrefixV6(PrefixV6::from_be(self.0.to_be())),
        }
    }

    /// The bucket that it is looked for in. `seed` is the one in [`Settings`](crate::Settings).
    #[inline(always)]
    pub const fn bucket(self, seed: u64) -> u32 {
        (spread(seed, self.0) >> (64 - BUCKET_BITS)) as u32
    }

    /// From the word in the map.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// The word in the map.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }
}

/// What is counted of one source. It is nobody's when its time is past and nothing is open: then it says nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct Tally {
    /// [`SourceKey::word`]; what is all zero is nobody's.
    pub key: u64,
    /// When the next connection is due, as [`Limit::admit`] has it.
    pub due_ns: u64,
    /// SYNs refused since the agent was told the last time that the source is below its limit.
    pub refused: u32,
    /// Open connections, in `CONNECTIONS`. Negative is none: two of the last of them may end at once.
    pub open: i32,
    /// What the agent knows of the rate.
    pub told: Told,
    /// What the agent knows of the open connections.
    pub told_open: Told,
}

/// Whether the agent was told that a source is over its limit, and when: steps of 2^27 ns (134 ms) in the upper 31 bits, of which
/// only differences matter; the lowest bit while it was not taken back. 0 is never.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(transparent)]
pub struct Told(u32);

impl Told {
    const SHIFT: u32 = 27;
    const IS_OVER: u32 = 1;

    /// That the source is over its limit, at `now_ns`.
    #[inline(always)]
    pub const fn over_at(now_ns: u64) -> Self {
        Self(((now_ns >> Self::SHIFT) as u32) << 1 | Self::IS_OVER)
    }

    /// That it is below its limit again.
    #[inline(always)]
    pub const fn under(self) -> Self {
        Self(self.0 & !Self::IS_OVER)
    }

    /// Whether the agent believes it to be over its limit.
    #[inline(always)]
    pub const fn is_over(self) -> bool {
        self.0 & Self::IS_OVER != 0
    }

    /// Whether it may be told at `now_ns` that the source is over: never before, or at least [`REMINDER_NS`] ago.
    #[inline(always)]
    pub const fn is_due(self, now_ns: u64) -> bool {
        let now = Self::over_at(now_ns).0 >> 1;
        let since = now.wrapping_sub(self.0 >> 1) & (u32::MAX >> 1);
        self.0 == 0 || since as u64 >= REMINDER_NS >> Self::SHIFT
    }
}

/// Sources that hash to one place. Who finds no room in a full one is not counted: many sources can then only make a limit
/// looser, never make it hit somebody else, and the table never grows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct Bucket {
    /// Who is counted here.
    pub tallies: [Tally; Self::TALLIES],
}

impl Bucket {
    /// Sources in a bucket: two cache lines, which processors fetch as a pair.
    pub const TALLIES: usize = 4;
}

/// What is told of a limit, in [`LimitEvent::kind`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u32)]
pub enum LimitEventKind {
    /// The first SYN over the rate was refused. Anybody can forge a SYN.
    SynsOver = 0,
    /// The source sends no more SYNs than it may.
    SynsUnder = 1,
    /// The source completed as many connections as a minute allows.
    ConnectionsOver = 2,
    /// It completes fewer.
    ConnectionsUnder = 3,
    /// The source has as many open connections as it may.
    OpenOver = 4,
    /// It has half of that or less.
    OpenUnder = 5,
}

impl LimitEventKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::SynsOver,
        Self::SynsUnder,
        Self::ConnectionsOver,
        Self::ConnectionsUnder,
        Self::OpenOver,
        Self::OpenUnder,
    ];
}

/// A source reached a limit, or is below it again: a record of the rings `SYN_EVENTS` and `CONNECTION_EVENTS`. There is one on
/// each transition and then one a minute, never one a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct LimitEvent {
    /// When, by `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// [`SourceKey::word`] of who is counted.
    pub key: u64,
    /// The client whose connection it was; `::` where there is none, or only a SYN.
    pub address: AddressV6,
    /// A [`LimitEventKind`].
    pub kind: u32,
    /// SYNs refused since the transition before.
    pub refused: u32,
    /// Open connections.
    pub open: u32,
    /// The guarded port of the connection; 0 where there is none.
    pub port: u32,
}

/// Rings, in the order of the counters of lost records in `LOST_EVENTS`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum EventRing {
    /// `SYN_EVENTS`, which a flood of forged SYNs can fill.
    Syns = 0,
    /// `CONNECTION_EVENTS`, which it cannot.
    Connections = 1,
}

impl EventRing {
    /// Every ring.
    pub const ALL: [Self; 2] = [Self::Syns, Self::Connections];
}

// The numbers are the order of ALL.
const _: () = {
    let mut i = 0;
    while i < LimitEventKind::ALL.len() {
        assert!(LimitEventKind::ALL[i] as usize == i);
        i += 1;
    }
};
const _: () = assert!(size_of::<Limit>() == 24);
const _: () = assert!(size_of::<Tally>() == 32 && size_of::<Bucket>() == 128);
const _: () = assert!(size_of::<LimitEvent>() == 48);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_passes_and_then_one_each_interval() {
        for per_minute in [1, 2, 7, 30, 60, 1000] {
            let limit = Limit::new(per_minute, 0);
            let (mut due, now) = (0, 1000 * SECOND);
            for _ in 0..per_minute {
                due = limit.admit(due, now).unwrap();
            }
            assert_eq!(limit.admit(due, now), None, "{per_minute}");
            assert_eq!(limit.admit(due, now + limit.interval_ns - 1), None);
            let due = limit.admit(due, now + limit.interval_ns).unwrap();
            assert_eq!(limit.admit(due, now + limit.interval_ns), None);
            // After a minute without any, all of them may come at once again.
            let mut due = due;
            for _ in 0..per_minute {
                due = limit
                    .admit(due, now + 60 * SECOND + limit.interval_ns)
                    .unwrap();
            }
        }
    }

    #[test]
    fn a_key_tells_who_it_stands_for() {
        let v4 = AddressV4::from_octets([192, 0, 2, 7]);
        assert_eq!(SourceKey::v4(v4).counted(), Counted::AddressV4(v4));
        let v6 = AddressV6::from_octets([
            0x20, 0x01, 0x0d, 0xb8, 0, 7, 0, 8, 9, 10, 11, 12, 13, 14, 15, 16,
        ]);
        assert_eq!(SourceKey::v6(v6).counted(), Counted::PrefixV6(v6.prefix()));
        assert_eq!(SourceKey::network(4095).counted(), Counted::Network(4095));
    }

    #[test]
    fn it_is_told_at_once_and_then_once_a_minute() {
        let told = Told::default();
        assert!(told.is_due(0) && told.is_due(SECOND) && !told.is_over());
        for now in [5 * SECOND, (1 << 58) - SECOND, u64::MAX >> 1] {
            let told = Told::over_at(now);
            assert!(told.is_over());
            assert!(!told.is_due(now) && !told.is_due(now + 59 * SECOND));
            assert!(told.is_due(now + 60 * SECOND));
            assert!(!told.under().is_over() && !told.under().is_due(now + SECOND));
        }
    }

    #[test]
    fn every_key_has_a_bucket() {
        for n in 0..10_000 {
            let key = SourceKey::v4(AddressV4::from_octets(u32::to_be_bytes(n)));
            assert!(key.bucket(99) < BUCKETS);
        }
    }
}
