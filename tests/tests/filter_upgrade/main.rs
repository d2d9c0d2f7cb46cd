//! One version of the filter takes the place of another, under traffic: not one banned SYN comes in, not one clean SYN is lost.
//! Each test has a network namespace and a mount namespace of its own, which go with its thread. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod traffic;

use std::{fs, net::IpAddr, panic::resume_unwind, path::Path, process::Command, thread};

use aya::programs::links::{FdLink, PinnedLink};
use ipnet::IpNet;
use mailwall::filter::{AttachChoice, AttachMode, Filter};
use mailwall_common::{ABI, Family, KernelInstant, Verdict};
use mailwall_tests::earlier::{Earlier, EarlierBan};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use traffic::{Shared, Sources, StopOnPanic, Traffic};

/// One of each kind, one in another, and one that is wider than what IPv6 presence can tell.
const BANNED: [(&str, &str); 7] = [
    ("192.0.2.7/32", "192.0.2.7"),
    ("198.51.100.0/24", "198.51.100.9"),
    ("198.51.100.128/25", "198.51.100.200"),
    ("203.0.0.0/9", "203.7.7.7"),
    ("2001:db8:1::/64", "2001:db8:1::25"),
    ("2001:db8:2::/48", "2001:db8:2:3::4"),
    ("2a00::/12", "2a01:4f8::1"),
];
const CLEAN: [&str; 5] = [
    "192.0.2.8",
    "198.51.101.1",
    "10.0.0.1",
    "2001:db8:1:1::25",
    "2001:db8:3::1",
];
/// Where the ban of the first one is.
const FIRST: u32 = 0;
/// Drops that bans have from before.
const BEFORE: u64 = 1000;

/// Else the other tests would say nothing.
#[test]
fn whoever_comes_in_is_seen() {
    in_namespaces(|_| {
        make_cable();
        let sources = Sources {
            banned: vec![address("192.0.2.7")],
            clean: vec![address("192.0.2.8")],
        };
        let shared = Shared::default();
        let tally = thread::scope(|scope| {
            let _stop = StopOnPanic(&shared);
            let traffic = Traffic::start(scope, &shared, "peer0", "guard0", sources);
            traffic.flow();
            traffic.stop()
        });
        assert_eq!(tally.banned_let_in, tally.rounds, "{tally:?}");
        assert_eq!((tally.clean_lost, tally.clean_doubled), (0, 0), "{tally:?}");
    });
}

#[test]
fn upgrades_restarts_and_downgrades_let_nobody_in_and_lose_no_clean_syn() {
    under_traffic(|dir, earlier, traffic| {
        let link = link_id(dir, 1);
        traffic.flow();

        // The upgrade, with no database: what was pinned is all there is.
        let drops_before = earlier.drops(FIRST).unwrap();
        let totals_before = earlier.banned_addresses_v4().unwrap();
        assert!(drops_before > BEFORE);
        let mut filter = Filter::open(dir).unwrap();
        assert_eq!(nets(&filter), nets_of(&BANNED));
        for (net, _) in BANNED {
            assert!(
                filter.drops(&net.parse().unwrap()).unwrap() > BEFORE,
                "{net}"
            );
        }
        assert!(filter.drops(&first()).unwrap() >= drops_before);
        assert!(total(&filter) >= totals_before);
        traffic.flow();
        fill_and_attach(&mut filter);
        assert_eq!(link_id(dir, ABI), link);
        assert!(!dir.join("1").exists());
        let taken_over = filter.drops(&first()).unwrap();
        traffic.flow();
        assert!(filter.drops(&first()).unwrap() > taken_over);

        for _ in 0..3 {
            drop(filter);
            filter = Filter::open(dir).unwrap();
            traffic.flow();
            fill_and_attach(&mut filter);
            traffic.flow();
        }
        assert_eq!(link_id(dir, ABI), link);

        // The downgrade: what is pinned is of a version that this one cannot read; the bans come from the database.
        drop(filter);
        let later = dir.join((ABI + 1).to_string());
        fs::rename(dir.join(ABI.to_string()), &later).unwrap();
        let mut filter = Filter::open(dir).unwrap();
        assert!(filter.is_empty());
        traffic.flow();
        assert!(
            later.join("ADDRESSES_V4").exists(),
            "left until the link is taken over"
        );
        fill_and_attach(&mut filter);
        traffic.flow();
        assert_eq!(link_id(dir, ABI), link);
        assert!(!later.exists());
    });
}

