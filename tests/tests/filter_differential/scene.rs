//! What the filter is told in the differential test: one ban of every standing, in both families.

use std::net::{Ipv4Addr, Ipv6Addr};

use mailwall_tests::filter_scene::{OVER, Scene};

/// Sources that the bans below are about, one that no ban is about, and last one in a
/// banned network that is in a narrower one whose ban is over.
pub const SOURCES_V4: [Ipv4Addr; 9] = [
    Ipv4Addr::new(203, 0, 113, 7),
    Ipv4Addr::new(203, 0, 113, 7),
    Ipv4Addr::new(203, 0, 113, 9),
    Ipv4Addr::new(203, 0, 113, 12),
    Ipv4Addr::new(198, 51, 100, 1),
    Ipv4Addr::new(198, 51, 100, 9),
    Ipv4Addr::new(198, 51, 100, 70),
    Ipv4Addr::new(192, 0, 2, 77),
    Ipv4Addr::new(198, 51, 100, 200),
];

/// The same for IPv6.
pub const SOURCES_V6: [Ipv6Addr; 9] = [
    Ipv6Addr::new(0x2001, 0xdb8, 7, 7, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 7, 7, 1, 2, 3, 4),
    Ipv6Addr::new(0x2001, 0xdb8, 9, 9, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 7, 8, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0x100, 5, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0x140, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 7, 9, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0x180, 0, 0, 0, 0, 1),
];

/// The bans.
pub fn scene() -> Scene {
    let in_force = Scene::banning(&[
        // Addresses.
        "203.0.113.7/32",
        "2001:db8:7:7::/64",
        // Addresses of which some are allowlisted.
        "203.0.113.12/32",
        "2001:db8:7:8::/64",
        // Networks, and narrower ones in them.
        "198.51.100.0/24",
        "198.51.100.64/26",
        "2001:db8:100::/40",
        "2001:db8:140::/48",
    ]);
    in_force
        // Addresses in no banned network, and in one.
        .ban_until("203.0.113.9/32", OVER)
        .ban_until("2001:db8:9:9::/64", OVER)
        .ban_until("198.51.100.9/32", OVER)
        .ban_until("2001:db8:100:5::/64", OVER)
        // Networks in wider ones that are still banned.
        .ban_until("198.51.100.192/26", OVER)
        .ban_until("2001:db8:180::/48", OVER)
        .allow("203.0.113.12/30")
        .allow("2001:db8:7:8::1/128")
}
