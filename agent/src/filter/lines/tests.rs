use mailwall_common::KernelInstant;

use super::*;

const SEED: u64 = 0x5555_aaaa_1234_4321;

fn at(second: u64) -> Ticks {
    Ticks::not_before(KernelInstant::from_ns(second * 1_000_000_000))
}

fn address(n: u32) -> AddressV4 {
    AddressV4::from_octets(n.to_be_bytes())
}

fn empty() -> Addresses<SharedLineV4> {
    Addresses::new(SharedArray::anonymous(LINES_V4).unwrap(), SEED)
}

#[test]
fn who_was_put_in_is_found_until_removed() {
    let mut addresses = empty();
    assert_eq!(addresses.put(address(7), at(10)).unwrap(), Put::New);
    assert_eq!(
        addresses.put(address(7), at(20)).unwrap(),
        Put::Renewed(at(10))
    );
    assert_eq!(addresses.get(address(7)).unwrap(), Some((at(20), 0)));
    assert_eq!(addresses.get(address(8)).unwrap(), None);
    assert_eq!(addresses.len(), 1);
    assert!(addresses.remove(address(7)).unwrap());
    assert!(!addresses.remove(address(7)).unwrap());
    assert_eq!(
        (addresses.get(address(7)).unwrap(), addresses.len()),
        (None, 0)
    );
}

#[test]
fn drops_are_raised_and_never_lowered() {
    let mut addresses = empty();
    addresses.put(address(7), at(10)).unwrap();
    assert!(addresses.raise_drops(address(7), 5).unwrap());
    assert!(addresses.raise_drops(address(7), 3).unwrap());
    assert_eq!(addresses.get(address(7)).unwrap(), Some((at(10), 5)));
    assert!(!addresses.raise_drops(address(8), 5).unwrap());
}

#[test]
fn nobody_has_no_entry() {
    assert_eq!(empty().put(address(0), at(1)).unwrap(), Put::NoRoom);
}

/// Both lines of a bucket, then no more; a place that was left is taken again.
#[test]
fn a_bucket_is_filled_before_there_is_no_room() {
    let bucket = |n: &u32| LineV4::index_of(SEED, BucketsInUse::FEWEST, address(*n)) / 2;
    let mates: Vec<u32> = (1..).filter(|n| bucket(n) == bucket(&1)).take(9).collect();
    let mut addresses = empty();
    for mate in &mates[..8] {
        assert_eq!(addresses.put(address(*mate), at(1)).unwrap(), Put::New);
    }
    assert_eq!(
        addresses.put(address(mates[8]), at(1)).unwrap(),
        Put::NoRoom
    );
    assert!(addresses.remove(address(mates[3])).unwrap());
    assert_eq!(addresses.put(address(mates[8]), at(1)).unwrap(), Put::New);
    for (mate, there) in mates.iter().zip([true, true, true, false, true]) {
        assert_eq!(addresses.get(address(*mate)).unwrap().is_some(), there);
    }
}

#[test]
fn what_is_there_is_taken_over_but_for_what_is_out_of_place() {
    let lines = SharedArray::<SharedLineV4>::anonymous(LINES_V4).unwrap();
    let home = LineV4::index_of(SEED, BucketsInUse::FEWEST, address(7));
    let put = |index: u32, entry: usize, n| {
        lines
            .with(index, 1, |line| line[0].set_key(entry, Some(address(n))))
            .unwrap();
    };
    put(neighbour(home), 2, 7);
    // The same once more where it is looked for later, and one that belongs elsewhere.
    put(neighbour(home), 3, 7);
    put(home ^ 2, 0, 7);
    let mut found = Vec::new();
    let mut addresses = Addresses::new(lines, SEED);
    addresses
        .read(BucketsInUse::FEWEST, |key| found.push(key))
        .unwrap();
    assert_eq!((found, addresses.len()), (vec![address(7)], 1));
    let mut left = Vec::new();
    addresses.each(|key, _| left.push(key)).unwrap();
    assert_eq!(left, [address(7)]);
}

#[test]
fn with_more_buckets_everyone_is_found_and_no_drop_is_lost() {
    let mut addresses = empty();
    let room = BucketsInUse::FEWEST.count() * LineV4::ENTRIES;
    let put: Vec<u32> = (1..=room as u32)
        .filter(|n| addresses.put(address(*n), at(u64::from(*n))).unwrap() == Put::New)
        .collect();
    assert_eq!(addresses.buckets_for(0), BucketsInUse::FEWEST);
    let more = addresses.buckets_for(3 * room);
    assert_eq!(more, BucketsInUse::FEWEST.doubled().doubled());

    let dropped = |addresses: &Addresses<SharedLineV4>, n: u32| {
        addresses
            .in_bucket(address(n), |bucket| {
                let (line, entry) = bucket.entry_of(Some(address(n))).unwrap();
                line.drops(entry).fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
    };
    let first = put[0];
    dropped(&addresses, first);
    let copied = addresses.copy_to(more).unwrap();
    // The kernel still finds the old places; then it finds the new ones.
    for moved in &copied {
        addresses
            .lines
            .with(moved.from, 1, |line| {
                line[0].drops(moved.entry).fetch_add(10, Ordering::Relaxed)
            })
            .unwrap();
    }
    for n in &put {
        dropped(&addresses, *n);
    }
    addresses.leave(&copied).unwrap();

    let moved = copied.len() as u64;
    let mut drops = 0;
    for n in &put {
        let (end, dropped) = addresses.get(address(*n)).unwrap().unwrap();
        assert_eq!(end, at(u64::from(*n)));
        drops += dropped;
    }
    assert_eq!(drops, 1 + 10 * moved + put.len() as u64);
    let mut found = 0;
    addresses.each(|_, _| found += 1).unwrap();
    assert_eq!((found, addresses.len()), (put.len(), put.len()));
    assert!(moved > put.len() as u64 / 2);
}

#[test]
fn the_allowlist_is_asked_where_it_holds_somebody() {
    let mut addresses = empty();
    for n in [6, 7, 8] {
        addresses.put(address(n), at(10)).unwrap();
    }
    let asked = |addresses: &Addresses<SharedLineV4>| -> Vec<u32> {
        let asks = |n: &u32| {
            let end = addresses.in_bucket(address(*n), |bucket| {
                let (line, entry) = bucket.entry_of(Some(address(*n))).unwrap();
                BanEnd::from_word(line.end(entry).load(Ordering::Relaxed))
            });
            end.unwrap().may_be_allowed()
        };
        [6, 7, 8].into_iter().filter(asks).collect()
    };
    assert_eq!(asked(&addresses), [0_u32; 0]);
    addresses.allow(Ranges::new(vec![(7, 8)])).unwrap();
    assert_eq!(asked(&addresses), [7, 8]);
    // A renewal and a new ban are told alike.
    addresses.put(address(7), at(20)).unwrap();
    addresses.remove(address(8)).unwrap();
    addresses.put(address(8), at(20)).unwrap();
    assert_eq!(asked(&addresses), [7, 8]);
    assert_eq!(addresses.get(address(7)).unwrap(), Some((at(20), 0)));
    addresses.allow(Ranges::new(vec![(6, 6)])).unwrap();
    assert_eq!(asked(&addresses), [6]);
}
