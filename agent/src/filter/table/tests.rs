//! The table against a model of the kernel: tries and records as the steps leave them, looked up as the filter does.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;

const SMALL: u32 = 12;
const AMPLE: u32 = 4000;

fn net(text: &str) -> Network {
    Network::of(text.parse().unwrap())
}

fn at(ns: u64) -> KernelInstant {
    KernelInstant::from_ns(ns)
}

/// What the kernel has.
#[derive(Clone, Debug, Default)]
struct Kernel {
    records: HashMap<BanSlot, KernelInstant>,
    entries: HashMap<Network, BanSlot>,
}

impl Kernel {
    fn apply(&mut self, table: &mut Table, steps: &[Step], mut after_each: impl FnMut(&Self)) {
        for step in steps {
            match *step {
                Step::Begin(slot, ends) => {
                    assert!(
                        !self.entries.values().any(|used| *used == slot),
                        "record in use"
                    );
                    self.records.insert(slot, ends);
                }
                Step::Extend(slot, ends) => {
                    assert!(self.records.insert(slot, ends).is_some());
                }
                Step::Enter(network, slot) => {
                    assert!(self.records.contains_key(&slot), "entry before its record");
                    assert_eq!(self.entries.insert(network, slot), None);
                }
                Step::Leave(network, slot) => {
                    assert_eq!(self.entries.remove(&network), Some(slot));
                    table.release(slot);
                }
            }
            after_each(self);
        }
    }

    /// The filter's decision: that of the longest match.
    fn drops(&self, source: IpAddr, now: KernelInstant) -> bool {
        self.entries
            .iter()
            .filter(|(network, _)| network.net().contains(&source))
            .max_by_key(|(network, _)| network.prefix_len())
            .is_some_and(|(_, slot)| !self.records[slot].is_over_at(now))
    }
}

/// What is meant: banned while any ban that covers the address is not over.
fn meant(bans: &HashMap<IpNet, KernelInstant>, source: IpAddr, now: KernelInstant) -> bool {
    bans.iter()
        .any(|(net, ends)| net.contains(&source) && !ends.is_over_at(now))
}

#[test]
fn a_narrow_ban_does_not_cut_a_wide_one_short() {
    let mut table = Table::new(AMPLE);
    let mut kernel = Kernel::default();
    let steps = table.add(&[
        (net("198.51.100.0/24"), at(100)),
        (net("198.51.100.0/28"), at(10)),
    ]);
    kernel.apply(&mut table, &steps, |_| ());
    let source = "198.51.100.3".parse().unwrap();
    assert!(kernel.drops(source, at(50)));

    let steps = table.remove(&[net("198.51.100.0/24")]);
    kernel.apply(&mut table, &steps, |_| ());
    assert!(kernel.drops(source, at(9)));
    assert!(!kernel.drops(source, at(50)));
}

#[test]
fn a_renewed_ban_keeps_its_record() {
    let mut table = Table::new(AMPLE);
    let source = net("203.0.113.0/30");
    table.add(&[(source, at(10))]);
    let slot = table.slot(source).unwrap();
    assert_eq!(table.add(&[(source, at(20))]), [Step::Extend(slot, at(20))]);
    assert_eq!(table.add(&[(source, at(20))]), []);
    assert_eq!(table.slot(source), Some(slot));
}

#[test]
fn a_record_that_two_entries_claim_goes_to_one() {
    let entries = [
        (net("192.0.2.1/32"), BanSlot::new(3), at(1)),
        (net("192.0.2.2/32"), BanSlot::new(3), at(2)),
        (net("192.0.2.3/32"), BanSlot::new(12), at(2)),
    ];
    let (table, damaged) = Table::adopt(SMALL, &entries);
    assert_eq!(damaged, [entries[1].0, entries[2].0]);
    assert_eq!(table.len(), 1);
}

/// Nets that overlap often.
fn any_net() -> impl Strategy<Value = IpNet> {
    let v4 = (
        0u8..4,
        prop::sample::select(vec![0u8, 8, 24, 28, 30, 31, 32]),
    )
        .prop_map(|(host, len)| IpNet::new([192, 0, 2, host].into(), len).unwrap().trunc());
    let v6 = (
        0u16..2,
        0u16..2,
        prop::sample::select(vec![0u8, 32, 48, 63, 64, 65, 127, 128]),
    )
        .prop_map(|(subnet, host, len)| {
            let address = [0x2001, 0xdb8, 0, subnet, 0, 0, 0, host];
            IpNet::new(address.into(), len).unwrap().trunc()
        });
    prop_oneof![v4, v6]
}

