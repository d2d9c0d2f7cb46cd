//! Every row of the parse and decide table, in both families.

use std::net::{IpAddr, Ipv4Addr};

use mailwall_common::Verdict::{self, *};

use crate::{
    filter_scene::{Case, OVER, Scene, address},
    packet::{
        ACK, ARP, AUTHENTICATION, CWR, DESTINATION, ECE, ESP, FIN, Frame, HOP_BY_HOP, ICMPV6,
        MOBILITY, NO_NEXT, PSH, ROUTING, RST, SYN, TCP, UDP, URG, VLAN_TAGS,
    },
};

/// The source that is banned as an address in most cases, for each family.
pub const BANNED: [&str; 2] = ["203.0.113.7", "2001:db8:7:7::1"];
/// The ban of it.
const BANS: [&str; 2] = ["203.0.113.7/32", "2001:db8:7:7::/64"];
/// A source with no ban.
const CLEAN: [&str; 2] = ["203.0.113.8", "2001:db8:7:8::1"];

/// All of them.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    links(&mut cases);
    vlans(&mut cases);
    ipv4(&mut cases);
    ipv6(&mut cases);
    fragments(&mut cases);
    segments(&mut cases);
    bans(&mut cases);
    allowlist(&mut cases);
    ends(&mut cases);
    modes(&mut cases);
    cases
}

/// Both bans of [`BANS`].
pub fn banning() -> Scene {
    Scene::banning(&BANS)
}

/// A frame from a banned source: its bans are in the order of the families.
fn from_banned(name: impl Into<String>, frame: Frame, verdict: Verdict) -> Case {
    let ban = match frame.family() {
        mailwall_common::Family::Other => None,
        mailwall_common::Family::V4 => Some(0),
        mailwall_common::Family::V6 => Some(1),
    };
    Case {
        name: name.into(),
        scene: banning(),
        frame,
        verdict,
        ban,
    }
}

fn syn_from(source: &str) -> Frame {
    Frame::new().ip(address(source)).tcp(25, SYN)
}

fn links(cases: &mut Vec<Case>) {
    cases.push(from_banned("arp", Frame::new().other(ARP, &[0; 28]), NotIp));
    cases.push(from_banned(
        "a length instead of an ethertype",
        Frame::new().other(0x0026, &[0x42; 38]),
        NotIp,
    ));
    // PPPoE carries IP, but is not looked into.
    cases.push(from_banned(
        "pppoe",
        Frame::new().other(0x8864, &[0x11; 40]),
        NotIp,
    ));
}

fn vlans(cases: &mut Vec<Case>) {
    for source in BANNED {
        for tags in 1..=4_usize {
            for first in 0..VLAN_TAGS.len() {
                let kinds = (0..tags).map(|tag| VLAN_TAGS[(first + tag) % VLAN_TAGS.len()]);
                let tagged = kinds.fold(Frame::new(), Frame::vlan);
                cases.push(from_banned(
                    format!("{source} behind {tags} tags from {:#x}", VLAN_TAGS[first]),
                    tagged.ip(address(source)).tcp(25, SYN),
                    if tags <= 3 { BannedAddress } else { DeepVlan },
                ));
            }
        }
    }
    cases.push(from_banned(
        "arp behind a tag",
        Frame::new().vlan(VLAN_TAGS[0]).other(ARP, &[0; 28]),
        NotIp,
    ));
}

