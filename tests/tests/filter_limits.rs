//! Limits in the kernel, through BPF_PROG_TEST_RUN. Intervals are an hour, so that no connection falls due while a test runs: how
//! time is counted, the filter's tests on the host show. Needs root.

use std::net::Ipv4Addr;

use aya::programs::TracePoint;
use ipnet::IpNet;
use mailwall_common::{
    AddressV4, Bucket, Counted, Limit, LimitEventKind, MODE_OBSERVE, SourceKey, Verdict, map_name,
    program_name,
};
use mailwall_tests::{
    filter_kernel::{Kernel, OBJECT},
    filter_maps::SEED,
    filter_scene::{Scene, address},
    packet::{Frame, SYN},
};

/// As for the other programs: a quarter of what Linux allows.
const VERIFIED_MAX: u32 = 250_000;
const HOUR_NS: u64 = 3_600_000_000_000;
/// Forged sources of the flood: 6 for each seat there is.
const FORGED: u32 = 400_000;

/// So many connections at once, and then one an hour.
fn at_once(connections: u64) -> Limit {
    Limit {
        interval_ns: HOUR_NS,
        burst_ns: HOUR_NS * (connections - 1),
        concurrent: 0,
        flags: 0,
    }
}

fn net(text: &str) -> IpNet {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is a network"))
}

fn limiting(scene: &Scene, limit: Limit) -> Kernel {
    let mut kernel = Kernel::load();
    kernel.arrange(scene);
    kernel.maps().limit(None, 0, limit);
    kernel
}

fn syn(source: &str) -> Frame {
    Frame::new().ip(address(source)).tcp(25, SYN)
}

/// What becomes of so many SYNs.
fn verdicts(kernel: &mut Kernel, source: &str, syns: usize) -> Vec<Verdict> {
    (0..syns)
        .map(|_| kernel.run(syn(source).bytes()).verdict)
        .collect()
}

/// So many are clean, and the others something else.
fn first_clean(clean: usize, then: Verdict, syns: usize) -> Vec<Verdict> {
    (0..syns)
        .map(|n| if n < clean { Verdict::Clean } else { then })
        .collect()
}

#[test]
fn a_source_may_open_as_many_as_its_limit_allows() {
    let mut kernel = limiting(&Scene::banning(&[]), at_once(3));
    for source in ["192.0.2.7", "192.0.2.8", "2001:db8:7::1"] {
        let seen = verdicts(&mut kernel, source, 5);
        assert_eq!(seen, first_clean(3, Verdict::OverRate, 5), "{source}");
    }
    // Another address of the same /64.
    assert_eq!(
        verdicts(&mut kernel, "2001:db8:7::2", 1),
        [Verdict::OverRate]
    );
    let events = kernel.maps().limit_events(map_name::SYN_EVENTS);
    let told: Vec<Counted> = events
        .iter()
        .map(|event| SourceKey::from_word(event.key).counted())
        .collect();
    let octets = |last| Counted::AddressV4(AddressV4::from_octets([192, 0, 2, last]));
    assert_eq!(told[..2], [octets(7), octets(8)]);
    assert_eq!(told.len(), 3, "one for each source");
    assert!(
        events
            .iter()
            .all(|event| event.known_kind() == Some(LimitEventKind::SynsOver))
    );
}

#[test]
fn what_is_no_syn_to_a_guarded_port_is_not_counted() {
    let mut kernel = limiting(&Scene::banning(&[]), at_once(1));
    for _ in 0..5 {
        let other = Frame::new().ip(address("192.0.2.7")).tcp(80, SYN);
        assert_eq!(kernel.run(other.bytes()).verdict, Verdict::UnguardedPort);
        let data = Frame::new().ip(address("192.0.2.7")).tcp(25, 0b0001_0000);
        assert_eq!(kernel.run(data.bytes()).verdict, Verdict::NotSyn);
    }
    let seen = verdicts(&mut kernel, "192.0.2.7", 2);
    assert_eq!(seen, first_clean(1, Verdict::OverRate, 2));
}

