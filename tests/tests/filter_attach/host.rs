//! A host with a cable, and what tests ask of it.

use std::{
    fs,
    panic::resume_unwind,
    path::PathBuf,
    process::{Command, Output},
    sync::LazyLock,
    thread,
};

use aya::{
    Ebpf,
    programs::{Xdp, XdpMode},
};
use ipnet::IpNet;
use mailwall::filter::{AttachChoice, AttachMode, Attachment, Filter};
use mailwall_common::{ABI, KernelInstant, Verdict, program_name};
use mailwall_tests::{
    Namespace,
    packet::{Frame, SYN},
    wire::{Wire, segments_received},
};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

pub const BANNED: [&str; 2] = ["203.0.113.7", "2001:db8:100:7::9"];
pub const CLEAN: [&str; 2] = ["203.0.113.8", "2001:db8:100:8::9"];

/// A host that the filter runs on: the network of the calling thread.
pub struct Host {
    pub pins: PathBuf,
    /// The network at the other end of the cable, which is `wire0` there and `guard0` here.
    pub peer: Namespace,
    pub wire: Wire,
}

impl Host {
    /// A filter with the bans of these tests, attached to nothing.
    pub fn filter(&self) -> Filter {
        let mut filter = Filter::open(&self.pins).unwrap();
        filter.configure(&[25], false).unwrap();
        let bans: Vec<(IpNet, KernelInstant)> = ["203.0.113.7/32", "2001:db8:100:7::/64"]
            .into_iter()
            .map(|net| (net.parse().unwrap(), KernelInstant::NEVER))
            .collect();
        filter.ban(&bans).unwrap();
        filter
    }

    /// Sends frames; tells how many TCP segments arrived.
    pub fn arrived(&self, frames: &[Frame]) -> u64 {
        segments_received(
            |frame| self.wire.send(frame),
            |send| frames.iter().try_for_each(send),
        )
        .unwrap()
    }

    #[track_caller]
    pub fn assert_guarded(&self, interface: &str) {
        assert_eq!(self.arrived(&syns()), 2, "SYNs that passed {interface}");
    }

    #[track_caller]
    pub fn assert_open(&self, interface: &str) {
        assert_eq!(self.arrived(&syns()), 4, "SYNs that passed {interface}");
    }
}

pub fn in_namespaces(test: impl FnOnce(&Host) + Send) {
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
            let bpf = folder.path().join("bpf");
            fs::create_dir(&bpf).unwrap();
            mount(
                Some("bpf"),
                &bpf,
                Some("bpf"),
                MsFlags::empty(),
                None::<&str>,
            )
            .unwrap();
            test(&lay_cable(bpf.join("pins")));
        };
        scope.spawn(in_thread).join()
    });
    if let Err(panic) = tested {
        resume_unwind(panic);
    }
}

pub fn lay_cable(pins: PathBuf) -> Host {
    let peer = Namespace::new().unwrap();
    ip(&format!(
        "link add guard0 address 02:00:00:00:00:01 type veth peer name wire0 netns {}",
        peer.path()
    ));
    for words in [
        "address add 192.0.2.25/24 dev guard0",
        "address add 2001:db8::25/64 dev guard0 nodad",
        "link set lo up",
        "link set guard0 up",
        "route add default dev guard0",
        "-6 route add default dev guard0",
    ] {
        ip(words);
    }
    peer.ip("link set wire0 up").unwrap();
    let wire = peer.enter(|| Wire::open("wire0")).unwrap();
    Host { pins, peer, wire }
}

/// The ways into `tc` that this kernel has: by a link and by a filter, or only one of them.
pub fn ways_into_tc() -> Vec<AttachChoice> {
    static WAYS: LazyLock<Vec<AttachChoice>> = LazyLock::new(try_ways_into_tc);
    WAYS.clone()
}

pub fn try_ways_into_tc() -> Vec<AttachChoice> {
    let mut ways = Vec::new();
    in_namespaces(|host| {
        let mut filter = host.filter();
        for choice in [AttachChoice::Clsact, AttachChoice::Tc] {
            let attachment = filter.attach(&names(["guard0"]), choice)[0].clone();
            let pin = host.pins.join(ABI.to_string()).join("tcx-guard0");
            let is_other = choice == AttachChoice::Clsact || pin.exists();
            if attachment.mode == Some(AttachMode::Tc) && is_other {
                ways.push(choice);
            } else {
                println!("this kernel has no {choice:?}: {attachment:?}");
            }
        }
    });
    assert!(!ways.is_empty(), "this kernel has no way into tc");
    ways
}

/// Puts a program on an interface that is not the agent's; tells its number.
pub fn attach_foreign(ebpf: &mut Ebpf, interface: &str) -> u32 {
    let program = ebpf.program_mut(program_name::XDP).unwrap();
    let program: &mut Xdp = program.try_into().unwrap();
    program.load().unwrap();
    program.attach(interface, XdpMode::Driver).unwrap();
    program.info().unwrap().id()
}

/// A SYN of each family from those who are banned, and from those who are not.
pub fn syns() -> [Frame; 4] {
    let [banned, clean] = [BANNED, CLEAN].map(|sources| sources.map(syn));
    let [a, b] = banned;
    let [c, d] = clean;
    [a, b, c, d]
}

pub fn syn(source: &str) -> Frame {
    Frame::new().ip(source.parse().unwrap()).tcp(25, SYN)
}

pub fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

pub fn by(mode: AttachMode, name: &str) -> Attachment {
    Attachment {
        name: name.to_owned(),
        mode: Some(mode),
        multi_buffer: false,
        problem: None,
        note: None,
    }
}

pub fn total(filter: &Filter, verdict: Verdict) -> u64 {
    let totals = filter.totals().unwrap();
    totals
        .into_iter()
        .filter(|(of, _, _)| *of == verdict)
        .map(|(_, _, packets)| packets)
        .sum()
}

#[track_caller]
pub fn ip(words: &str) -> String {
    let output = run_ip(words);
    assert!(
        output.status.success(),
        "ip {words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub fn run_ip(words: &str) -> Output {
    Command::new("ip").args(words.split(' ')).output().unwrap()
}
