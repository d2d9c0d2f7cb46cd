use expect_test::{Expect, expect};

use super::{super::tests::shown, *};

/// An interface of a mail host, which tests change where it matters.
struct Case {
    found: Guardable,
    device: Device,
    card: Card,
    around: Vec<Device>,
    owners: Vec<Process>,
    attach: Attach,
    container: Option<&'static str>,
}

fn eth0() -> Case {
    Case {
        found: Guardable {
            index: 2,
            name: "eth0".to_owned(),
            mtu: 1500,
            holder: Holder::Nobody,
        },
        device: Device {
            index: 2,
            name: "eth0".to_owned(),
            is_up: true,
            is_ethernet: true,
            ..Device::default()
        },
        card: Card {
            driver: Some("virtio_net".to_owned()),
            queues: Some((2, 2)),
            queues_max: Some(2),
            merges: false,
            native: Native::Pieces,
        },
        around: Vec::new(),
        owners: Vec::new(),
        attach: Attach::Auto,
        container: None,
    }
}

#[track_caller]
fn check(case: &Case, expected: &Expect) {
    let findings = interface(&Sight {
        found: &case.found,
        device: &case.device,
        card: &case.card,
        devices: &case.around,
        owners: &case.owners,
        attach: case.attach,
        container: case.container,
        cpus: 2,
    });
    expected.assert_eq(&shown(&findings));
}