fn ipv4(cases: &mut Vec<Case>) {
    let banned = banned_v4();
    for options_len in (0..=40).step_by(4) {
        cases.push(from_banned(
            format!("ipv4 with {options_len} bytes of options"),
            Frame::new().ipv4(banned, options_len).tcp(25, SYN),
            BannedAddress,
        ));
    }
    for words in 0..5 {
        cases.push(from_banned(
            format!("ipv4 header of {words} words"),
            syn_from(BANNED[0]).wrong_ip_byte(0, 0x40 | words),
            Malformed,
        ));
    }
    for version in (0..16).filter(|version| *version != 4) {
        cases.push(from_banned(
            format!("version {version} in ipv4"),
            syn_from(BANNED[0]).wrong_ip_byte(0, version << 4 | 5),
            Malformed,
        ));
    }
    cases.push(from_banned(
        "ipv4 shorter than its header",
        syn_from(BANNED[0]).wrong_ip_byte(3, 19),
        Malformed,
    ));
    cases.push(from_banned(
        "first fragment shorter than its header",
        Frame::new()
            .ipv4(banned, 0)
            .fragment(0, true)
            .tcp_start(25, SYN, 8)
            .wrong_ip_byte(3, 19),
        Malformed,
    ));
    cases.push(from_banned(
        "first fragment with options",
        Frame::new()
            .ipv4(banned, 40)
            .fragment(0, true)
            .tcp_start(25, SYN, 8),
        BannedFragment,
    ));
    for protocol in [UDP, ESP, 1, 4, 41, 47] {
        cases.push(from_banned(
            format!("ipv4 with protocol {protocol}"),
            Frame::new().ipv4(banned, 0).payload(protocol, &[0; 24]),
            NotTcp,
        ));
    }
    for len in [0, 1, 8, 13, 14, 19] {
        cases.push(from_banned(
            format!("{len} bytes of tcp, and a trailer that looks like the rest"),
            Frame::new()
                .ipv4(banned, 0)
                .tcp_start(25, SYN, len)
                .trailer(&[SYN; 26]),
            Malformed,
        ));
    }
}

fn ipv6(cases: &mut Vec<Case>) {
    let start = || Frame::new().ip(address(BANNED[1]));
    for version in (0..16).filter(|version| *version != 6) {
        cases.push(from_banned(
            format!("version {version} in ipv6"),
            syn_from(BANNED[1]).wrong_ip_byte(0, version << 4),
            Malformed,
        ));
    }
    for kind in [HOP_BY_HOP, ROUTING, DESTINATION, MOBILITY] {
        for len in [8, 16, 64] {
            cases.push(from_banned(
                format!("ipv6 extension {kind} of {len} bytes"),
                start().extension(kind, len).tcp(25, SYN),
                BannedAddress,
            ));
        }
    }
    // The longest an extension header can be, and the shortest authentication header there is.
    for (kind, len) in [
        (DESTINATION, 2048),
        (AUTHENTICATION, 12),
        (AUTHENTICATION, 24),
        (AUTHENTICATION, 1028),
    ] {
        cases.push(from_banned(
            format!("ipv6 extension {kind} of {len} bytes"),
            start().extension(kind, len).tcp(25, SYN),
            BannedAddress,
        ));
    }
    let kinds = [
        (HOP_BY_HOP, 8),
        (DESTINATION, 16),
        (ROUTING, 24),
        (AUTHENTICATION, 12),
        (DESTINATION, 8),
        (MOBILITY, 8),
        (ROUTING, 8),
        (DESTINATION, 8),
        (DESTINATION, 8),
    ];
    for count in 2..=9 {
        let chain = kinds[..count]
            .iter()
            .fold(start(), |frame, (kind, len)| frame.extension(*kind, *len));
        cases.push(from_banned(
            format!("{count} ipv6 extensions"),
            chain.tcp(25, SYN),
            if count <= 8 { BannedAddress } else { NotTcp },
        ));
    }
    // Host identity and shim6 are extension headers too, but not ones a mail server's host is spoken to through.
    for protocol in [UDP, ICMPV6, ESP, NO_NEXT, 4, 41, 139, 140, 253] {
        cases.push(from_banned(
            format!("ipv6 with next header {protocol}"),
            start().payload(protocol, &[TCP; 24]),
            NotTcp,
        ));
        cases.push(from_banned(
            format!("ipv6 with next header {protocol} behind an extension"),
            start()
                .extension(DESTINATION, 8)
                .payload(protocol, &[TCP; 24]),
            NotTcp,
        ));
    }
    cases.push(from_banned(
        "ipv6 that leaves its length to a hop-by-hop header",
        start()
            .extension(HOP_BY_HOP, 8)
            .tcp(25, SYN)
            .without_length(),
        BannedAddress,
    ));
    for len in [0, 8, 14, 19] {
        cases.push(from_banned(
            format!("{len} bytes of tcp in ipv6, and a trailer that looks like the rest"),
            start().tcp_start(25, SYN, len).trailer(&[SYN; 26]),
            Malformed,
        ));
    }
}