#[test]
fn the_narrowest_network_counts_and_may_be_counted_as_a_whole() {
    let mut kernel = limiting(&Scene::banning(&[]), at_once(2));
    let mut maps = kernel.maps();
    maps.limit(Some(&net("198.51.100.0/24")), 1, at_once(4));
    maps.limit(Some(&net("198.51.100.0/28")), 2, at_once(3).together());
    maps.limit(Some(&net("2001:db8::/32")), 3, Limit::default());
    let seen = verdicts(&mut kernel, "198.51.100.77", 6);
    assert_eq!(seen, first_clean(4, Verdict::OverRate, 6));
    for (n, source) in [
        "198.51.100.1",
        "198.51.100.2",
        "198.51.100.3",
        "198.51.100.4",
    ]
    .iter()
    .enumerate()
    {
        let expected = if n < 3 {
            Verdict::Clean
        } else {
            Verdict::OverRate
        };
        assert_eq!(verdicts(&mut kernel, source, 1), [expected], "{source}");
    }
    let seen = verdicts(&mut kernel, "192.0.2.7", 4);
    assert_eq!(seen, first_clean(2, Verdict::OverRate, 4));
    let seen = verdicts(&mut kernel, "2001:db8::1", 9);
    assert_eq!(seen, first_clean(9, Verdict::OverRate, 9));
}

#[test]
fn who_is_allowed_is_not_limited_and_who_is_banned_is_not_counted() {
    let scene = Scene::banning(&["203.0.113.7/32"]).allow("192.0.2.7/32");
    let mut kernel = limiting(&scene, at_once(1));
    let seen = verdicts(&mut kernel, "192.0.2.7", 5);
    assert_eq!(seen, [Verdict::Clean; 5]);
    let seen = verdicts(&mut kernel, "203.0.113.7", 5);
    assert_eq!(seen, [Verdict::BannedAddress; 5]);
    assert_eq!(kernel.maps().limit_events(map_name::SYN_EVENTS), []);
}

#[test]
fn what_is_observed_passes() {
    let scene = Scene::banning(&[]).in_mode(MODE_OBSERVE);
    let mut kernel = limiting(&scene, at_once(1));
    let seen = verdicts(&mut kernel, "192.0.2.7", 3);
    assert_eq!(seen, first_clean(1, Verdict::ObservedRate, 3));
}

#[test]
fn open_connections_are_counted_by_the_agreed_table() {
    let mut kernel = Kernel::load();
    kernel.arrange(&Scene::banning(&[]));
    let limit = Limit::new(0, 2);
    kernel.maps().limit(None, 0, limit);
    let key = SourceKey::v4(AddressV4::from_octets([192, 0, 2, 7]));
    for (open, expected) in [
        (1, Verdict::Clean),
        (2, Verdict::OverConcurrent),
        (3, Verdict::OverConcurrent),
        (-1, Verdict::Clean),
    ] {
        let mut bucket = Bucket::default();
        bucket.tallies[3].key = key.word();
        bucket.tallies[3].open = open;
        let index = key.bucket(SEED);
        kernel.maps().set(map_name::CONNECTIONS, index, bucket);
        assert_eq!(verdicts(&mut kernel, "192.0.2.7", 1), [expected], "{open}");
        let after: Bucket = kernel.maps().get(map_name::CONNECTIONS, index);
        let refused = u32::from(expected == Verdict::OverConcurrent);
        assert_eq!(after.tallies[3].refused, refused);
    }
}

#[test]
fn the_verifier_is_far_from_its_limit_in_the_tracepoint_program() {
    let mut ebpf = aya::Ebpf::load(OBJECT).expect("the maps can be created");
    let program: &mut TracePoint = ebpf
        .program_mut(program_name::CONNECTIONS)
        .expect("the object has the program")
        .try_into()
        .expect("the program is for a tracepoint");
    program.load().expect("the verifier accepts the program");
    let info = program.info().expect("a loaded program has an info");
    if let Some(verified) = info.verified_instruction_count() {
        println!("{verified} instructions verified");
        assert!(verified <= VERIFIED_MAX, "{verified}");
    }
}

#[test]
fn a_flood_of_forged_sources_refuses_no_clean_one() {
    let mut kernel = limiting(&Scene::banning(&[]), at_once(2));
    let known = verdicts(&mut kernel, "192.0.2.7", 3);
    assert_eq!(known, first_clean(2, Verdict::OverRate, 3));
    for n in 0..FORGED {
        let forged = Ipv4Addr::from(0x0a00_0000 + n);
        let frame = Frame::new().ip(forged.into()).tcp(25, SYN);
        assert!(!kernel.drops(frame.bytes()), "{forged}");
    }
    for n in 0..50 {
        let frame = syn(&format!("198.51.100.{n}"));
        assert!(!kernel.drops(frame.bytes()), "{n}");
        assert!(!kernel.drops(frame.bytes()), "{n}");
    }
    assert!(
        kernel.drops(syn("192.0.2.7").bytes()),
        "nor is anybody forgotten"
    );
}