fn sources() -> Vec<IpAddr> {
    let v4 = (0..4).map(|host| IpAddr::from([192, 0, 2, host]));
    let v6 = (0..4u16).map(|n| IpAddr::from([0x2001, 0xdb8, 0, n / 2, 0, 0, 0, n % 2]));
    v4.chain(v6).collect()
}

/// Of several for one network the last.
fn each_once(bans: &[(IpNet, KernelInstant)]) -> Vec<(Network, KernelInstant)> {
    let last: HashMap<IpNet, KernelInstant> = bans.iter().copied().collect();
    last.into_iter()
        .map(|(net, end)| (Network::of(net), end))
        .collect()
}

#[derive(Clone, Debug)]
enum Change {
    Add(Vec<(IpNet, u64)>),
    Remove(Vec<IpNet>),
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        prop::collection::vec((any_net(), 0u64..8), 1..5).prop_map(Change::Add),
        prop::collection::vec(any_net(), 1..5).prop_map(Change::Remove),
    ]
}

proptest! {
    /// After every change the kernel drops exactly what is meant, at any time; and while a change is being made, whoever
    /// is banned before and after it is banned throughout.
    #[test]
    fn the_kernel_decides_as_meant(changes in prop::collection::vec(any_change(), 1..30)) {
        let mut table = Table::new(AMPLE);
        let mut kernel = Kernel::default();
        let mut bans: HashMap<IpNet, KernelInstant> = HashMap::new();
        for change in changes {
            let before = bans.clone();
            let steps = match &change {
                Change::Add(added) => {
                    let added: Vec<_> = added.iter().map(|(net, end)| (*net, at(*end))).collect();
                    bans.extend(added.iter().copied());
                    table.add(&each_once(&added))
                }
                Change::Remove(nets) => {
                    for net in nets {
                        bans.remove(net);
                    }
                    let networks: Vec<_> = nets.iter().map(|net| Network::of(*net)).collect();
                    table.remove(&networks)
                }
            };
            let cases = || sources().into_iter().flat_map(|source| (0..8).map(move |ns| (source, at(ns))));
            let throughout: Vec<_> = cases()
                .filter(|(source, now)| meant(&before, *source, *now) && meant(&bans, *source, *now))
                .collect();
            kernel.apply(&mut table, &steps, |kernel| {
                for (source, now) in &throughout {
                    assert!(kernel.drops(*source, *now), "{source} let in at {now:?} amid {change:?}");
                }
            });
            for (source, now) in cases() {
                prop_assert_eq!(kernel.drops(source, now), meant(&bans, source, now), "{} at {:?}", source, now);
            }
            let held: HashMap<_, _> = table.iter().map(|(network, end)| (network.net(), end)).collect();
            prop_assert_eq!(&held, &bans);
        }
    }

    /// A table made from what is in the maps goes on as the one that put it there.
    #[test]
    fn a_restart_changes_no_decision(added in prop::collection::vec((any_net(), 0u64..8), 0..20), removed in any_net()) {
        let mut table = Table::new(AMPLE);
        let mut kernel = Kernel::default();
        let added: Vec<_> = added.into_iter().map(|(net, end)| (net, at(end))).collect();
        let steps = table.add(&each_once(&added));
        kernel.apply(&mut table, &steps, |_| ());

        let entries: Vec<_> = kernel.entries.iter().map(|(network, slot)| (*network, *slot, kernel.records[slot])).collect();
        let (mut table, damaged) = Table::adopt(AMPLE, &entries);
        prop_assert!(damaged.is_empty());
        let mut bans: HashMap<_, _> = added.iter().copied().collect();
        // The store knows the bans' own ends and tells them again.
        let steps = table.add(&each_once(&bans.iter().map(|(net, end)| (*net, *end)).collect::<Vec<_>>()));
        kernel.apply(&mut table, &steps, |_| ());
        bans.remove(&removed);
        let steps = table.remove(&[Network::of(removed)]);
        kernel.apply(&mut table, &steps, |_| ());
        for source in sources() {
            for now in (0..8).map(at) {
                prop_assert_eq!(kernel.drops(source, now), meant(&bans, source, now));
            }
        }
    }
}
