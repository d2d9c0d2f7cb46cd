//! No change lets anybody in for a moment who is banned before and after it, and none drops who never is. Two threads send SYNs
//! all the time; every one of them is counted by the filter.

use std::{
    net::IpAddr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use ipnet::IpNet;
use mailwall::filter::Filter;
use mailwall_common::{KernelInstant, Verdict};
use mailwall_tests::Random;

use crate::{
    address, changes_wanted, in_namespaces, net, open,
    pinned::Pinned,
    universe::{Universe, single},
};

/// Others that are banned along with those who knock.
const OTHERS: u32 = 3000;
/// SYNs of one source in a row.
const KNOCKS: u32 = 200;

#[test]
fn whoever_is_banned_before_and_after_a_change_is_never_let_in() {
    in_namespaces(|dir| {
        let mut filter = open(dir);
        let universe = Universe::new(Pinned::open(dir).settings().seed);
        let banned = Banned::of(&universe);
        let clean = ["192.0.2.1", "100.64.0.1", "2001:db8:ffff::1", "3fff::1"].map(address);
        let mut random = Random::new(1);
        filter.ban(&banned.covered(&universe, &mut random)).unwrap();

        let over = AtomicBool::new(false);
        let (knocks_of_banned, knocks_of_clean) = thread::scope(|scope| {
            let of_banned = scope.spawn(|| knock(dir, &banned.sources, &over));
            let of_clean = scope.spawn(|| knock(dir, &clean, &over));
            let _ends = Ends(&over);
            for _ in 0..changes_wanted() / 3 {
                filter = change(filter, &banned, &universe, &mut random, dir);
            }
            over.store(true, Ordering::Relaxed);
            (of_banned.join().unwrap(), of_clean.join().unwrap())
        });
        let pinned = Pinned::open(dir);
        let dropped = [Verdict::BannedAddress, Verdict::BannedNetwork];
        assert_eq!(pinned.totals(&dropped), knocks_of_banned);
        assert_eq!(
            pinned.totals(&[Verdict::Clean, Verdict::Expired]),
            knocks_of_clean
        );
        eprintln!("{knocks_of_banned} SYNs of banned sources, {knocks_of_clean} of clean ones");
    });
}

/// Stops the threads also when the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn knock(dir: &Path, sources: &[IpAddr], over: &AtomicBool) -> u64 {
    let pinned = Pinned::open(dir);
    let mut knocks = 0;
    while !over.load(Ordering::Relaxed) {
        for source in sources {
            pinned.knock(*source, KNOCKS);
            knocks += u64::from(KNOCKS);
        }
    }
    knocks
}

/// From one set of bans that covers those who knock to another.
fn change(
    mut filter: Filter,
    banned: &Banned,
    universe: &Universe,
    random: &mut Random,
    dir: &Path,
) -> Filter {
    let mut bans = banned.covered(universe, random);
    match random.below(10) {
        0..5 => {
            filter.ban(&bans).unwrap();
            let kept: Vec<IpNet> = bans.iter().map(|(net, _)| *net).collect();
            let mut gone = banned.nets();
            gone.retain(|net| !kept.contains(net));
            filter.unban(&gone).unwrap();
        }
        5..9 => {
            let first = random.below(4) as u32 * OTHERS / 2;
            bans.extend((first..first + OTHERS).map(|n| {
                let other = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n * 7);
                (single(other), KernelInstant::NEVER)
            }));
            filter.replace_all(&bans, &[]).unwrap();
        }
        _ => {
            drop(filter);
            filter = Filter::open(dir).unwrap();
        }
    }
    filter
}

/// Those who are banned all the time, each by one or more of some nets.
struct Banned {
    sources: Vec<IpAddr>,
}

impl Banned {
    /// Among them are more of one bucket than it has room for.
    fn of(universe: &Universe) -> Self {
        let mut sources: Vec<IpAddr> = [
            "203.0.113.7",
            "203.0.113.9",
            "2001:db8:1::1",
            "2001:db8:2:3::1",
        ]
        .map(address)
        .to_vec();
        let crowds = universe.crowds.iter().flatten();
        sources.extend(crowds.map(|net| net.addr()).filter(|address| {
            // Wide nets around them must not meet the clean.
            !net("192.0.0.0/8").contains(address) && !net("100.0.0.0/8").contains(address)
        }));
        Self { sources }
    }

    fn nets_of(source: IpAddr) -> Vec<IpNet> {
        let lens: &[u8] = match source {
            IpAddr::V4(_) => &[12, 24, 29, 31, 32],
            IpAddr::V6(_) => &[48, 56, 63, 64, 65, 128],
        };
        lens.iter()
            .map(|len| IpNet::new(source, *len).unwrap().trunc())
            .collect()
    }

    fn nets(&self) -> Vec<IpNet> {
        let nets = self.sources.iter();
        nets.flat_map(|source| Self::nets_of(*source)).collect()
    }

    /// Nets, one in force at least for each of those who knock.
    fn covered(&self, universe: &Universe, random: &mut Random) -> Vec<(IpNet, KernelInstant)> {
        let mut bans = Vec::new();
        for source in &self.sources {
            for net in Self::nets_of(*source) {
                if random.chance(30) {
                    bans.push((net, universe.end(random)));
                }
            }
        }
        let mut last: std::collections::BTreeMap<_, _> = bans.into_iter().collect();
        for source in &self.sources {
            let nets = Self::nets_of(*source);
            let covered = |net: &IpNet| last.get(net).is_some_and(|end| universe.in_force(*end));
            if !nets.iter().any(covered) {
                last.insert(*random.pick(&nets), KernelInstant::NEVER);
            }
        }
        last.into_iter().collect()
    }
}
