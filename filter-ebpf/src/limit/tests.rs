use mailwall_common::{
    AddressV4, AddressV6, Bucket, EventRing, Limit, LimitEventKind, LimitsInForce, SourceKey,
};
use proptest::prelude::*;

use super::{Passage, passage};
use crate::{
    segment::Source,
    tables::{SECOND, Tables, network, v4, v6},
};

fn passes(tables: &Tables, source: Source) -> bool {
    passage(tables, source) == Passage::Free
}

/// How many of `syns` pass at once.
fn passing(tables: &Tables, source: Source, syns: usize) -> usize {
    (0..syns).filter(|_| passes(tables, source)).count()
}

#[test]
fn where_nothing_is_limited_nothing_is_looked_at() {
    let tables = Tables::default();
    assert!(passes(&tables, v4(7)));
    assert_eq!(tables.asked.take(), ["in force"]);
}

#[test]
fn a_source_may_open_as_many_at_once_as_in_a_minute() {
    for source in [v4(7), v6(7)] {
        let tables = Tables::limiting(Limit::new(30, 0));
        assert_eq!(passing(&tables, source, 40), 30);
        tables.pass_s(2);
        assert_eq!(passing(&tables, source, 40), 1);
        tables.pass_s(20);
        assert_eq!(passing(&tables, source, 40), 10);
        tables.pass_s(3600);
        assert_eq!(passing(&tables, source, 40), 30);
    }
}

#[test]
fn one_source_takes_nothing_from_another() {
    let tables = Tables::limiting(Limit::new(3, 0));
    assert_eq!(passing(&tables, v4(7), 9), 3);
    assert_eq!(passing(&tables, v4(8), 9), 3);
    assert_eq!(passing(&tables, v6(8), 9), 3);
}

#[test]
fn all_of_a_64_is_one_source() {
    let tables = Tables::limiting(Limit::new(3, 0));
    let host = |n: u8| {
        let mut octets = [0; 16];
        octets[0] = 0x20;
        octets[15] = n;
        Source::V6(AddressV6::from_octets(octets))
    };
    let passed = (0..9).filter(|n| passes(&tables, host(*n))).count();
    assert_eq!(passed, 3);
}

#[test]
fn a_network_that_is_counted_as_a_whole_is_one_source() {
    let mut tables = Tables::limiting(Limit::new(9, 0));
    tables.limit(network([192, 0, 2, 0], 24), Limit::new(5, 0).together());
    let passed = (0..20).filter(|n| passes(&tables, v4(*n))).count();
    assert_eq!(passed, 5);
    assert_eq!(passing(&tables, v6(1), 20), 9);
}

#[test]
fn the_narrowest_network_counts_and_0_is_no_limit() {
    let mut tables = Tables::limiting(Limit::new(2, 0));
    tables.limit(network([192, 0, 0, 0], 16), Limit::new(4, 0));
    tables.limit(network([192, 0, 2, 0], 24), Limit::new(0, 0));
    let other = Source::V4(AddressV4::from_octets([192, 0, 3, 1]));
    let far = Source::V4(AddressV4::from_octets([198, 51, 100, 1]));
    assert_eq!(passing(&tables, v4(1), 100), 100);
    assert_eq!(passing(&tables, other, 100), 4);
    assert_eq!(passing(&tables, far, 100), 2);
}

#[test]
fn the_allowlist_is_asked_only_about_who_is_over() {
    let mut tables = Tables::limiting(Limit::new(2, 0));
    tables.allowed.push(v4(7));
    assert_eq!(passing(&tables, v4(7), 2), 2);
    assert!(!tables.asked.take().contains(&"allowlist"));
    assert_eq!(passing(&tables, v4(7), 9), 9);
    assert!(tables.asked.take().contains(&"allowlist"));
    assert!(tables.events.take().is_empty());
}

#[test]
fn who_has_too_many_open_connections_is_refused_before_its_rate_is_counted() {
    let mut tables = Tables::limiting(Limit::new(2, 3));
    tables.set_open(v4(7), 3);
    assert_eq!(passage(&tables, v4(7)), Passage::OverConcurrent);
    assert_eq!(passage(&tables, v4(8)), Passage::Free);
    tables.set_open(v4(7), 2);
    assert_eq!(passing(&tables, v4(7), 9), 2);
    assert_eq!(passage(&tables, v4(7)), Passage::OverRate);
    tables.set_open(v4(7), 3);
    tables.allowed.push(v4(7));
    assert_eq!(passage(&tables, v4(7)), Passage::Free);
}

