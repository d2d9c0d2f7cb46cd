//! Devices of other kinds: VLANs, bonds, bridges, tunnels; and devices that change.

use mailwall::filter::{AttachChoice, AttachMode, Attachment, Filter};
use mailwall_common::Verdict;
use mailwall_tests::{
    filter_kernel,
    packet::{Frame, SYN, VLAN_TAGS},
    wire::{Tunnel, segments_received},
};

use crate::host::{
    BANNED, CLEAN, Host, attach_foreign, by, in_namespaces, ip, names, run_ip, syns, total,
};

#[test]
fn vlans_are_guarded_on_their_parent() {
    in_namespaces(|host| {
        // The frames' tag is 42.
        let has_vlans = try_ip("link add link guard0 name guard0.42 type vlan id 42");
        let mut filter = host.filter();
        let mut wanted = names(["guard0"]);
        let mut note = None;
        if has_vlans {
            for words in [
                "link add link guard0 name guard0.43 type vlan id 43",
                "link set guard0.42 up",
                "address del 192.0.2.25/24 dev guard0",
                "address del 2001:db8::25/64 dev guard0",
                "address add 192.0.2.25/24 dev guard0.42",
                "address add 2001:db8::25/64 dev guard0.42 nodad",
                "route replace default dev guard0.42",
                "-6 route replace default dev guard0.42",
            ] {
                ip(words);
            }
            wanted = names(["guard0.42", "guard0.43"]);
            note = Some("guards all of guard0, for guard0.42, guard0.43".to_owned());
            assert_eq!(tagged(host, &filter), (0, 4));
        } else {
            println!("this kernel has no VLANs: their frames are only seen to be dropped");
        }
        for (choice, mode) in [
            (AttachChoice::Auto, AttachMode::Native),
            (AttachChoice::Generic, AttachMode::Generic),
            (AttachChoice::Tc, AttachMode::Tc),
        ] {
            let expected = Attachment {
                note: note.clone(),
                ..by(mode, "guard0")
            };
            assert_eq!(filter.attach(&wanted, choice), [expected]);
            let (dropped, received) = tagged(host, &filter);
            assert_eq!(dropped, 2, "{choice:?}");
            assert_eq!(received, if has_vlans { 2 } else { 0 }, "{choice:?}");
        }
    });
}

#[test]
fn a_bond_is_guarded_as_a_whole_for_each_of_its_ports() {
    in_namespaces(|host| {
        if !try_ip("link add bond0 type bond mode active-backup") {
            println!("this kernel has no bonds");
            return;
        }
        for words in [
            "link set guard0 down",
            "link set guard0 master bond0",
            "link set bond0 address 02:00:00:00:00:01",
            "link set bond0 up",
            "link set guard0 up",
            "address add 192.0.2.25/24 dev bond0",
            "address add 2001:db8::25/64 dev bond0 nodad",
            "route replace default dev bond0",
            "-6 route replace default dev bond0",
        ] {
            ip(words);
        }
        let mut filter = host.filter();
        for choice in [AttachChoice::Auto, AttachChoice::Generic, AttachChoice::Tc] {
            let attached = filter.attach(&names(["guard0"]), choice)[0].clone();
            assert_eq!(attached.name, "bond0");
            assert!(attached.mode.is_some(), "{attached:?}");
            assert_eq!(
                attached.note.as_deref(),
                Some("guards all of bond0, for guard0")
            );
            println!("{choice:?} on a bond of a veth: {attached:?}");
            host.assert_guarded("bond0");
        }
    });
}

#[test]
fn a_bridge_guards_this_host_and_its_port_does_too() {
    in_namespaces(|host| {
        if !try_ip("link add br0 type bridge") {
            println!("this kernel has no bridges");
            return;
        }
        for words in [
            "link set br0 address 02:00:00:00:00:01",
            "link set guard0 master br0",
            "link set br0 up",
            "address add 192.0.2.25/24 dev br0",
            "address add 2001:db8::25/64 dev br0 nodad",
            "route replace default dev br0",
            "-6 route replace default dev br0",
        ] {
            ip(words);
        }
        let mut filter = host.filter();
        for (name, mode) in [("br0", AttachMode::Generic), ("guard0", AttachMode::Native)] {
            let attached = filter.attach(&names([name]), AttachChoice::Auto)[0].clone();
            assert_eq!((attached.name.as_str(), attached.mode), (name, Some(mode)));
            host.assert_guarded(name);
        }
    });
}