fn fragments(cases: &mut Vec<Case>) {
    for source in BANNED {
        let first = || Frame::new().ip(address(source)).fragment(0, true);
        cases.push(from_banned(
            format!("first fragment of a SYN from {source}"),
            first().tcp(25, SYN),
            BannedAddress,
        ));
        cases.push(from_banned(
            format!("first fragment of a SYN to no guarded port from {source}"),
            first().tcp(80, SYN),
            UnguardedPort,
        ));
        cases.push(from_banned(
            format!("first fragment of data from {source}"),
            first().tcp(25, ACK),
            NotSyn,
        ));
        cases.push(from_banned(
            format!("first fragment with the flags, but not all of the header, from {source}"),
            first().tcp_start(25, SYN, 16),
            BannedAddress,
        ));
        for len in [0, 1, 8, 13] {
            cases.push(from_banned(
                format!("first fragment with {len} bytes of tcp from {source}"),
                first().tcp_start(25, SYN, len),
                BannedFragment,
            ));
            cases.push(from_banned(
                format!("first fragment with {len} bytes of tcp and a trailer from {source}"),
                first().tcp_start(80, ACK, len).trailer(&[0; 30]),
                BannedFragment,
            ));
        }
        cases.push(from_banned(
            format!("first fragment of udp from {source}"),
            first().payload(UDP, &[0; 8]),
            NotTcp,
        ));
        for (offset, more) in [(8, true), (8, false), (0x8000, true), (0xfff8, false)] {
            cases.push(from_banned(
                format!("fragment at {offset}, more: {more}, from {source}"),
                Frame::new()
                    .ip(address(source))
                    .fragment(offset, more)
                    .tcp(25, SYN),
                LaterFragment,
            ));
        }
        cases.push(from_banned(
            format!("later fragment of udp from {source}"),
            Frame::new()
                .ip(address(source))
                .fragment(64, false)
                .payload(UDP, &[0; 32]),
            NotTcp,
        ));
    }
    for source in CLEAN {
        cases.push(Case {
            ban: None,
            ..from_banned(
                format!("first fragment with 8 bytes of tcp from {source}"),
                Frame::new()
                    .ip(address(source))
                    .fragment(0, true)
                    .tcp_start(25, SYN, 8),
                TinyFragment,
            )
        });
    }
    let first_v6 = || Frame::new().ip(address(BANNED[1])).fragment(0, true);
    cases.push(from_banned(
        "ipv6 fragment that is the whole packet",
        Frame::new()
            .ip(address(BANNED[1]))
            .fragment(0, false)
            .tcp(25, SYN),
        BannedAddress,
    ));
    cases.push(from_banned(
        "first ipv6 fragment with an extension in it",
        first_v6().extension(DESTINATION, 16).tcp(25, SYN),
        BannedAddress,
    ));
    cases.push(from_banned(
        "first ipv6 fragment behind an extension",
        Frame::new()
            .ip(address(BANNED[1]))
            .extension(HOP_BY_HOP, 8)
            .fragment(0, true)
            .tcp_start(25, SYN, 8),
        BannedFragment,
    ));
    cases.push(from_banned(
        "first ipv6 fragment with a whole fragment in it",
        first_v6().fragment(0, false).tcp_start(25, SYN, 8),
        BannedFragment,
    ));
}

fn segments(cases: &mut Vec<Case>) {
    for source in BANNED {
        for port in crate::filter_scene::GUARDED {
            cases.push(from_banned(
                format!("SYN from {source} to {port}"),
                Frame::new().ip(address(source)).tcp(port, SYN),
                BannedAddress,
            ));
        }
        for port in [0, 22, 24, 26, 80, 89, 443, 993, 65_535] {
            cases.push(from_banned(
                format!("SYN from {source} to {port}"),
                Frame::new().ip(address(source)).tcp(port, SYN),
                UnguardedPort,
            ));
        }
        for (flags, verdict) in [
            (0, NotSyn),
            (ACK, NotSyn),
            (FIN | ACK, NotSyn),
            (RST, NotSyn),
            (PSH | ACK, NotSyn),
            (SYN | ACK, NotSyn),
            (SYN | RST, NotSyn),
            (SYN | FIN, NotSyn),
            (SYN | PSH, BannedAddress),
            (SYN | URG, BannedAddress),
            (SYN | ECE | CWR, BannedAddress),
            (SYN | PSH | URG | ECE | CWR, BannedAddress),
        ] {
            cases.push(from_banned(
                format!("flags {flags:#04x} from {source}"),
                Frame::new().ip(address(source)).tcp(25, flags),
                verdict,
            ));
        }
    }
}

