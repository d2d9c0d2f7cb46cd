//! What does not fit is refused, and everything is as before.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use mailwall_common::{KernelInstant, NETWORKS_CAPACITY};

use crate::{
    content::Content,
    in_namespaces, open,
    pinned::Pinned,
    universe::{Universe, single},
};

/// The trie is full, and among what is to be added is one whose bucket is full.
#[test]
fn what_finds_no_room_anywhere_is_refused_and_what_was_added_with_it_taken_back() {
    in_namespaces(|dir| {
        let mut filter = open(dir);
        let pinned = Pinned::open(dir);
        let universe = Universe::new(pinned.settings().seed);
        let crowd = &universe.crowds[0];
        let until = |end| move |net: IpNet| (net, KernelInstant::from_ns(end));
        let full = (0..NETWORKS_CAPACITY).map(|n| {
            let address = Ipv4Addr::from_bits(0x0a00_0000 + (n << 1));
            IpNet::new(address.into(), 31).unwrap()
        });
        let full: Vec<_> = full.map(until(1 << 60)).collect();
        filter.ban(&full).unwrap();
        let bucket = crowd[..8].iter().copied();
        filter
            .ban(&bucket.map(until(1 << 50)).collect::<Vec<_>>())
            .unwrap();
        let before = Content::read(&pinned);

        // New, until later, until sooner, and one too many.
        let added = [
            until(1 << 51)(single(Ipv4Addr::new(192, 0, 2, 1))),
            until(1 << 51)(crowd[0]),
            until(1 << 49)(crowd[1]),
            until(1 << 51)(crowd[8]),
        ];
        let error = filter.ban(&added).unwrap_err().to_string();
        assert!(error.contains("NETWORKS_V4"), "{error}");
        assert_eq!(Content::read(&pinned), before);
        assert_eq!(filter.len(), full.len() + 8);

        // After one went, there is room.
        filter.unban(&[full[77].0]).unwrap();
        filter.ban(&added).unwrap();
        assert_eq!(Content::read(&pinned).networks.len(), full.len());
        assert_eq!(filter.drops(&crowd[8]), Some(0));
    });
}