#[test]
fn packets_without_an_ethernet_header_are_met_in_tc() {
    in_namespaces(|host| {
        let mut tunnel = match Tunnel::open("tun0") {
            Ok(tunnel) => tunnel,
            Err(error) => return println!("this kernel has no tunnels: {error:#}"),
        };
        ip("link set tun0 up");
        let mut filter = host.filter();
        assert_eq!(
            filter.attach(&names(["tun0"]), AttachChoice::Auto),
            [by(AttachMode::Tc, "tun0")]
        );
        let received = segments_received(
            |frame| tunnel.send(frame),
            |send| syns().iter().try_for_each(send),
        );
        assert_eq!(received.unwrap(), 2);
        assert_eq!(total(&filter, Verdict::BannedAddress), 2);

        let [native] = filter.attach(&names(["tun0"]), AttachChoice::Native) else {
            panic!("one interface, one attachment");
        };
        assert_eq!(native.mode, Some(AttachMode::Tc), "what is there stays");
        assert_eq!(
            native.problem.as_deref().unwrap(),
            "packets on tun0 have no Ethernet header, without which the filter works in tc mode only; \
             or set attach = \"tc\""
        );
    });
}

#[test]
fn an_interface_that_is_renamed_keeps_its_filter() {
    in_namespaces(|host| {
        let mut filter = host.filter();
        for choice in [AttachChoice::Auto, AttachChoice::Tc] {
            filter.attach(&names(["guard0"]), choice);
            rename("guard0", "other0");
            let mode = filter.attachments()[0].mode.unwrap();
            let attached = filter.attach(&names(["other0"]), choice);
            assert_eq!(attached, [by(mode, "other0")]);
            assert_eq!(filter.guarded(), names(["other0"]));
            rename("other0", "guard0");
        }
    });
}

#[test]
fn an_interface_that_refused_is_tried_again_when_it_has_changed() {
    in_namespaces(|host| {
        let mut other = filter_kernel::object();
        attach_foreign(&mut other, "guard0");
        let mut filter = host.filter();
        let guard0 = names(["guard0"]);
        assert_eq!(filter.attach(&guard0, AttachChoice::Native)[0].mode, None);
        assert_eq!(filter.follow(&guard0, AttachChoice::Native)[0].mode, None);
        drop(other);
        let attached = filter.follow(&guard0, AttachChoice::Native);
        assert_eq!(attached, [by(AttachMode::Native, "guard0")]);

        ip("link del guard0");
        let [gone] = filter.follow(&guard0, AttachChoice::Native) else {
            panic!("one interface, one attachment");
        };
        assert_eq!(gone.mode, None);
        let problem = gone.problem.as_deref().unwrap();
        assert!(problem.contains("guard0 does not exist"), "{problem}");
    });
}

/// Sends the SYNs with a VLAN tag; tells how many were counted as dropped, and how many arrived.
fn tagged(host: &Host, filter: &Filter) -> (u64, u64) {
    let dropped = total(filter, Verdict::BannedAddress);
    let frames: Vec<Frame> = BANNED
        .into_iter()
        .chain(CLEAN)
        .map(|source| {
            let source = source.parse().unwrap();
            Frame::new().vlan(VLAN_TAGS[0]).ip(source).tcp(25, SYN)
        })
        .collect();
    let arrived = host.arrived(&frames);
    (total(filter, Verdict::BannedAddress) - dropped, arrived)
}

fn rename(from: &str, to: &str) {
    ip(&format!("link set {from} down"));
    ip(&format!("link set {from} name {to}"));
    ip(&format!("link set {to} up"));
}

fn try_ip(words: &str) -> bool {
    run_ip(words).status.success()
}
