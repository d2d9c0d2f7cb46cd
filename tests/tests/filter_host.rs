//! The filter's parser and policy on the host: every case at every length, and properties over frames nobody thought of.

use mailwall_common::{Family, KernelInstant, Verdict};
use mailwall_tests::{
    filter_cases,
    filter_host::{NOW, run},
    filter_scene::{GUARDED, Outcome, Scene, address},
    packet::{Frame, SYN},
};
use proptest::prelude::*;

#[test]
fn every_case_is_judged_as_the_table_says() {
    for case in filter_cases::all() {
        let frame = case.frame.bytes();
        assert_eq!(
            run(&case.scene, frame),
            case.expected(),
            "{}: {frame:02x?}",
            case.name
        );
    }
}

#[test]
fn a_frame_cut_short_passes_unless_it_hides_a_banned_syn() {
    for case in filter_cases::all() {
        for len in 0..case.frame.bytes().len() {
            let outcome = run(&case.scene, &case.frame.bytes()[..len]);
            let expected = case.expected_cut(len);
            assert_eq!(outcome, expected, "{} cut to {len}", case.name);
        }
    }
}

#[test]
fn a_ban_is_over_at_its_end_and_not_before() {
    let rows = [
        (NOW.as_ns() - 1, Verdict::Expired),
        (NOW.as_ns(), Verdict::Expired),
        (NOW.as_ns() + 1, Verdict::BannedAddress),
        (u64::MAX, Verdict::BannedAddress),
    ];
    for source in filter_cases::BANNED {
        let frame = Frame::new().ip(address(source)).tcp(25, SYN);
        for (end, verdict) in rows {
            let mut scene = filter_cases::banning();
            for (_, ban_end) in &mut scene.bans {
                *ban_end = KernelInstant::from_ns(end);
            }
            assert_eq!(run(&scene, frame.bytes()).verdict, verdict, "end {end}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_but_a_syn_to_a_guarded_port_is_dropped(frame in frames()) {
        let outcome = run(&banning_everything(), &frame);
        match outcome.verdict {
            Verdict::BannedAddress | Verdict::BannedNetwork => {
                prop_assert!(has_place_for_a_guarded_syn(&frame), "{outcome:?}: {frame:02x?}");
            }
            Verdict::BannedFragment => {
                prop_assert!(has_place_for_a_first_fragment(&frame), "{outcome:?}: {frame:02x?}");
            }
            _ => prop_assert!(!outcome.verdict.is_drop()),
        }
    }

    #[test]
    fn random_bytes_never_panic_and_pass(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assume!(!is_looked_into(&frame));
        let verdict = if frame.len() < 14 { Verdict::Malformed } else { Verdict::NotIp };
        let expected = Outcome { verdict, family: Family::Other, dropped_by: None };
        prop_assert_eq!(run(&banning_everything(), &frame), expected);
    }

    #[test]
    fn without_a_ban_nothing_is_dropped(frame in frames()) {
        let outcome = run(&Scene::banning(&[]), &frame);
        prop_assert!(!outcome.verdict.is_drop());
        prop_assert_eq!(outcome.dropped_by, None);
    }

    #[test]
    fn the_allowlisted_are_never_dropped(frame in frames()) {
        let scene = banning_everything().allow("0.0.0.0/0").allow("::/0");
        prop_assert!(!run(&scene, &frame).verdict.is_drop());
    }

    #[test]
    fn observing_passes_everything_and_counts_the_same(frame in frames()) {
        let enforced = run(&banning_everything(), &frame);
        let observed = run(&banning_everything().observing(), &frame);
        prop_assert!(!observed.verdict.is_drop());
        prop_assert_eq!(observed.verdict, enforced.verdict.observed());
        prop_assert_eq!(observed.dropped_by, enforced.dropped_by);
    }
}

fn banning_everything() -> Scene {
    Scene::banning(&["0.0.0.0/0", "::/0"])
}

/// Frames near those of the cases: some bytes changed, some cut.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let frames: Vec<Vec<u8>> = filter_cases::all()
        .iter()
        .map(|case| case.frame.bytes().to_vec())
        .filter(|frame| frame.len() < 300)
        .collect();
    (
        prop::sample::select(frames),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        prop::option::weighted(0.2, any::<prop::sample::Index>()),
    )
        .prop_map(|(mut frame, changes, cut)| {
            for (at, byte) in changes {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            if let Some(cut) = cut {
                frame.truncate(cut.index(frame.len()));
            }
            frame
        })
}

/// Whether the EtherType is one that is looked into.
fn is_looked_into(frame: &[u8]) -> bool {
    matches!(
        frame.get(12..14),
        Some([0x08 | 0x81 | 0x91, 0x00] | [0x86, 0xdd] | [0x88, 0xa8])
    )
}

/// Whether the frame has any place where a TCP header could stand that is a SYN to a guarded port.
fn has_place_for_a_guarded_syn(frame: &[u8]) -> bool {
    let header_len = 14;
    frame[34..].windows(header_len).any(|header| {
        let port = u16::from_be_bytes([header[2], header[3]]);
        GUARDED.contains(&port) && header[13] & 0x17 == SYN
    })
}

/// Whether the frame has any place where an IPv4 header or an IPv6 fragment header could stand that says "the first of
/// several".
fn has_place_for_a_first_fragment(frame: &[u8]) -> bool {
    frame[14..].windows(8).any(|header| {
        let v4 = u16::from_be_bytes([header[6], header[7]]);
        let v6 = u16::from_be_bytes([header[2], header[3]]);
        v4 & 0x3fff == 0x2000 || v6 & 0xfff9 == 1
    })
}
