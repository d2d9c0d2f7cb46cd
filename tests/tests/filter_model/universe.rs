//! What is banned and who knocks: few enough nets that they overlap, meet in a bucket and share presence cells all the time.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use mailwall_common::{AddressV6, BucketsInUse, Cell, KernelInstant, LineV4, LineV6};
use mailwall_tests::{Random, filter_kernel::now};

use crate::content::{address_v4, prefix_v6};

/// Addresses of a crowd: more than a bucket of either family holds.
const CROWD: usize = 12;

const LENS_V4: [u8; 12] = [8, 16, 20, 23, 24, 25, 26, 27, 28, 29, 30, 31];
const LENS_V6: [u8; 11] = [20, 28, 31, 32, 33, 48, 56, 63, 65, 127, 128];

/// The nets of one run.
pub struct Universe {
    singles: Vec<IpNet>,
    /// Singles that share a bucket.
    pub crowds: Vec<Vec<IpNet>>,
    /// Who knocks after every change.
    pub sources: Vec<IpAddr>,
    start: u64,
}

impl Universe {
    /// That of maps with this seed.
    pub fn new(seed: u64) -> Self {
        let mut singles = Vec::new();
        let slash_24s = [
            [0, 0, 0],
            [198, 51, 99],
            [198, 51, 100],
            [203, 0, 113],
            [255, 255, 255],
        ];
        for [a, b, c] in slash_24s {
            for host in [0, 1, 2, 3, 128, 255] {
                singles.push(single(Ipv4Addr::new(a, b, c, host)));
            }
        }
        let slash_64s = [
            [0; 4],
            [0x2001, 0xdb8, 0, 0],
            [0x2001, 0xdb8, 0, 1],
            [0x2001, 0xdb8, 0, 0x100],
            [0x2001, 0xdb8, 1, 0],
            [0x2001, 0xdb9, 0, 0],
            [0xffff; 4],
        ];
        for [a, b, c, d] in slash_64s {
            singles.push(single(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)));
        }
        singles.extend(cell_mates(seed));
        let crowds = vec![
            crowd_v4(seed, Ipv4Addr::new(198, 51, 100, 1)),
            crowd_v4(seed, Ipv4Addr::new(203, 0, 113, 2)),
            crowd_v6(seed, Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 0)),
        ];
        let mut sources = BTreeSet::new();
        for net in singles.iter().chain(crowds.iter().flatten()) {
            sources.insert(net.addr());
            sources.insert(beside(net.addr()));
        }
        Self {
            singles,
            crowds,
            sources: sources.into_iter().collect(),
            start: now().as_ns(),
        }
    }

    /// Any net. It may have host bits set.
    pub fn net(&self, random: &mut Random) -> IpNet {
        let single = *if random.chance(45) {
            let crowd = random.pick(&self.crowds);
            random.pick(crowd)
        } else {
            random.pick(&self.singles)
        };
        if random.chance(60) {
            return single;
        }
        // The widest cost most, as all presence words change.
        let len = match single {
            _ if random.chance(3) => 0,
            IpNet::V4(_) => *random.pick(&LENS_V4),
            IpNet::V6(_) => *random.pick(&LENS_V6),
        };
        IpNet::new(single.addr(), len).unwrap()
    }

    /// Some nets of one bucket.
    pub fn crowd(&self, random: &mut Random) -> Vec<IpNet> {
        let crowd = random.pick(&self.crowds).iter();
        crowd.copied().filter(|_| random.chance(75)).collect()
    }

    /// Any end, in the past or an hour or more ahead.
    pub fn end(&self, random: &mut Random) -> KernelInstant {
        match random.below(10) {
            0 => KernelInstant::NEVER,
            1..=3 => KernelInstant::from_ns(random.next() % self.start),
            _ => KernelInstant::from_ns(self.start + 3_600_000_000_000 + random.next() % (1 << 40)),
        }
    }

    /// Whether a ban with this end is in force.
    pub fn in_force(&self, end: KernelInstant) -> bool {
        end.as_ns() > self.start
    }
}

/// The net that is kept as an address, if there is room.
pub fn single(address: impl Into<IpAddr>) -> IpNet {
    let address = address.into();
    let len = if address.is_ipv4() { 32 } else { 64 };
    IpNet::new(address, len).unwrap().trunc()
}

/// Another address of the same /31 or /64.
fn beside(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() ^ 1).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() ^ 1).into(),
    }
}

/// `first` and others of its bucket.
fn crowd_v4(seed: u64, first: Ipv4Addr) -> Vec<IpNet> {
    let bucket =
        |bits: u32| LineV4::index_of(seed, BucketsInUse::FEWEST, address_v4(bits.into())) / 2;
    let wanted = bucket(first.to_bits());
    (first.to_bits()..)
        .filter(|bits| bucket(*bits) == wanted)
        .take(CROWD)
        .map(|bits| single(Ipv4Addr::from_bits(bits)))
        .collect()
}

/// As [`crowd_v4`].
pub fn crowd_v6(seed: u64, first: Ipv6Addr) -> Vec<IpNet> {
    let bucket =
        |bits: u128| LineV6::index_of(seed, BucketsInUse::FEWEST, prefix_v6(bits.into())) / 2;
    let wanted = bucket(first.to_bits());
    (0..)
        .map(|n: u128| first.to_bits() + (n << 64))
        .filter(|bits| bucket(*bits) == wanted)
        .take(CROWD)
        .map(|bits| single(Ipv6Addr::from_bits(bits)))
        .collect()
}

/// Pairs of /64s that share a presence cell of /64s, and pairs that share one of /32s.
fn cell_mates(seed: u64) -> Vec<IpNet> {
    let narrow = |n: u128| (0x2001_0db8_0002 << 80) + (n << 64);
    let wide = |n: u128| (0x2002_0000 + n) << 96;
    let of_64s = mates((0..20_000).map(narrow), |bits| {
        Cell::prefix_v6(seed, prefix_v6(bits.into()))
    });
    let of_32s = mates((0..20_000).map(wide), |bits| {
        Cell::networks_v6(seed, AddressV6::from_octets(bits.to_be_bytes()).slash_32())
    });
    of_64s
        .into_iter()
        .chain(of_32s)
        .map(|bits| single(Ipv6Addr::from_bits(bits)))
        .collect()
}

/// The first pair, or two, whose cells are the same.
fn mates(candidates: impl Iterator<Item = u128>, cell: impl Fn(u128) -> Cell) -> Vec<u128> {
    let mut seen = HashMap::new();
    candidates
        .filter_map(|bits| Some([seen.insert(cell(bits), bits)?, bits]))
        .take(2)
        .flatten()
        .collect()
}
