//! `tc`: by a link and by a filter of the clsact qdisc, alone, beside others, and in turn with XDP.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::Result;
use aya::{
    Ebpf,
    maps::PerCpuArray,
    programs::{
        LinkOrder, SchedClassifier, TcAttachType,
        tc::{NlOptions, TcAttachOptions, qdisc_add_clsact},
    },
};
use mailwall::filter::{AttachChoice, AttachMode, Filter, remove_pins};
use mailwall_common::{Family, Verdict, map_name, program_name};
use mailwall_tests::{filter_kernel, packet::Frame, wire::segments_received};

use crate::host::{
    BANNED, CLEAN, attach_foreign, by, in_namespaces, ip, names, syn, syns, total, ways_into_tc,
};

#[test]
fn tc_drops_the_banned_and_only_them_by_either_way() {
    for choice in ways_into_tc() {
        in_namespaces(|host| {
            let mut filter = host.filter();
            let attached = filter.attach(&names(["guard0"]), choice);
            assert_eq!(attached, [by(AttachMode::Tc, "guard0")], "{choice:?}");
            host.assert_guarded("guard0");
            let dropped = total(&filter, Verdict::BannedAddress);
            assert_eq!(dropped, 2, "{choice:?}");

            // Nobody runs, and the filter goes on.
            drop(filter);
            host.assert_guarded("guard0");
            remove_pins(&host.pins).unwrap();
            host.assert_open("guard0");
            assert!(!ip("link show guard0").contains("xdp"));
        });
    }
}

#[test]
fn a_restart_in_tc_loses_and_lets_in_nothing() {
    for choice in ways_into_tc() {
        in_namespaces(|host| {
            let mut filter = host.filter();
            filter.attach(&names(["guard0"]), choice);
            let restarting = AtomicBool::new(true);
            let (filter, sent, received) = thread::scope(|scope| {
                let traffic = scope.spawn(|| {
                    let mut sent = 0;
                    let put = |send: &mut dyn FnMut(&Frame) -> Result<()>| {
                        while restarting.load(Ordering::Relaxed) {
                            send(&syn(BANNED[0]))?;
                            send(&syn(CLEAN[0]))?;
                            sent += 1;
                        }
                        Ok(())
                    };
                    let received = segments_received(|frame| host.wire.send(frame), put);
                    (sent, received.unwrap())
                });
                for _ in 0..5 {
                    drop(filter);
                    filter = Filter::open(&host.pins).unwrap();
                    let attached = filter.attach(&names(["guard0"]), choice);
                    assert_eq!(attached, [by(AttachMode::Tc, "guard0")]);
                }
                restarting.store(false, Ordering::Relaxed);
                let (sent, received) = traffic.join().unwrap();
                (filter, sent, received)
            });
            assert!(sent > 0);
            println!("{choice:?}: five restarts, {sent} banned and {sent} clean SYNs");
            assert_eq!(received, sent);
            assert_eq!(total(&filter, Verdict::BannedAddress), sent);
            assert_eq!(total(&filter, Verdict::Clean), sent);
        });
    }
}

#[test]
fn filters_of_others_in_tc_are_left_alone_and_come_after_ours() {
    for choice in ways_into_tc() {
        in_namespaces(|host| {
            let mut other = filter_kernel::object();
            attach_foreign_to_tc(&mut other, choice);
            let mut filter = host.filter();
            filter.attach(&names(["guard0"]), choice);
            host.assert_guarded("guard0");
            // What ours passes goes on to theirs, and what it drops does not.
            assert_eq!(counted_by(&other), 2, "{choice:?}");
            filter.attach(&[], choice);
            host.assert_open("guard0");
            assert_eq!(counted_by(&other), 6, "{choice:?}");
        });
    }
}

#[test]
fn between_xdp_and_tc_there_is_no_gap_and_nothing_is_left_behind() {
    for tc in ways_into_tc() {
        in_namespaces(|host| {
            let mut filter = host.filter();
            for (choice, mode) in [
                (AttachChoice::Native, AttachMode::Native),
                (tc, AttachMode::Tc),
                (AttachChoice::Generic, AttachMode::Generic),
                (tc, AttachMode::Tc),
                (AttachChoice::Auto, AttachMode::Native),
            ] {
                let attached = filter.attach(&names(["guard0"]), choice);
                assert_eq!(attached, [by(mode, "guard0")]);
                let counted = total(&filter, Verdict::BannedAddress);
                host.assert_guarded("guard0");
                // Once: it is in one place only.
                let counted = total(&filter, Verdict::BannedAddress) - counted;
                assert_eq!(counted, 2, "{choice:?}");
                let is_xdp = ip("link show guard0").contains("xdp");
                assert_eq!(is_xdp, mode != AttachMode::Tc, "{choice:?}");
            }
            filter.attach(&[], AttachChoice::Auto);
            host.assert_open("guard0");
        });
    }
}