fn bans(cases: &mut Vec<Case>) {
    for source in CLEAN {
        cases.push(Case {
            ban: None,
            ..from_banned(format!("SYN from {source}"), syn_from(source), Clean)
        });
    }
    for (net, inside, outside) in [
        ("203.0.113.0/24", "203.0.113.255", "203.0.112.255"),
        ("203.0.113.128/25", "203.0.113.128", "203.0.113.127"),
        ("203.0.113.6/31", "203.0.113.7", "203.0.113.8"),
        ("192.0.0.0/2", "255.255.255.254", "128.0.0.1"),
        ("2001:db8:7::/48", "2001:db8:7:ffff::9", "2001:db8:8::9"),
        ("2001:db8:7:7::1/128", "2001:db8:7:7::1", "2001:db8:7:7::2"),
        ("2001:db8:7:6::/63", "2001:db8:7:7::1", "2001:db8:7:8::1"),
        (
            "2001:db8:7:7::/65",
            "2001:db8:7:7:7fff::",
            "2001:db8:7:7:8000::",
        ),
    ] {
        cases.push(network_case(net, inside, BannedNetwork));
        cases.push(network_case(net, outside, Clean));
    }
    cases.push(network_case("0.0.0.0/0", "198.51.100.1", BannedNetwork));
    cases.push(network_case("0.0.0.0/0", "2001:db8::1", Clean));
    cases.push(network_case("::/0", "2001:db8::1", BannedNetwork));
    cases.push(network_case("::/0", "198.51.100.1", Clean));
    // A ban of a /64 is one of all of it, and of nothing beside it.
    for (inside, verdict) in [
        ("2001:db8:7:7:ffff:ffff:ffff:ffff", BannedAddress),
        ("2001:db8:7:7::", BannedAddress),
        ("2001:db8:7:6:ffff:ffff:ffff:ffff", Clean),
        ("2001:db8:7:8::", Clean),
    ] {
        cases.push(Case {
            ban: (verdict == BannedAddress).then_some(1),
            ..from_banned(format!("SYN from {inside}"), syn_from(inside), verdict)
        });
    }
    narrowest(cases);
}

/// The address before the networks, the narrower network before the wider.
fn narrowest(cases: &mut Vec<Case>) {
    let scene = Scene::banning(&[
        "203.0.113.0/24",
        "203.0.113.7/32",
        "203.0.0.0/16",
        "2001:db8::/32",
        "2001:db8:7:7::/64",
        "2001:db8:7::/48",
    ]);
    for (source, ban, verdict) in [
        ("203.0.113.7", Some(1), BannedAddress),
        ("203.0.113.8", Some(0), BannedNetwork),
        ("203.0.114.8", Some(2), BannedNetwork),
        ("203.1.114.8", None, Clean),
        ("2001:db8:7:7::1", Some(4), BannedAddress),
        ("2001:db8:7:8::1", Some(5), BannedNetwork),
        ("2001:db8:8::1", Some(3), BannedNetwork),
        ("2001:db9::1", None, Clean),
    ] {
        cases.push(Case {
            name: format!("{source} in nested bans"),
            scene: scene.clone(),
            frame: syn_from(source),
            verdict,
            ban,
        });
    }
}

fn network_case(net: &str, source: &str, verdict: Verdict) -> Case {
    Case {
        name: format!("SYN from {source} while {net} is banned"),
        scene: Scene::banning(&[net]),
        frame: syn_from(source),
        verdict,
        ban: (verdict == BannedNetwork).then_some(0),
    }
}