#[test]
fn an_upgrade_that_was_killed_before_the_link_was_its_own_goes_on_at_the_next_start() {
    under_traffic(|dir, earlier, traffic| {
        // Killed when the maps were filled.
        let mut filter = Filter::open(dir).unwrap();
        fill(&mut filter);
        drop(filter);
        traffic.flow();
        let drops_before = earlier.drops(FIRST).unwrap();
        // Killed when a part of the maps was made.
        fs::remove_file(dir.join(format!("{ABI}/PRESENCE_V4"))).unwrap();
        fs::remove_file(dir.join(format!("{ABI}/program"))).unwrap();
        let filter = Filter::open(dir).unwrap();
        assert_eq!(nets(&filter), nets_of(&BANNED));
        assert!(filter.drops(&first()).unwrap() >= drops_before);
        drop(filter);
        traffic.flow();
        // The same drops are not taken over twice.
        let rounds = traffic.rounds();
        let mut filter = Filter::open(dir).unwrap();
        let drops = filter.drops(&first()).unwrap();
        assert!(drops >= BEFORE + rounds, "{drops} drops in {rounds} rounds");
        assert!(drops <= BEFORE + traffic.rounds() + 1);
        fill_and_attach(&mut filter);
        traffic.flow();
        assert!(!dir.join("1").exists());
    });
}

#[test]
fn an_upgrade_that_was_killed_before_the_program_was_replaced_goes_on_at_the_next_start() {
    under_traffic(|dir, _, traffic| {
        drop(Filter::open(dir).unwrap());
        // Killed when the link was moved, with the old program on it.
        let link = "link-guard0";
        fs::rename(
            dir.join("1").join(link),
            dir.join(ABI.to_string()).join(link),
        )
        .unwrap();
        traffic.flow();
        let mut filter = Filter::open(dir).unwrap();
        assert_eq!(nets(&filter), nets_of(&BANNED));
        fs::remove_dir_all(dir.join("1")).unwrap();
        drop(filter);
        traffic.flow();
        filter = Filter::open(dir).unwrap();
        assert_eq!(nets(&filter), nets_of(&BANNED));
        fill_and_attach(&mut filter);
        traffic.flow();
    });
}

#[test]
fn bans_that_were_lifted_after_an_interrupted_upgrade_do_not_come_back() {
    under_traffic(|dir, _, traffic| {
        drop(Filter::open(dir).unwrap());
        let mut filter = Filter::open(dir).unwrap();
        fill_and_attach(&mut filter);
        filter
            .ban(&[(net("10.9.9.9/32"), KernelInstant::NEVER)])
            .unwrap();
        filter.unban(&[net("10.9.9.9/32")]).unwrap();
        drop(filter);
        let filter = Filter::open(dir).unwrap();
        assert_eq!(nets(&filter), nets_of(&BANNED));
        traffic.flow();
    });
}

#[test]
fn what_cannot_be_read_of_an_earlier_version_keeps_nobody_from_starting() {
    under_traffic(|dir, earlier, traffic| {
        fs::remove_file(earlier.dir().join("TOTALS")).unwrap();
        let mut filter = Filter::open(dir).unwrap();
        assert!(filter.is_empty());
        fill_and_attach(&mut filter);
        traffic.flow();
        assert!(!dir.join("1").exists());
    });
}