fn native() -> Expect {
    expect![[r#"
        ok interface eth0: virtio_net, MTU 1500, 2 queues; free, native mode
    "#]]
}

fn taken_by(name: &str, pin: Option<&str>) -> Holder {
    Holder::Other(Occupant {
        id: 7,
        name: name.to_owned(),
        mode: Some(AttachMode::Native),
        pin: pin.map(Into::into),
    })
}

fn device(index: u32, name: &str, kind: &str) -> Device {
    Device {
        index,
        name: name.to_owned(),
        kind: (!kind.is_empty()).then(|| kind.to_owned()),
        ..Device::default()
    }
}

#[test]
fn a_free_interface_tells_its_mode() {
    let mut case = eth0();
    check(&case, &native());
    case.found.mtu = 9000;
    check(
        &case,
        &expect![[r#"
        ok interface eth0: virtio_net, MTU 9000, 2 queues; free, native mode
    "#]],
    );
    case.card.native = Native::Whole;
    check(
        &case,
        &expect![[r#"
            warning interface eth0: virtio_net, MTU 9000, 2 queues; free, generic mode: this MTU is too large for native XDP
              => it works; native mode, which costs less a packet, takes an MTU of 3498 or less
        "#]],
    );
    case.attach = Attach::Native;
    check(
        &case,
        &expect![[r#"
        problem interface eth0: virtio_net, MTU 9000, 2 queues; attach = "native", but this MTU is too large for native XDP
          => set attach = "auto" in [filter]
    "#]],
    );
    case.attach = Attach::Generic;
    check(
        &case,
        &expect![[r#"
        ok interface eth0: virtio_net, MTU 9000, 2 queues; free, generic mode as configured
    "#]],
    );
    case.attach = Attach::Auto;
    case.card.native = Native::No;
    check(
        &case,
        &expect![[r#"
            warning interface eth0: virtio_net, MTU 9000, 2 queues; free, generic mode: its driver has no native XDP
              => it works, but costs more a packet; most cards and clouds have native XDP
        "#]],
    );
}

#[test]
fn where_the_kernel_does_not_tell_queues_are_counted() {
    let mut case = eth0();
    case.card.native = Native::Untold;
    check(
        &case,
        &expect![[r#"
            warning interface eth0: virtio_net, MTU 1500, 2 queues of 2; free, perhaps only generic mode: native takes 4
              => generic mode works; for native give the machine twice as many queues as CPUs
        "#]],
    );
    case.card.queues_max = Some(4);
    case.found.mtu = 9000;
    check(
        &case,
        &expect![[r#"
            warning interface eth0: virtio_net, MTU 9000, 2 queues; free, perhaps only generic mode: most drivers have no native XDP at this MTU
              => it works; native mode, which costs less a packet, takes an MTU of 3498 or less
        "#]],
    );
    case.attach = Attach::Native;
    check(
        &case,
        &expect![[r#"
        warning interface eth0: virtio_net, MTU 9000, 2 queues; free, but most drivers have no native XDP at this MTU
          => set attach = "auto" in [filter]
    "#]],
    );
    case.attach = Attach::Auto;
    case.found.mtu = 1500;
    check(
        &case,
        &expect![[r#"
        ok interface eth0: virtio_net, MTU 1500, 2 queues; free, native mode if the driver has it, else generic
    "#]],
    );
}

#[test]
fn who_has_the_hook_is_named() {
    let mut case = eth0();
    case.found.holder = Holder::Filter(AttachMode::Native);
    check(
        &case,
        &expect![[r#"
        ok interface eth0: virtio_net, MTU 1500, 2 queues; guarded in native mode
    "#]],
    );
    case.found.holder = Holder::Filter(AttachMode::Generic);
    check(
        &case,
        &expect![[r#"
            warning interface eth0: virtio_net, MTU 1500, 2 queues; guarded in generic mode
              => it works, but costs more a packet; most cards and clouds have native XDP
        "#]],
    );
    case.found.holder = Holder::Filter(AttachMode::Tc);
    check(
        &case,
        &expect![[r#"
        warning interface eth0: virtio_net, MTU 1500, 2 queues; guarded in tc mode, as XDP was taken
          => it works, but costs more a packet; `ip -d link` names the XDP program
    "#]],
    );
    case.found.holder = taken_by("xdp_dispatcher", Some("/sys/fs/bpf/xdp/dispatch-2-7/link"));
    check(
        &case,
        &expect![[r#"
            warning interface eth0: tc mode, slower: XDP is taken by xdp_dispatcher, program 7 in native mode, pinned at /sys/fs/bpf/xdp/dispatch-2-7/link
              => libxdp's: see `xdp-loader status`; `xdp-loader unload eth0 --all` ends it
        "#]],
    );
    case.found.holder = taken_by("cil_xdp_entry", None);
    check(
        &case,
        &expect![[r#"
            warning interface eth0: tc mode, slower: XDP is taken by cil_xdp_entry, program 7 in native mode
              => Cilium's: set loadBalancer.acceleration to disabled there
        "#]],
    );
    case.found.holder = taken_by("mailwall", Some("/sys/fs/bpf/other/1/link-eth0"));
    check(
        &case,
        &expect![[r#"
            warning interface eth0: tc mode, slower: XDP is taken by mailwall, program 7 in native mode, pinned at /sys/fs/bpf/other/1/link-eth0
              => another mailwall's: stop it, or name its folder with --bpffs-dir
        "#]],
    );
    case.found.holder = taken_by("katran", Some("/sys/fs/bpf/katran"));
    check(
        &case,
        &expect![[r#"
            warning interface eth0: tc mode, slower: XDP is taken by katran, program 7 in native mode, pinned at /sys/fs/bpf/katran
              => stop what put it there, or `rm /sys/fs/bpf/katran`
        "#]],
    );
    case.found.holder = taken_by("", None);
    check(
        &case,
        &expect![[r#"
            warning interface eth0: tc mode, slower: XDP is taken by program 7 in native mode
              => stop what put it there, or `ip link set dev eth0 xdp off`
        "#]],
    );
    case.attach = Attach::Native;
    check(
        &case,
        &expect![[r#"
        problem interface eth0: XDP is taken by program 7 in native mode
          => stop what put it there, or `ip link set dev eth0 xdp off`; or set attach = "auto" in [filter]
    "#]],
    );
    case.attach = Attach::Tc;
    check(
        &case,
        &expect![[r#"
        ok interface eth0: tc mode as configured; XDP is taken by program 7 in native mode
    "#]],
    );
    case.attach = Attach::Auto;
    case.owners.push(Process {
        pid: 9,
        name: "suricata".to_owned(),
    });
    check(
        &case,
        &expect![[r#"
            warning interface eth0: tc mode, slower: XDP is taken by program 7 in native mode, of suricata (pid 9)
              => stop suricata, for an interface takes one
        "#]],
    );
}

#[test]
fn kinds_of_interfaces_are_told_apart() {
    let mut bridge = eth0();
    bridge.found.name = "br0".to_owned();
    bridge.device = Device {
        is_up: true,
        is_ethernet: true,
        ..device(5, "br0", "bridge")
    };
    bridge.card = Card {
        driver: Some("bridge".to_owned()),
        native: Native::No,
        ..Card::default()
    };
    bridge.device.rx_queues = 1;
    bridge.device.tx_queues = 1;
    bridge.around = vec![bridge.device.clone()];
    for (number, name) in ["vnet0", "vnet1", "eth0", "vnet2", "vnet3"]
        .into_iter()
        .enumerate()
    {
        let kind = if name == "eth0" { "" } else { "veth" };
        let mut port = device(10 + number as u32, name, kind);
        port.master = Some(5);
        bridge.around.push(port);
    }
    check(
        &bridge,
        &expect![[r#"
            warning interface br0: bridge of vnet0, vnet1, eth0 and 2 more, MTU 1500, 1 queue; free, generic mode: its driver has no native XDP
              => it works; cheaper: its port eth0 in [filter] interfaces
        "#]],
    );

    let mut port = eth0();
    port.device.master = Some(5);
    port.around = vec![device(5, "br0", "bridge")];
    port.device.is_up = false;
    port.card.merges = true;
    port.card.queues = Some((4, 8));
    check(
        &port,
        &expect![[r#"
            ok interface eth0: virtio_net, port of br0, MTU 1500, 4 RX and 8 TX queues; free, native mode
            warning interface eth0: is down
              => ip link set dev eth0 up
            warning interface eth0: LRO is on, with which many drivers refuse native mode
              => ethtool -K eth0 lro off
        "#]],
    );

    let mut cable = eth0();
    cable.container = Some("docker");
    check(&cable, &native());
    cable.device.kind = Some("veth".to_owned());
    check(
        &cable,
        &expect![[r#"
        ok interface eth0: virtio_net, MTU 1500, 2 queues; free, native mode
        warning container: eth0 is a docker container's: it sees what the host's bridge lets through
          => run mailwall on the host, on the interface to the outside
    "#]],
    );

    let mut tunnel = eth0();
    tunnel.device.is_ethernet = false;
    tunnel.card.driver = Some("wireguard".to_owned());
    check(
        &tunnel,
        &expect![[r#"
        ok interface eth0: wireguard, MTU 1500, 2 queues; tc mode, as it has no Ethernet frames
    "#]],
    );
    tunnel.found.holder = Holder::Filter(AttachMode::Tc);
    check(
        &tunnel,
        &expect![[r#"
        ok interface eth0: wireguard, MTU 1500, 2 queues; guarded in tc mode
    "#]],
    );
    tunnel.found.holder = Holder::Nobody;
    tunnel.attach = Attach::Native;
    check(
        &tunnel,
        &expect![[r#"
            problem interface eth0: wireguard, MTU 1500, 2 queues; no Ethernet frames, which XDP takes
              => set attach = "auto" in [filter]
        "#]],
    );
}

#[test]
fn the_carriers_of_vlans_and_bonds_are_guarded() {
    let mut vlan = device(9, "bond0.100", "vlan");
    vlan.link = Some(3);
    let mut port = device(2, "eth0", "");
    port.master = Some(3);
    let devices = [
        port,
        device(3, "bond0", "bond"),
        vlan,
        device(4, "eth1", ""),
    ];
    let wanted = ["bond0.100", "eth0", "eth1", "eth9"].map(str::to_owned);
    let (names, findings) = carriers(&wanted, &devices);
    assert_eq!(Vec::from_iter(names), ["bond0", "eth1", "eth9"]);
    let missing = missing("eth9", &devices);
    expect![[r#"
        ok interface bond0.100: its packets are met on bond0, which is guarded
        ok interface eth0: its packets are met on bond0, which is guarded
        problem interface eth9: does not exist; known: eth0, bond0, bond0.100, eth1
          => name the interface that carries mail in [filter] interfaces
    "#]]
    .assert_eq(&shown(&[findings, vec![missing]].concat()));
}