fn allowlist(cases: &mut Vec<Case>) {
    for (ban, allowed, source, verdict) in [
        (BANS[0], "203.0.113.7/32", BANNED[0], Allowed),
        (BANS[0], "203.0.0.0/16", BANNED[0], Allowed),
        (BANS[0], "203.0.113.8/32", BANNED[0], BannedAddress),
        ("203.0.113.0/24", "203.0.113.7/32", BANNED[0], Allowed),
        ("203.0.113.0/24", "203.0.113.8/32", BANNED[0], BannedNetwork),
        ("203.0.113.0/24", "0.0.0.0/0", BANNED[0], Allowed),
        (BANS[1], "2001:db8:7:7::1/128", BANNED[1], Allowed),
        (BANS[1], "2001:db8:7:7::2/128", BANNED[1], BannedAddress),
        (BANS[1], "2001:db8:7::/48", BANNED[1], Allowed),
        ("2001:db8:7::/48", "2001:db8:7:7::/64", BANNED[1], Allowed),
        ("2001:db8:7::/48", "::/0", BANNED[1], Allowed),
        ("203.0.113.0/24", "198.51.100.0/24", "198.51.100.1", Clean),
    ] {
        let banned = matches!(verdict, BannedAddress | BannedNetwork);
        for (what, frame, verdict) in [
            ("SYN", syn_from(source), verdict),
            (
                "tiny fragment",
                Frame::new()
                    .ip(address(source))
                    .fragment(0, true)
                    .tcp_start(25, SYN, 8),
                if banned { BannedFragment } else { TinyFragment },
            ),
        ] {
            cases.push(Case {
                name: format!("{what} from {source}: {ban} banned, {allowed} allowed"),
                scene: Scene::banning(&[ban]).allow(allowed),
                frame,
                verdict,
                ban: banned.then_some(0),
            });
        }
    }
}

fn ends(cases: &mut Vec<Case>) {
    for (source, narrow, wide) in [
        (BANNED[0], BANS[0], "203.0.113.0/24"),
        (BANNED[1], BANS[1], "2001:db8:7::/48"),
    ] {
        let over = |net| Scene::banning(&[]).ban_until(net, OVER);
        let rows = [
            ("an address ban is over", over(narrow), Expired, None),
            ("a network ban is over", over(wide), Expired, None),
            (
                "both are over",
                over(narrow).ban_until(wide, OVER),
                Expired,
                None,
            ),
            (
                "the address ban is over, the network's is not",
                over(narrow).ban_until(wide, mailwall_common::KernelInstant::NEVER),
                BannedNetwork,
                Some(1),
            ),
            (
                "the network ban is over, the address's is not",
                over(wide).ban_until(narrow, mailwall_common::KernelInstant::NEVER),
                BannedAddress,
                Some(1),
            ),
            (
                "the ban is over, and the source allowlisted",
                over(narrow).allow(wide),
                Expired,
                None,
            ),
        ];
        for (what, scene, verdict, ban) in rows {
            for (frame, verdict) in [
                (syn_from(source), verdict),
                (
                    Frame::new()
                        .ip(address(source))
                        .fragment(0, true)
                        .tcp_start(25, SYN, 8),
                    if ban.is_some() {
                        BannedFragment
                    } else {
                        TinyFragment
                    },
                ),
            ] {
                cases.push(Case {
                    name: format!("{source}: {what}"),
                    scene: scene.clone(),
                    frame,
                    verdict,
                    ban,
                });
            }
        }
    }
}

/// In observe mode, and in one the filter does not know, everything passes and is counted.
fn modes(cases: &mut Vec<Case>) {
    let observed: Vec<Case> = cases
        .iter()
        .filter(|case| case.verdict.is_drop())
        .flat_map(|case| {
            [mailwall_common::MODE_OBSERVE, 2, u32::MAX].map(|mode| Case {
                name: format!("{} (mode {mode})", case.name),
                scene: case.scene.clone().in_mode(mode),
                verdict: case.verdict.observed(),
                ..case.clone()
            })
        })
        .collect();
    cases.extend(observed);
}

fn banned_v4() -> Ipv4Addr {
    match address(BANNED[0]) {
        IpAddr::V4(banned) => banned,
        IpAddr::V6(_) => unreachable!("the first of the two is IPv4"),
    }
}
