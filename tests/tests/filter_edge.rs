//! The filter's edge against the kernel: pins, restarts, attaching. Each test has a network namespace and a mount namespace
//! of its own, which go with its thread, however it ends. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{MapInfo, loaded_maps},
    programs::{
        TestRun, TestRunOptions, Xdp, XdpMode,
        links::{FdLink, PinnedLink},
    },
};
use ipnet::IpNet;
use mailwall::{
    config::Attach,
    doctor::{Finding, Level, Patient, examine},
    filter::{AttachChoice, AttachMode, Attachment, Filter, remove_pins},
    host,
};
use mailwall_common::{ABI, Family, KernelInstant, MAPS, Ticks, Verdict, choose_clock, map_name};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    time::{ClockId, clock_gettime},
};

static OBJECT: &[u8] = include_bytes_aligned!("../../agent/bpf/mailwall.bpf.o");

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

#[test]
fn a_new_filter_attaches_natively_and_drops_what_is_banned() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let mut filter = Filter::open(dir).unwrap();
        filter.configure(&[25], false).unwrap();
        filter.ban(&[(net("192.0.2.7/32"), in_an_hour())]).unwrap();
        let attached = filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        assert_eq!(attached, [native("guard0")]);

        assert_eq!(syn(dir, [192, 0, 2, 7], 25), XDP_DROP);
        assert_eq!(syn(dir, [192, 0, 2, 7], 80), XDP_PASS);
        assert_eq!(syn(dir, [192, 0, 2, 8], 25), XDP_PASS);
        assert_eq!(filter.drops(&net("192.0.2.7/32")), Some(1));
        assert_eq!(filter.drops(&net("192.0.2.8/32")), None);
        assert_eq!(total(&filter, Verdict::BannedAddress), 1);
        assert_eq!(total(&filter, Verdict::UnguardedPort), 1);
        assert_eq!(total(&filter, Verdict::Clean), 1);
    });
}

#[test]
fn a_restart_replaces_the_program_and_keeps_link_bans_drops_and_totals() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let ends = in_an_hour();
        let bans = [
            (net("192.0.2.7/32"), ends),
            (net("198.51.100.0/24"), ends),
            (net("2001:db8:1::/64"), KernelInstant::NEVER),
            (net("2001:db8:2::/48"), ends),
        ];
        let mut filter = Filter::open(dir).unwrap();
        filter.configure(&[25], false).unwrap();
        filter.replace_all(&bans, &[net("192.0.2.128/25")]).unwrap();
        filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        assert_eq!(syn(dir, [192, 0, 2, 7], 25), XDP_DROP);
        assert_eq!(syn(dir, [198, 51, 100, 1], 25), XDP_DROP);
        let (link, program) = link_of(dir, "guard0");
        drop(filter);

        // Nobody runs, and the filter goes on.
        assert_eq!(syn(dir, [192, 0, 2, 7], 25), XDP_DROP);
        assert_eq!(link_of(dir, "guard0"), (link, program));

        let mut filter = Filter::open(dir).unwrap();
        let mut kept = filter.kept().unwrap();
        kept.sort();
        let mut expected = bans.map(in_the_kernels_steps).to_vec();
        expected.sort();
        assert_eq!(kept, expected);
        // The old program is in force until the new one takes its place.
        assert_eq!(link_of(dir, "guard0"), (link, program));
        filter.replace_all(&bans[..2], &[]).unwrap();
        filter.configure(&[25], false).unwrap();
        let attached = filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        assert_eq!(attached, [native("guard0")]);
        let (same_link, other_program) = link_of(dir, "guard0");
        assert_eq!(same_link, link);
        assert_ne!(other_program, program);

        assert_eq!(filter.drops(&net("192.0.2.7/32")), Some(2));
        assert_eq!(filter.drops(&net("198.51.100.0/24")), Some(1));
        assert_eq!(filter.drops(&net("2001:db8:1::/64")), None);
        assert_eq!(total(&filter, Verdict::BannedAddress), 2);
        assert_eq!(total(&filter, Verdict::BannedNetwork), 1);
    });
}