#[test]
fn a_count_below_nothing_limits_nobody() {
    let tables = Tables::limiting(Limit::new(0, 1));
    tables.set_open(v4(7), -1);
    assert_eq!(passage(&tables, v4(7)), Passage::Free);
}

#[test]
fn it_is_told_when_a_source_goes_over_and_when_it_is_quiet_again() {
    let tables = Tables::limiting(Limit::new(5, 0));
    passing(&tables, v4(7), 15);
    let told = tables.events.take();
    assert_eq!(told.len(), 1);
    let (ring, event) = &told[0];
    assert_eq!(*ring, EventRing::Syns);
    assert_eq!(event.kind, LimitEventKind::SynsOver as u32);
    assert_eq!(
        event.key,
        SourceKey::v4(AddressV4::from_octets([192, 0, 2, 7])).word()
    );

    // Over for the whole of three minutes: once more each minute.
    for _ in 0..180 {
        tables.pass_s(1);
        passing(&tables, v4(7), 3);
    }
    let kinds: Vec<u32> = tables.events.take().iter().map(|(_, e)| e.kind).collect();
    assert_eq!(kinds, [LimitEventKind::SynsOver as u32; 3]);

    tables.pass_s(61);
    assert_eq!(passing(&tables, v4(7), 1), 1);
    let told = tables.events.take();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1.kind, LimitEventKind::SynsUnder as u32);
    assert!(told[0].1.refused > 400, "{}", told[0].1.refused);
}

#[test]
fn a_source_that_never_comes_back_is_told_of_when_its_seat_is_taken() {
    let tables = Tables::limiting(Limit::new(1, 0));
    let mates = tables.mates(1 + Bucket::TALLIES);
    passing(&tables, mates[0], 5);
    tables.events.take();
    tables.pass_s(61);
    for mate in &mates[1..] {
        passing(&tables, *mate, 1);
    }
    let told = tables.events.take();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].1.kind, told[0].1.refused),
        (LimitEventKind::SynsUnder as u32, 4)
    );
}

#[test]
fn who_finds_no_room_is_not_limited_and_takes_nobodys_place() {
    let tables = Tables::limiting(Limit::new(2, 0));
    let mates = tables.mates(1 + Bucket::TALLIES);
    let (last, first) = mates.split_last().unwrap();
    for mate in first {
        assert_eq!(passing(&tables, *mate, 9), 2);
    }
    assert_eq!(passing(&tables, *last, 9), 9);
    for mate in first {
        assert!(!passes(&tables, *mate));
    }
    tables.pass_s(60);
    assert_eq!(passing(&tables, *last, 9), 2);
}

#[test]
fn a_million_forged_sources_refuse_no_clean_one() {
    let tables = Tables::limiting(Limit::new(2, 0));
    for n in 0..1_000_000_u32 {
        let forged = AddressV4::from_octets((0x0a00_0000 + n).to_be_bytes());
        assert!(passes(&tables, Source::V4(forged)));
    }
    for n in 0..=255 {
        assert!(passes(&tables, v4(n)));
        assert!(passes(&tables, v4(n)));
    }
    assert!(tables.events.take().is_empty());
}

/// What is meant: each source has a store of `n` connections that fills by one each interval.
struct Model {
    limit: Limit,
    /// Nanoseconds of connections in store, for each source.
    stores: [u64; 4],
}

impl Model {
    fn passes(&mut self, source: usize) -> bool {
        let full = self.limit.interval_ns + self.limit.burst_ns;
        let store = &mut self.stores[source];
        *store = (*store).min(full);
        if *store < self.limit.interval_ns {
            return false;
        }
        *store -= self.limit.interval_ns;
        true
    }

    fn pass(&mut self, ns: u64) {
        for store in &mut self.stores {
            *store = store.saturating_add(ns);
        }
    }
}

proptest! {
    #[test]
    fn syns_pass_as_the_model_says(
        per_minute in 1u32..200,
        steps in prop::collection::vec((0usize..4, 0u64..3 * SECOND, 1usize..20), 1..200),
    ) {
        let limit = Limit::new(per_minute, 0);
        let tables = Tables::limiting(limit);
        prop_assert!(tables.in_force.has(LimitsInForce::RATE));
        let mut model = Model { limit, stores: [u64::MAX; 4] };
        for (source, ns, syns) in steps {
            tables.pass_ns(ns);
            model.pass(ns);
            for _ in 0..syns {
                let from = if source < 2 { v4(source as u8) } else { v6(source as u8) };
                prop_assert_eq!(passes(&tables, from), model.passes(source));
            }
        }
    }
}