#[test]
fn auto_goes_beside_the_xdp_program_of_somebody_else_and_takes_its_place_when_it_goes() {
    in_namespaces(|host| {
        let mut other = filter_kernel::object();
        let number = attach_foreign(&mut other, "guard0");

        let mut filter = host.filter();
        let [attachment] = filter.attach(&names(["guard0"]), AttachChoice::Auto) else {
            panic!("one interface, one attachment");
        };
        assert_eq!(attachment.mode, Some(AttachMode::Tc));
        assert_eq!(
            attachment.problem.as_deref().unwrap(),
            format!(
                "in tc mode, which costs more for each packet: interface guard0 has another XDP program, `mailwall`, \
                 number {number} (native); stop what put it there, or take it off with `ip link set dev guard0 xdp off`"
            )
        );
        host.assert_guarded("guard0");

        drop(other);
        let attached = filter.follow(&names(["guard0"]), AttachChoice::Auto);
        assert_eq!(attached, [by(AttachMode::Native, "guard0")]);
        host.assert_guarded("guard0");
        assert_eq!(total(&filter, Verdict::BannedAddress), 4);
    });
}

#[test]
fn what_tc_has_is_kept_when_the_mode_asked_for_is_refused() {
    for tc in ways_into_tc() {
        in_namespaces(|host| {
            let mut filter = host.filter();
            filter.attach(&names(["guard0"]), tc);
            let mut other = filter_kernel::object();
            attach_foreign(&mut other, "guard0");
            let [attachment] = filter.attach(&names(["guard0"]), AttachChoice::Native) else {
                panic!("one interface, one attachment");
            };
            assert_eq!(attachment.mode, Some(AttachMode::Tc));
            let problem = attachment.problem.as_deref().unwrap();
            assert!(problem.contains("another XDP program"), "{problem}");
            host.assert_guarded("guard0");
        });
    }
}

#[test]
fn headers_that_lie_apart_are_read_in_tc_as_by_xdp() {
    in_namespaces(|host| {
        host.peer.ip("link set wire0 mtu 9000").unwrap();
        ip("link set guard0 mtu 9000");
        let mut filter = host.filter();
        let mut choices = ways_into_tc();
        choices.extend([AttachChoice::Auto, AttachChoice::Generic]);
        for choice in choices {
            let attached = filter.attach(&names(["guard0"]), choice);
            assert!(attached[0].mode.is_some(), "{attached:?}");
            let dropped = total(&filter, Verdict::BannedAddress);
            let frames = syns().map(|frame| frame.trailer(&[0; 5000]));
            let scatter = |_: &mut dyn FnMut(&Frame) -> Result<()>| {
                frames
                    .iter()
                    .try_for_each(|frame| host.wire.send_scattered(frame))
            };
            let received = segments_received(|frame| host.wire.send(frame), scatter).unwrap();
            assert_eq!(received, 2, "{choice:?}");
            let dropped = total(&filter, Verdict::BannedAddress) - dropped;
            assert_eq!(dropped, 2, "{choice:?}");
        }
    });
}

/// The same in `tc`; it guards no port.
fn attach_foreign_to_tc(ebpf: &mut Ebpf, choice: AttachChoice) {
    let options = if choice == AttachChoice::Clsact {
        qdisc_add_clsact("guard0").unwrap();
        TcAttachOptions::Netlink(NlOptions {
            priority: 1,
            ..NlOptions::default()
        })
    } else {
        TcAttachOptions::TcxOrder(LinkOrder::default())
    };
    let program = ebpf.program_mut(program_name::TC).unwrap();
    let program: &mut SchedClassifier = program.try_into().unwrap();
    program.load().unwrap();
    program
        .attach_with_options("guard0", TcAttachType::Ingress, options)
        .unwrap();
}

/// SYNs that a foreign program has seen.
fn counted_by(ebpf: &Ebpf) -> u64 {
    let totals = PerCpuArray::<_, u64>::try_from(ebpf.map(map_name::TOTALS).unwrap()).unwrap();
    Family::ALL
        .into_iter()
        .map(|family| {
            let index = Verdict::UnguardedPort.total_index(family);
            totals.get(&index, 0).unwrap().iter().sum::<u64>()
        })
        .sum()
}