#[test]
fn drops_survive_the_renewal_of_a_ban_but_not_its_end() {
    in_namespaces(|dir| {
        let banned = net("192.0.2.7/32");
        let mut filter = Filter::open(dir).unwrap();
        filter.configure(&[25], false).unwrap();
        filter.ban(&[(banned, in_an_hour())]).unwrap();
        syn(dir, [192, 0, 2, 7], 25);
        filter.ban(&[(banned, KernelInstant::NEVER)]).unwrap();
        assert_eq!(filter.drops(&banned), Some(1));
        filter.replace_all(&[(banned, in_an_hour())], &[]).unwrap();
        assert_eq!(filter.drops(&banned), Some(1));

        filter.unban(&[banned]).unwrap();
        assert_eq!(syn(dir, [192, 0, 2, 7], 25), XDP_PASS);
        filter.ban(&[(banned, in_an_hour())]).unwrap();
        assert_eq!(filter.drops(&banned), Some(0));
    });
}

#[test]
fn ends_of_nested_bans_are_those_of_the_latest() {
    in_namespaces(|dir| {
        let over = KernelInstant::from_ns(1);
        let mut filter = Filter::open(dir).unwrap();
        filter.configure(&[25], false).unwrap();
        filter
            .ban(&[
                (net("198.51.100.0/24"), in_an_hour()),
                (net("198.51.100.0/28"), over),
                (net("198.51.100.1/32"), over),
            ])
            .unwrap();
        assert_eq!(syn(dir, [198, 51, 100, 1], 25), XDP_DROP);
        assert_eq!(syn(dir, [198, 51, 100, 2], 25), XDP_DROP);
        filter.unban(&[net("198.51.100.0/24")]).unwrap();
        assert_eq!(syn(dir, [198, 51, 100, 1], 25), XDP_PASS);
        assert_eq!(syn(dir, [198, 51, 100, 2], 25), XDP_PASS);
    });
}

#[test]
fn the_allowlist_and_observe_mode_let_banned_hosts_pass() {
    in_namespaces(|dir| {
        let mut filter = Filter::open(dir).unwrap();
        filter.configure(&[25], true).unwrap();
        let bans = [(net("192.0.2.0/24"), KernelInstant::NEVER)];
        filter.replace_all(&bans, &[net("192.0.2.1/32")]).unwrap();
        assert_eq!(syn(dir, [192, 0, 2, 1], 25), XDP_PASS);
        assert_eq!(syn(dir, [192, 0, 2, 2], 25), XDP_PASS);
        assert_eq!(total(&filter, Verdict::Allowed), 1);
        assert_eq!(total(&filter, Verdict::ObservedNetwork), 1);

        filter.configure(&[25], false).unwrap();
        assert_eq!(syn(dir, [192, 0, 2, 2], 25), XDP_DROP);
        filter.set_allowed(&[net("192.0.2.2/32")]).unwrap();
        assert_eq!(syn(dir, [192, 0, 2, 1], 25), XDP_DROP);
        assert_eq!(syn(dir, [192, 0, 2, 2], 25), XDP_PASS);
    });
}

#[test]
fn pinned_maps_of_another_shape_are_not_used_and_leave_no_gap() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let banned = [(net("192.0.2.7/32"), KernelInstant::NEVER)];
        let mut filter = Filter::open(dir).unwrap();
        filter.configure(&[25], false).unwrap();
        filter.replace_all(&banned, &[]).unwrap();
        filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        let (link, program) = link_of(dir, "guard0");
        drop(filter);

        // Another map under the name of one of ours.
        fs::remove_file(pin(dir, map_name::ADDRESSES_V4)).unwrap();
        fs::rename(
            pin(dir, map_name::PREFIXES_V6),
            pin(dir, map_name::ADDRESSES_V4),
        )
        .unwrap();
        let mut filter = Filter::open(dir).unwrap();
        assert_eq!(filter.kept().unwrap(), []);
        for shape in &MAPS {
            let info = MapInfo::from_pin(pin(dir, shape.name)).unwrap();
            assert_eq!(info.key_size(), shape.key_size, "{}", shape.name);
        }
        assert_eq!(
            link_of(dir, "guard0"),
            (link, program),
            "the old filter is in force"
        );

        filter.configure(&[25], false).unwrap();
        filter.replace_all(&banned, &[]).unwrap();
        filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        let (same_link, other_program) = link_of(dir, "guard0");
        assert_eq!(same_link, link);
        assert_ne!(other_program, program);
        assert_eq!(syn(dir, [192, 0, 2, 7], 25), XDP_DROP);
    });
}