/// Runs a test with a filter of ABI 1 in force on `guard0`, while SYNs come in there.
fn under_traffic(test: impl FnOnce(&Path, &Earlier, &Traffic<'_>) + Send) {
    in_namespaces(|dir| {
        make_cable();
        let bans = BANNED.map(|(net, _)| EarlierBan {
            net: net.parse().unwrap(),
            ends: KernelInstant::NEVER,
            drops: BEFORE,
        });
        let earlier = Earlier::install(dir, "guard0", &bans).unwrap();
        let sources = Sources {
            banned: BANNED.map(|(_, source)| address(source)).to_vec(),
            clean: CLEAN.map(address).to_vec(),
        };
        let shared = Shared::default();
        thread::scope(|scope| {
            let _stop = StopOnPanic(&shared);
            let traffic = Traffic::start(scope, &shared, "peer0", "guard0", sources);
            test(dir, &earlier, &traffic);
            let tally = traffic.stop();
            println!("{tally:?}");
            assert_eq!(tally.banned_let_in, 0, "{tally:?}");
            assert_eq!(tally.clean_lost, 0, "{tally:?}");
            assert_eq!(tally.clean_doubled, 0, "{tally:?}");
        });
    });
}

/// From `peer0` to `guard0`, of one queue, so that frames keep their order.
fn make_cable() {
    let queue = "numtxqueues 1 numrxqueues 1";
    ip(&format!(
        "link add guard0 {queue} type veth peer name peer0 {queue}"
    ));
    ip("link set guard0 up");
    ip("link set peer0 up");
}

/// What the agent does with the bans of its database.
fn fill(filter: &mut Filter) {
    let bans = BANNED.map(|(net, _)| (net.parse().unwrap(), KernelInstant::NEVER));
    filter.configure(&[25], false).unwrap();
    filter.replace_all(&bans, &[]).unwrap();
}

fn fill_and_attach(filter: &mut Filter) {
    fill(filter);
    let attached = filter.attach(&["guard0".to_owned()], AttachChoice::Auto);
    assert_eq!(attached[0].mode, Some(AttachMode::Native), "{attached:?}");
    assert_eq!(attached[0].problem, None);
}

fn nets(filter: &Filter) -> Vec<IpNet> {
    let mut nets: Vec<IpNet> = filter
        .kept()
        .unwrap()
        .into_iter()
        .map(|(net, ends)| {
            assert_eq!(ends, KernelInstant::NEVER, "{net}");
            net
        })
        .collect();
    nets.sort();
    nets
}

fn nets_of(bans: &[(&str, &str)]) -> Vec<IpNet> {
    let mut nets: Vec<IpNet> = bans.iter().map(|(net, _)| net.parse().unwrap()).collect();
    nets.sort();
    nets
}

fn total(filter: &Filter) -> u64 {
    let counted = (Verdict::BannedAddress, Family::V4);
    let totals = filter.totals().unwrap();
    let of = totals
        .iter()
        .find(|(verdict, family, _)| (*verdict, *family) == counted);
    of.unwrap().2
}

fn first() -> IpNet {
    net(BANNED[FIRST as usize].0)
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Number of the link that is pinned for the guarded interface.
fn link_id(dir: &Path, abi: u32) -> u32 {
    let pin = dir.join(format!("{abi}/link-guard0"));
    FdLink::from(PinnedLink::from_pin(pin).unwrap())
        .info()
        .unwrap()
        .id()
}

/// Runs a test with a BPF file system of its own.
fn in_namespaces(test: impl FnOnce(&Path) + Send) {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test needs root: run `cargo xtask test`"
    );
    let folder = tempfile::tempdir().unwrap();
    let tested = thread::scope(|scope| {
        let in_thread = || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let nothing = None::<&str>;
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(nothing, "/", nothing, private, nothing).unwrap();
            mount(
                nothing,
                folder.path(),
                Some("bpf"),
                MsFlags::empty(),
                nothing,
            )
            .unwrap();
            test(&folder.path().join("pins"));
        };
        scope.spawn(in_thread).join()
    });
    if let Err(panic) = tested {
        resume_unwind(panic);
    }
}

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
