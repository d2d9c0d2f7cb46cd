//! The checked-in object in the kernel, through BPF_PROG_TEST_RUN: the same cases as on the host, and what only the kernel
//! has, its maps, its clock and its verifier. No packet leaves the test. Needs root.

use std::{thread, time::Duration};

use mailwall_common::{BAN_RECORDS_CAPACITY, Family, KernelInstant, MAPS, Verdict};
use mailwall_tests::{
    filter_cases,
    filter_kernel::{self, Kernel},
    filter_scene::{Outcome, Scene, address},
    packet::{Frame, SYN},
    skip,
};

/// What the kernel takes of a frame at least: an Ethernet header. Shorter cuts are for the host's tests.
const SHORTEST: usize = 14;

/// Instructions the verifier may walk through: a quarter of what Linux allows, so that a kernel that prunes less still
/// accepts the program.
const VERIFIED_MAX: u32 = 250_000;

#[test]
fn every_case_is_judged_as_the_table_says() {
    let mut kernel = Kernel::load();
    for case in filter_cases::all() {
        kernel.arrange(&case.scene);
        let outcome = kernel.run(case.frame.bytes());
        assert_eq!(outcome, case.expected(), "{}", case.name);
    }
}

#[test]
fn a_frame_cut_short_passes_unless_it_hides_a_banned_syn() {
    let mut kernel = Kernel::load();
    for case in filter_cases::all() {
        kernel.arrange(&case.scene);
        for len in SHORTEST..case.frame.bytes().len() {
            let outcome = kernel.run(&case.frame.bytes()[..len]);
            let expected = case.expected_cut(len);
            assert_eq!(outcome, expected, "{} cut to {len}", case.name);
        }
    }
}

#[test]
fn of_all_flags_only_those_that_open_a_connection_are_dropped() {
    let mut kernel = Kernel::load();
    kernel.arrange(&filter_cases::banning());
    for source in filter_cases::BANNED {
        for flags in 0..=u8::MAX {
            let outcome = kernel.run(Frame::new().ip(address(source)).tcp(25, flags).bytes());
            // SYN with none of FIN, RST and ACK.
            let opens = flags & 0b0001_0111 == 0b0000_0010;
            let expected = if opens {
                Verdict::BannedAddress
            } else {
                Verdict::NotSyn
            };
            assert_eq!(
                outcome.verdict, expected,
                "flags {flags:#04x} from {source}"
            );
        }
    }
}

#[test]
fn of_all_ports_only_those_guarded_are_closed() {
    let guarded = [0, 1, 25, 63, 64, 127, 465, 587, 4095, 32_768, 65_535];
    let mut kernel = Kernel::load();
    kernel.arrange(&filter_cases::banning().guarding(&guarded));
    for port in 0..=u16::MAX {
        let frame = Frame::new().ip(address(filter_cases::BANNED[0]));
        let dropped = kernel.drops(frame.tcp(port, SYN).bytes());
        assert_eq!(dropped, guarded.contains(&port), "port {port}");
    }
}

#[test]
fn a_ban_ends_by_the_kernels_clock() {
    let mut kernel = Kernel::load();
    let frame = Frame::new().ip(address("198.51.100.9")).tcp(25, SYN);
    let end = after(filter_kernel::now(), Duration::from_millis(300));
    kernel.arrange(&Scene::banning(&[]).ban_until("198.51.100.9/32", end));
    let give_up = after(end, Duration::from_secs(10));
    while kernel.run(frame.bytes()).verdict == Verdict::BannedAddress {
        assert!(!give_up.is_over_at(filter_kernel::now()), "the ban goes on");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(end.is_over_at(filter_kernel::now()), "the ban ended early");
    assert_eq!(kernel.run(frame.bytes()).verdict, Verdict::Expired);
}

fn after(instant: KernelInstant, duration: Duration) -> KernelInstant {
    KernelInstant::from_ns(
        instant.as_ns() + u64::try_from(duration.as_nanos()).expect("some seconds"),
    )
}

#[test]
fn drops_are_counted_with_the_ban_and_survive_its_renewal() {
    let mut kernel = Kernel::load();
    kernel.arrange(&filter_cases::banning());
    let source = address(filter_cases::BANNED[0]);
    let frame = Frame::new().ip(source).tcp(25, SYN);
    kernel.run_repeatedly(frame.bytes(), 1000);
    assert_eq!(kernel.drops_of(0), 1000);

    kernel.renew(0, KernelInstant::from_ns(u64::MAX - 1));
    kernel.run_repeatedly(frame.bytes(), 1);
    assert_eq!(kernel.drops_of(0), 1001);
    assert_eq!(kernel.drops_of(1), 0, "of the other ban");
    assert_eq!(kernel.total(Verdict::BannedAddress, Family::V4), 1001);
}

#[test]
fn a_slot_beyond_the_records_is_no_ban() {
    let rows = [
        ("198.51.100.9", "198.51.100.0/24", u32::MAX, Family::V4),
        (
            "2001:db8::9",
            "2001:db8::/48",
            BAN_RECORDS_CAPACITY,
            Family::V6,
        ),
    ];
    let mut kernel = Kernel::load();
    kernel.arrange(&Scene::banning(&[]));
    for (source, net, slot, family) in rows {
        kernel.maps().enter_network(&net.parse().unwrap(), slot);
        let outcome = kernel.run(Frame::new().ip(address(source)).tcp(25, SYN).bytes());
        let expected = Outcome {
            verdict: Verdict::Clean,
            family,
            dropped_by: None,
        };
        assert_eq!(outcome, expected, "{source}");
    }
}

#[test]
fn the_maps_have_the_shapes_both_halves_agreed_on() {
    let mut shapes = Kernel::load().shapes();
    shapes.sort_by_key(|shape| MAPS.iter().position(|agreed| agreed.name == shape.name));
    assert_eq!(shapes, MAPS);
}

#[test]
fn the_verifier_is_far_from_its_limit() {
    let Some(verified) = Kernel::load().verified_instructions() else {
        let why = "this kernel does not count what is verified; Linux 5.16 does";
        return skip("the_verifier_is_far_from_its_limit", why);
    };
    println!("{verified} instructions verified");
    assert!(
        verified <= VERIFIED_MAX,
        "{verified} instructions were verified; {VERIFIED_MAX} are allowed"
    );
}

#[test]
fn the_object_names_no_place_it_was_built_in() {
    let object = String::from_utf8_lossy(filter_kernel::OBJECT);
    let sources: Vec<&str> = object
        .split('\0')
        .filter(|text| text.ends_with(".rs"))
        .collect();
    assert!(sources.contains(&"mailwall/filter-ebpf/src/main.rs"));
    for source in sources {
        let root = source.split('/').next();
        assert!(
            matches!(root, Some("mailwall" | "registry" | "library")),
            "{source}"
        );
    }
    for text in ["index.", ".cargo", "/home/", "/root/", "/tmp/", "://"] {
        assert!(!object.contains(text), "{text} stands in the object");
    }
}