#[test]
fn maps_that_follow_from_others_are_made_where_they_are_missing() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let banned: Vec<(IpNet, KernelInstant)> =
            ["198.51.100.0/24", "203.0.0.0/16", "192.0.2.7/32"]
                .map(|net| (net.parse().unwrap(), KernelInstant::NEVER))
                .into();
        let mut filter = Filter::open(dir).unwrap();
        filter.configure(&[25], false).unwrap();
        filter.replace_all(&banned, &[]).unwrap();
        filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        let (link, _) = link_of(dir, "guard0");
        drop(filter);
        // As an agent left it that did not know of them.
        for shape in MAPS.iter().filter(|shape| shape.is_derived) {
            fs::remove_file(pin(dir, shape.name)).unwrap();
        }
        let mut filter = Filter::open(dir).unwrap();
        assert_eq!(filter.kept().unwrap().len(), banned.len());
        filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        assert_eq!(link_of(dir, "guard0").0, link);
        for (source, expected) in [
            ([198, 51, 100, 9], XDP_DROP),
            ([203, 0, 77, 9], XDP_DROP),
            ([192, 0, 2, 7], XDP_DROP),
            ([203, 1, 0, 9], XDP_PASS),
        ] {
            assert_eq!(syn(dir, source, 25), expected, "{source:?}");
        }
        for shape in MAPS.iter().filter(|shape| shape.is_derived) {
            assert!(pin(dir, shape.name).exists(), "{}", shape.name);
        }
    });
}

#[test]
fn links_of_another_version_are_taken_over() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let mut filter = Filter::open(dir).unwrap();
        filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        let (link, _) = link_of(dir, "guard0");
        drop(filter);
        let other = dir.join((ABI + 1).to_string());
        fs::rename(dir.join(ABI.to_string()), &other).unwrap();

        let mut filter = Filter::open(dir).unwrap();
        let attached = filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        assert_eq!(attached, [native("guard0")]);
        assert_eq!(link_of(dir, "guard0").0, link);
        assert!(!other.exists());
    });
}

#[test]
fn an_interface_that_refuses_native_mode_gets_generic_mode_and_says_so() {
    in_namespaces(|dir| {
        let mut filter = Filter::open(dir).unwrap();
        let [lo] = filter.attach(&["lo".to_owned()], AttachChoice::Auto) else {
            panic!("one interface, one attachment");
        };
        assert_eq!(lo.mode, Some(AttachMode::Generic));
        let problem = lo.problem.as_deref().unwrap();
        assert_eq!(
            problem,
            "in generic mode, which costs more for each packet: the driver of lo has no native XDP"
        );

        let [lo] = filter.attach(&["lo".to_owned()], AttachChoice::Generic) else {
            panic!("one interface, one attachment");
        };
        assert_eq!(
            (lo.mode, lo.problem.as_deref()),
            (Some(AttachMode::Generic), None)
        );

        // What cannot be had does not cost what there is.
        let [lo] = filter.attach(&["lo".to_owned()], AttachChoice::Native) else {
            panic!("one interface, one attachment");
        };
        assert_eq!(lo.mode, Some(AttachMode::Generic));
        assert_eq!(
            lo.problem.as_deref().unwrap(),
            "the driver of lo has no native XDP; set attach = \"auto\" to fall back on generic mode"
        );
    });
}

#[test]
fn a_link_changes_its_mode_when_asked_to() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let names = ["guard0".to_owned()];
        let mut filter = Filter::open(dir).unwrap();
        filter.attach(&names, AttachChoice::Generic);
        assert_eq!(filter.attachments()[0].mode, Some(AttachMode::Generic));
        assert_eq!(
            filter.attach(&names, AttachChoice::Native),
            [native("guard0")]
        );
    });
}

