//! The table as a whole.

use std::time::{Duration, SystemTime};

use super::{Bans, EVIDENCE_BYTES_MAX};
use crate::ban::{Ban, End, Evidence, Origin};

fn at(s: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(s)
}

fn ban(net: &str, end: End) -> Ban {
    Ban::new(net.parse().unwrap(), Origin::Kernel, at(0), end)
}

fn nets<'a>(bans: impl Iterator<Item = &'a Ban>) -> Vec<String> {
    bans.map(|ban| ban.net.to_string()).collect()
}

#[test]
fn the_log_lines_of_the_newest_bans_are_kept_and_no_more() {
    let mut bans = Bans::new();
    let lines = |n: u64| {
        let text = "x".repeat(512);
        vec![Evidence { at: at(n), text }; 10]
    };
    for n in 0..10_000 {
        let net = std::net::Ipv4Addr::from(0x0a00_0000 + n as u32);
        bans.insert(Ban {
            since: at(n),
            evidence: lines(n),
            ..ban(&format!("{net}/32"), End::Never)
        });
        // One that ends at once.
        bans.insert(Ban {
            since: at(n),
            evidence: lines(n),
            ..ban("192.0.2.1/32", End::At(at(n)))
        });
        assert!(bans.evidence_bytes() <= EVIDENCE_BYTES_MAX);
    }
    let has_lines = |net: &str| {
        let ban = bans.get(&net.parse().unwrap()).unwrap();
        ban.evidence.len() == 10
    };
    assert!(!has_lines("10.0.0.0/32") && has_lines("10.0.39.15/32"));
    let nets: Vec<_> = bans.iter().map(|ban| ban.net).collect();
    for net in nets {
        bans.remove(&net);
    }
    assert_eq!(bans.evidence_bytes(), 0);
}

#[test]
fn covering_bans_come_narrowest_first() {
    let mut bans = Bans::new();
    for net in [
        "203.0.0.0/16",
        "203.0.113.7/32",
        "203.0.113.0/24",
        "0.0.0.0/0",
        "198.51.100.0/24",
        "2001:db8::/32",
        "2001:db8::/64",
        "2001:db8::1/128",
    ] {
        bans.insert(ban(net, End::Never));
    }
    assert_eq!(
        nets(bans.covering("::ffff:203.0.113.7".parse().unwrap())),
        [
            "203.0.113.7/32",
            "203.0.113.0/24",
            "203.0.0.0/16",
            "0.0.0.0/0"
        ]
    );
    assert_eq!(
        nets(bans.covering("2001:db8::1".parse().unwrap())),
        ["2001:db8::1/128", "2001:db8::/64", "2001:db8::/32"]
    );
    assert_eq!(
        nets(bans.around("203.0.113.0/24".parse().unwrap())),
        ["203.0.113.0/24", "203.0.0.0/16", "0.0.0.0/0"]
    );
    bans.remove(&"203.0.113.0/24".parse().unwrap());
    assert_eq!(nets(bans.covering("203.0.113.9".parse().unwrap())).len(), 2);
}

#[test]
fn bans_of_before_are_in_force_as_if_they_had_been_put_in_one_by_one() {
    let list = Origin::List(crate::ban::ListName::new("drop").unwrap());
    let before: Vec<Ban> = [
        ("203.0.113.3/32", End::Never, Origin::Manual),
        ("203.0.113.2/32", End::At(at(9)), Origin::Kernel),
        ("2001:db8::/64", End::At(at(7)), list.clone()),
        ("203.0.113.2/32", End::At(at(5)), list),
        ("203.0.113.0/24", End::At(at(5)), Origin::Kernel),
    ]
    .map(|(net, end, origin)| Ban {
        origin,
        ..ban(net, end)
    })
    .into();
    let (mut restored, mut one_by_one) = (Bans::new(), Bans::new());
    for bans in [&mut restored, &mut one_by_one] {
        bans.insert(ban("203.0.113.1/32", End::At(at(6))));
    }
    let mut shown = 0;
    restored.restore(before.clone(), |_| shown += 1);
    assert_eq!(shown, before.len());
    for ban in before {
        one_by_one.insert(ban);
    }
    assert!(restored.iter().eq(one_by_one.iter()));
    assert!(restored.fill().eq(one_by_one.fill()));
    assert_eq!(restored.lists(), one_by_one.lists());
    let origins = |bans: &Bans| {
        let counts = bans.by_origin();
        let counts = counts.map(|(name, count)| (name.to_owned(), count));
        counts.collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(origins(&restored), origins(&one_by_one));
    let net = "203.0.113.200/32".parse().unwrap();
    assert_eq!(
        restored.next_to_give_way(&net),
        one_by_one.next_to_give_way(&net)
    );
    while let Some(next) = one_by_one.pop_over(at(100)) {
        assert_eq!(restored.pop_over(at(100)), Some(next));
    }
    assert!(restored.pop_over(at(100)).is_none());
}

#[test]
fn bans_end_in_the_order_of_their_ends() {
    let mut bans = Bans::new();
    bans.insert(ban("203.0.113.3/32", End::Never));
    bans.insert(ban("203.0.113.2/32", End::At(at(9))));
    bans.insert(ban("203.0.113.1/32", End::At(at(5))));
    assert_eq!(bans.next_end(), Some(at(5)));
    assert_eq!(
        nets(bans.iter()),
        ["203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"]
    );
    bans.insert(ban("203.0.113.1/32", End::At(at(20))));
    assert_eq!(bans.len(), 3);
    assert!(bans.pop_over(at(8)).is_none());
    assert_eq!(
        bans.pop_over(at(9)).unwrap().net.to_string(),
        "203.0.113.2/32"
    );
    assert_eq!(
        bans.pop_over(at(99)).unwrap().net.to_string(),
        "203.0.113.1/32"
    );
    assert!(bans.pop_over(at(99)).is_none());
    assert_eq!(bans.next_end(), None);
}
