use ipnet::IpNet;
use proptest::prelude::*;

use super::{AllowEntry, AllowOrigin, Allowlist};

fn entry(net: &str, origin: AllowOrigin) -> AllowEntry {
    AllowEntry {
        net: net.parse().unwrap(),
        origin,
        reason: String::new(),
    }
}

fn with(nets: &[&str]) -> Allowlist {
    Allowlist::new(nets.iter().map(|net| entry(net, AllowOrigin::Config)))
}

fn covering(list: &Allowlist, address: &str) -> String {
    list.covering(address.parse().unwrap())
        .map_or("-".to_owned(), |entry| entry.net.to_string())
}

#[test]
fn what_cannot_be_a_client_is_built_in_and_its_neighbours_are_not() {
    let list = Allowlist::default();
    for (allowed, not) in [
        ("10.1.2.3", "11.0.0.0"),
        ("172.31.0.1", "172.32.0.1"),
        ("192.168.1.1", "192.169.0.1"),
        ("100.64.0.1", "100.128.0.1"),
        ("127.0.0.1", "128.0.0.1"),
        ("169.254.1.1", "169.255.0.0"),
        ("0.0.0.0", "1.0.0.0"),
        ("239.1.1.1", "240.0.0.1"),
        ("255.255.255.255", "255.255.255.254"),
        ("::", "::2"),
        ("::1", "::2"),
        ("fe80::1", "fec0::1"),
        ("fd00::1", "fe00::1"),
        ("ff02::1", "2001:db8::1"),
        ("::ffff:127.0.0.1", "::ffff:203.0.113.1"),
    ] {
        assert_ne!(covering(&list, allowed), "-", "{allowed}");
        assert_eq!(covering(&list, not), "-", "{not}");
    }
}

#[test]
fn documentation_networks_are_not_built_in() {
    for address in ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1"] {
        assert_eq!(covering(&Allowlist::default(), address), "-");
    }
}

#[test]
fn the_narrowest_entry_answers() {
    let list = with(&[
        "198.51.0.0/16",
        "198.51.100.0/24",
        "198.51.100.7/32",
        "198.51.100.128/25",
        "2001:db8::/32",
        "2001:db8:0:1::/64",
    ]);
    assert_eq!(covering(&list, "198.51.100.7"), "198.51.100.7/32");
    assert_eq!(covering(&list, "::ffff:198.51.100.7"), "198.51.100.7/32");
    assert_eq!(covering(&list, "198.51.100.8"), "198.51.100.0/24");
    assert_eq!(covering(&list, "198.51.100.200"), "198.51.100.128/25");
    assert_eq!(covering(&list, "198.51.101.1"), "198.51.0.0/16");
    assert_eq!(covering(&list, "2001:db8:0:1::9"), "2001:db8:0:1::/64");
    assert_eq!(covering(&list, "2001:db8:0:2::9"), "2001:db8::/32");
}

#[test]
fn a_net_is_covered_only_as_a_whole() {
    let list = with(&["198.51.100.0/25", "198.51.100.9/32"]);
    let net = |text: &str| {
        list.covering_net(text.parse().unwrap())
            .map(|entry| entry.net.to_string())
    };
    assert_eq!(net("198.51.100.0/24"), None);
    assert_eq!(net("198.51.100.0/26"), Some("198.51.100.0/25".to_owned()));
    assert_eq!(net("198.51.100.8/31"), Some("198.51.100.0/25".to_owned()));
    assert_eq!(net("0.0.0.0/0"), None);
    let inside = |text: &str| list.inside(text.parse().unwrap()).count();
    assert_eq!(inside("198.51.100.0/24"), 2);
    assert_eq!(inside("198.51.100.8/29"), 1);
    assert_eq!(inside("198.51.101.0/24"), 0);
    assert_eq!(inside("::/0"), 6);
}

#[test]
fn of_two_entries_of_a_net_the_one_that_is_always_there_is_kept() {
    let list = Allowlist::new([
        entry("10.0.0.0/8", AllowOrigin::Manual),
        entry("203.0.113.9/24", AllowOrigin::Manual),
        entry("203.0.113.0/24", AllowOrigin::Config),
    ]);
    let origin = |address: &str| list.covering(address.parse().unwrap()).unwrap().origin;
    assert_eq!(origin("10.0.0.1"), AllowOrigin::BuiltIn);
    assert_eq!(origin("203.0.113.1"), AllowOrigin::Config);
    assert_eq!(list.len(), Allowlist::default().len() + 1);
}

proptest! {
    #[test]
    fn it_answers_as_a_search_of_every_entry_does(
        nets in proptest::collection::vec((any::<u32>(), 0u8..=32), 0..40),
        wanted in (any::<u32>(), 0u8..=32),
    ) {
        let net = |(address, len): (u32, u8)| -> IpNet {
            // Few distinct leading bits, so that entries nest.
            IpNet::new(std::net::Ipv4Addr::from(address & 0xff03_0303 | 0x0800_0000).into(), len).unwrap().trunc()
        };
        let list = Allowlist::new(nets.iter().map(|n| entry(&net(*n).to_string(), AllowOrigin::Config)));
        let wanted = net(wanted);
        let slow = list.iter().filter(|e| e.net.contains(&wanted)).max_by_key(|e| e.net.prefix_len());
        prop_assert_eq!(list.covering_net(wanted), slow);
        let inside: Vec<_> = list.iter().filter(|e| wanted.contains(&e.net)).collect();
        prop_assert_eq!(list.inside(wanted).collect::<Vec<_>>(), inside);
    }
}