#[test]
fn an_interface_that_does_not_exist_is_named_with_those_that_do() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let mut filter = Filter::open(dir).unwrap();
        let names = ["eth9".to_owned(), "guard0".to_owned()];
        let [missing, guarded] = filter.attach(&names, AttachChoice::Auto) else {
            panic!("two interfaces, two attachments");
        };
        assert_eq!(missing.mode, None);
        let problem = missing.problem.as_deref().unwrap();
        let known = problem
            .strip_prefix("interface eth9 does not exist; known: ")
            .unwrap();
        let mut known: Vec<&str> = known.split(", ").collect();
        known.sort_unstable();
        assert_eq!(known, ["guard0", "lo", "peer0"]);
        assert_eq!(*guarded, native("guard0"));
    });
}

#[test]
fn the_program_of_somebody_else_is_named_and_left_alone() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let mut other = unpinned();
        let foreign = loaded_program(&mut other);
        foreign.attach("guard0", XdpMode::Skb).unwrap();
        let number = foreign.info().unwrap().id();

        let mut filter = Filter::open(dir).unwrap();
        for choice in [AttachChoice::Native, AttachChoice::Generic] {
            let [attachment] = filter.attach(&["guard0".to_owned()], choice) else {
                panic!("one interface, one attachment");
            };
            assert_eq!(attachment.mode, None);
            assert_eq!(
                attachment.problem.as_deref().unwrap(),
                format!(
                    "interface guard0 has another XDP program, `mailwall`, number {number} (generic); stop what \
                     put it there, or take it off with `ip link set dev guard0 xdp off`; or set attach = \"tc\""
                )
            );
        }
        drop(other);
        assert_eq!(
            filter.attach(&["guard0".to_owned()], AttachChoice::Auto),
            [native("guard0")]
        );
    });
}

#[test]
fn an_interface_made_anew_is_attached_to_again() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let names = ["guard0".to_owned()];
        let mut filter = Filter::open(dir).unwrap();
        filter.attach(&names, AttachChoice::Auto);
        let (first, _) = link_of(dir, "guard0");
        ip("link del guard0");
        assert_eq!(filter.attach(&names, AttachChoice::Auto)[0].mode, None);
        make_veth("guard0", "peer0");
        assert_eq!(
            filter.attach(&names, AttachChoice::Auto),
            [native("guard0")]
        );
        assert_ne!(link_of(dir, "guard0").0, first);
    });
}

#[test]
fn a_vlan_interface_with_a_dot_in_its_name_can_be_attached_to() {
    in_namespaces(|dir| {
        make_veth("guard0.5", "peer0");
        let names = ["guard0.5".to_owned()];
        let mut filter = Filter::open(dir).unwrap();
        assert_eq!(
            filter.attach(&names, AttachChoice::Auto),
            [native("guard0.5")]
        );
        let mut again = Filter::open(dir).unwrap();
        assert_eq!(
            again.attach(&names, AttachChoice::Auto),
            [native("guard0.5")]
        );
    });
}

#[test]
fn interfaces_that_are_no_longer_wanted_are_detached() {
    in_namespaces(|dir| {
        make_veth("guard0", "guard1");
        let mut filter = Filter::open(dir).unwrap();
        filter.attach(
            &["guard0".to_owned(), "guard1".to_owned()],
            AttachChoice::Auto,
        );
        filter.attach(&["guard1".to_owned()], AttachChoice::Auto);
        assert_eq!(filter.attachments(), [native("guard1")]);
        assert!(!pin(dir, "link-guard0").exists());
        assert!(!ip("link show guard0").contains("xdp"));
        assert!(ip("link show guard1").contains("xdp"));
    });
}

#[test]
fn removed_pins_leave_nothing_in_the_kernel() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        let mut filter = Filter::open(dir).unwrap();
        filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
        let map = MapInfo::from_pin(pin(dir, map_name::TOTALS)).unwrap().id();
        drop(filter);
        remove_pins(dir).unwrap();
        assert!(!dir.exists(), "the file system made for it is gone");
        assert!(!ip("link show guard0").contains("xdp"));
        // The kernel frees maps a moment after their last user went.
        let freed = (0..500).any(|_| {
            thread::sleep(std::time::Duration::from_millis(10));
            !loaded_maps().flatten().any(|loaded| loaded.id() == map)
        });
        assert!(freed);
    });
}

#[test]
fn a_hundred_thousand_bans_go_in_and_come_back() {
    in_namespaces(|dir| {
        let ends = in_an_hour();
        let bans: Vec<_> = (0..100_000u32)
            .map(|n| {
                (
                    IpNet::from(IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n * 3))),
                    ends,
                )
            })
            .collect();
        let mut filter = Filter::open(dir).unwrap();
        timed("replace_all, empty maps", || {
            filter.replace_all(&bans, &[]).unwrap();
        });
        timed("replace_all, no change", || {
            filter.replace_all(&bans, &[]).unwrap();
        });
        drop(filter);
        let mut filter = timed("open", || Filter::open(dir).unwrap());
        assert_eq!(filter.kept().unwrap().len(), 100_000);
        timed("replace_all, the other half", || {
            filter.replace_all(&bans[50_000..], &[]).unwrap();
        });
        assert_eq!(filter.len(), 50_000);
    });
}

#[test]
fn the_host_tells_its_routes_and_addresses() {
    in_namespaces(|_| {
        make_veth("guard0", "peer0");
        assert_eq!(
            host::default_route_interfaces().unwrap(),
            Vec::<String>::new()
        );
        ip("addr add 192.0.2.1/24 dev guard0");
        ip("addr add 2001:db8::1/64 dev guard0 nodad");
        ip("route add default via 192.0.2.254");
        ip("-6 route add default via 2001:db8::fe dev guard0");
        assert_eq!(host::default_route_interfaces().unwrap(), ["guard0"]);
        let own = host::own_addresses().unwrap();
        for address in ["192.0.2.1", "2001:db8::1"] {
            assert!(
                own.contains(&address.parse().unwrap()),
                "{address} in {own:?}"
            );
        }
        assert_eq!(host::ssh_peers(), Vec::<IpAddr>::new());
    });
}

#[test]
fn the_doctor_finds_who_holds_an_interface() {
    in_namespaces(|dir| {
        make_veth("guard0", "peer0");
        make_veth("guard1", "peer1");
        ip("link set guard1 mtu 9000");
        let interfaces = ["guard0", "guard1", "eth9"].map(str::to_owned);
        let patient = Patient {
            bpffs_dir: dir,
            interfaces: &interfaces,
            attach: Attach::Auto,
            ports: &[25],
            state_dir: dir,
            run_dir: dir,
            sources: &[],
            patterns: &Arc::default(),
        };
        let found = examine(&patient);
        assert_eq!(finding(&found, "privileges").level, Level::Ok);
        assert_eq!(finding(&found, "kernel").level, Level::Ok);
        assert_eq!(finding(&found, "program").level, Level::Ok);
        assert_eq!(finding(&found, "memory").level, Level::Ok);
        assert_eq!(finding(&found, "BPF file system").level, Level::Warning);
        assert_eq!(finding(&found, "interface eth9").level, Level::Problem);
        let free = finding(&found, "interface guard0");
        assert_eq!(free.level, Level::Ok);
        assert!(free.text.starts_with("veth, MTU 1500, "), "{free:?}");
        // On kernels that do not tell what a driver can, it is a warning.
        let jumbo = finding(&found, "interface guard1");
        assert_ne!(jumbo.level, Level::Problem);
        assert!(jumbo.text.starts_with("veth, MTU 9000, "), "{jumbo:?}");
        assert!(!dir.exists(), "looking changes nothing");

        let mut other = unpinned();
        loaded_program(&mut other)
            .attach("guard0", XdpMode::Driver)
            .unwrap();
        let found = examine(&patient);
        let taken = finding(&found, "interface guard0");
        assert_eq!(taken.level, Level::Warning);
        let us = format!("(pid {})", std::process::id());
        for part in ["XDP is taken by mailwall, program ", &us] {
            assert!(taken.text.contains(part), "{taken:?}");
        }
        drop(other);
        let mut filter = Filter::open(dir).unwrap();
        filter.attach(&interfaces[..1], AttachChoice::Auto);
        let found = examine(&patient);
        let guarded = finding(&found, "interface guard0");
        assert_eq!(guarded.level, Level::Ok);
        assert!(
            guarded.text.ends_with("guarded in native mode"),
            "{guarded:?}"
        );
        assert_eq!(finding(&found, "BPF file system").level, Level::Ok);
    });
}

/// The first finding of that topic.
fn finding<'a>(found: &'a [Finding], topic: &str) -> &'a Finding {
    let mut findings = found.iter().filter(|finding| finding.topic == topic);
    findings.next().unwrap()
}

fn in_namespaces(test: impl FnOnce(&Path) + Send) {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test needs root: run `cargo xtask test`"
    );
    let folder = tempfile::tempdir().unwrap();
    let tested = thread::scope(|scope| {
        let in_thread = || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            test(&folder.path().join("pins"));
        };
        scope.spawn(in_thread).join()
    });
    if let Err(panic) = tested {
        resume_unwind(panic);
    }
}

fn make_veth(name: &str, peer: &str) {
    ip(&format!("link add {name} type veth peer name {peer}"));
    ip(&format!("link set {name} up"));
    ip(&format!("link set {peer} up"));
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn native(name: &str) -> Attachment {
    Attachment {
        name: name.to_owned(),
        mode: Some(AttachMode::Native),
        multi_buffer: false,
        problem: None,
        note: None,
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// The kernel has the ends of addresses in steps, those of networks as they are.
fn in_the_kernels_steps((net, end): (IpNet, KernelInstant)) -> (IpNet, KernelInstant) {
    let is_network = !matches!(
        (net, net.prefix_len()),
        (IpNet::V4(_), 32) | (IpNet::V6(_), 64)
    );
    let end = if is_network {
        end
    } else {
        Ticks::not_before(end).instant()
    };
    (net, end)
}

fn in_an_hour() -> KernelInstant {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    KernelInstant::from_ns((now.tv_sec() as u64 + 3600) * 1_000_000_000)
}

fn pin(dir: &Path, name: &str) -> PathBuf {
    dir.join(ABI.to_string()).join(name)
}

/// Numbers of the pinned link and of its program.
fn link_of(dir: &Path, interface: &str) -> (u32, u32) {
    let link = PinnedLink::from_pin(pin(dir, &format!("link-{interface}"))).unwrap();
    let info = FdLink::from(link).info().unwrap();
    (info.id(), info.program_id())
}

fn total(filter: &Filter, verdict: Verdict) -> u64 {
    let totals = filter.totals().unwrap();
    totals
        .into_iter()
        .filter(|(of, family, _)| *of == verdict && *family == Family::V4)
        .map(|(_, _, packets)| packets)
        .sum()
}

/// What the program does with a SYN, over the maps pinned in `dir`.
fn syn(dir: &Path, source: [u8; 4], port: u16) -> u32 {
    let mut loader = EbpfLoader::new();
    choose_clock(&mut loader);
    for shape in &MAPS {
        loader.map_pin_path(shape.name, pin(dir, shape.name));
    }
    let mut ebpf = loader.load(OBJECT).unwrap();
    let frame = syn_frame(source, port);
    let options = TestRunOptions {
        data_in: Some(&frame),
        ..TestRunOptions::default()
    };
    loaded_program(&mut ebpf)
        .test_run(options)
        .unwrap()
        .return_value
}

/// The object, over maps that nobody else has.
fn unpinned() -> Ebpf {
    let mut loader = EbpfLoader::new();
    choose_clock(&mut loader);
    loader.load(OBJECT).unwrap()
}

fn loaded_program(ebpf: &mut Ebpf) -> &mut Xdp {
    let program: &mut Xdp = ebpf.program_mut("mailwall").unwrap().try_into().unwrap();
    program.load().unwrap();
    program
}

fn syn_frame(source: [u8; 4], port: u16) -> Vec<u8> {
    let mut frame = vec![0x02; 12];
    frame.extend([0x08, 0x00]);
    frame.extend([0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0]);
    frame.extend(source);
    frame.extend([203, 0, 113, 1]);
    frame.extend(40_000u16.to_be_bytes());
    frame.extend(port.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it takes is only shown, not judged"
)]
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = std::time::Instant::now();
    let result = work();
    eprintln!("{what}: {:?}", start.elapsed());
    result
}
