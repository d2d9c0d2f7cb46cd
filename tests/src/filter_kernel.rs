//! The checked-in object in the kernel, with maps of its own and attached to nothing.

use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunOptions, include_bytes_aligned,
    maps::{Map, MapData, MapInfo, PerCpuArray},
    programs::Xdp,
};
use ipnet::IpNet;
use mailwall_common::{
    Family, KernelInstant, MAPS, MapKind, MapShape, PORT_WORDS, Verdict, choose_clock, map_name,
    program_name,
};
use nix::time::{ClockId, clock_gettime};

use crate::{
    filter_maps::Maps,
    filter_scene::{Outcome, Scene},
};

/// The object.
pub const OBJECT: &[u8] = include_bytes_aligned!("../../agent/bpf/mailwall.bpf.o");

/// The object for tracing.
pub const TRACING_OBJECT: &[u8] = include_bytes_aligned!("../../agent/bpf/mailwall-trace.bpf.o");

// Of `enum xdp_action` in include/uapi/linux/bpf.h.
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// The filter in the kernel. Its methods panic where a test could not go on.
pub struct Kernel {
    ebpf: Ebpf,
    scene: Scene,
    /// Totals when they were last read.
    totals: Vec<u64>,
    /// Drops of the scene's bans when they were last read.
    drops: Vec<u64>,
}

impl Kernel {
    /// Loads the object.
    pub fn load() -> Self {
        Self::load_object(OBJECT)
    }

    /// Loads the object whose programs tell of each packet.
    pub fn load_tracing() -> Self {
        Self::load_object(TRACING_OBJECT)
    }

    fn load_object(object: &[u8]) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests load a BPF program into the kernel, which takes root (or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON)"
        );
        let mut ebpf = load(object);
        program_mut(&mut ebpf)
            .load()
            .expect("the verifier accepts the program");
        let mut kernel = Self {
            ebpf,
            scene: Scene::banning(&[]).guarding(&[]),
            totals: Vec::new(),
            drops: Vec::new(),
        };
        kernel.totals = kernel.read_totals();
        kernel
    }

    /// Makes the maps say what the scene says, and only that.
    pub fn arrange(&mut self, scene: &Scene) {
        let before = std::mem::replace(&mut self.scene, scene.clone());
        for (net, _) in &before.bans {
            self.maps().unban(net);
        }
        self.maps().forget_shortcuts(&numbered(&before.bans));
        for net in &before.allowed {
            self.maps().set_allowed(net, false);
        }
        self.set_ports();
        self.maps().set_mode(scene.mode);
        for net in &scene.allowed {
            self.maps().set_allowed(net, true);
        }
        for (slot, (net, end)) in (0..).zip(&scene.bans) {
            self.maps().ban(net, slot, *end);
        }
        self.maps()
            .tell_shortcuts(&numbered(&scene.bans), &scene.allowed);
        self.drops = self.read_drops();
    }

    /// The maps, to write what no scene says.
    pub fn maps(&mut self) -> Maps<'_> {
        Maps(&mut self.ebpf)
    }

    /// Sends a frame through the filter: what is counted of it, which must be one packet, and what is done with it, which
    /// must be what the counter says.
    pub fn run(&mut self, frame: &[u8]) -> Outcome {
        let action = self.test_run(frame, 1);
        let (verdict, family) = self.counted();
        assert_eq!(
            action,
            if verdict.is_drop() {
                XDP_DROP
            } else {
                XDP_PASS
            },
            "what was done with a packet counted as {verdict}"
        );
        Outcome {
            verdict,
            family,
            dropped_by: self.dropped_by(),
        }
    }

    /// Whether a frame is dropped.
    pub fn drops(&mut self, frame: &[u8]) -> bool {
        self.test_run(frame, 1) == XDP_DROP
    }

    /// Sends a frame through the filter many times.
    pub fn run_repeatedly(&mut self, frame: &[u8], times: u32) {
        self.test_run(frame, times);
    }

    /// Packets that the scene's ban of this number dropped.
    pub fn drops_of(&mut self, ban: u32) -> u64 {
        let net = self.net(ban);
        self.maps().drops(&net, ban)
    }

    /// Gives the scene's ban of this number another end.
    pub fn renew(&mut self, ban: u32, end: KernelInstant) {
        let net = self.net(ban);
        self.maps().renew(&net, ban, end);
    }

    fn net(&self, ban: u32) -> IpNet {
        self.scene.bans[ban as usize].0
    }

    /// Packets counted since the object was loaded.
    pub fn total(&self, verdict: Verdict, family: Family) -> u64 {
        self.read_totals()[verdict.total_index(family) as usize]
    }

    /// What kind of map the kernel made, for each in the object.
    pub fn shapes(&self) -> Vec<MapShape> {
        self.ebpf
            .maps()
            // Those of the globals are made by the loader.
            .filter(|(name, _)| !name.starts_with('.'))
            .map(|(name, map)| shape(name, map))
            .collect()
    }

    /// Instructions the verifier walked through; kernels before 5.16 do not tell.
    pub fn verified_instructions(&self) -> Option<u32> {
        self.program()
            .info()
            .expect("a loaded program has an info")
            .verified_instruction_count()
    }

    /// Names of the maps that the program refers to, as the kernel tells them: it cuts them off after 15 letters.
    pub fn maps_in_use(&self) -> Vec<String> {
        let info = self.program().info().expect("a loaded program has an info");
        let ids = info.map_ids().expect("the kernel tells of its maps");
        ids.expect("kernels since 4.15 tell their numbers")
            .into_iter()
            .map(|id| MapInfo::from_id(id).expect("the program holds its maps"))
            .map(|map| map.name_as_str().unwrap_or_default().to_owned())
            .collect()
    }

    fn test_run(&self, frame: &[u8], repeat: u32) -> u32 {
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat,
            ..TestRunOptions::new()
        };
        self.program()
            .test_run(options)
            .expect("BPF_PROG_TEST_RUN takes the frame")
            .return_value
    }

    /// The one counter that went up by one.
    fn counted(&mut self) -> (Verdict, Family) {
        let now = self.read_totals();
        let before = std::mem::replace(&mut self.totals, now);
        let mut risen = Vec::new();
        for verdict in Verdict::ALL {
            for family in Family::ALL {
                let index = verdict.total_index(family) as usize;
                if self.totals[index] != before[index] {
                    assert_eq!(self.totals[index], before[index] + 1, "{verdict} {family}");
                    risen.push((verdict, family));
                }
            }
        }
        assert_eq!(risen.len(), 1, "counters that went up: {risen:?}");
        risen[0]
    }

    /// The ban whose drops went up by one, if one's did.
    fn dropped_by(&mut self) -> Option<usize> {
        let now = self.read_drops();
        let before = std::mem::replace(&mut self.drops, now);
        let mut risen = Vec::new();
        for (slot, (now, before)) in self.drops.iter().zip(before).enumerate() {
            if *now != before {
                assert_eq!(*now, before + 1, "drops of ban {slot}");
                risen.push(slot);
            }
        }
        assert!(risen.len() <= 1, "bans whose drops went up: {risen:?}");
        risen.pop()
    }

    fn read_totals(&self) -> Vec<u64> {
        let map = self.ebpf.map(map_name::TOTALS).expect("the map is there");
        let totals = PerCpuArray::<_, u64>::try_from(map).expect("an array for each CPU");
        (0..totals.len())
            .map(|index| {
                let on_each_cpu = totals.get(&index, 0).expect("an index below the length");
                on_each_cpu.iter().sum()
            })
            .collect()
    }

    fn read_drops(&mut self) -> Vec<u64> {
        let slots = u32::try_from(self.scene.bans.len()).expect("a handful of bans");
        (0..slots).map(|slot| self.drops_of(slot)).collect()
    }

    fn set_ports(&mut self) {
        let mut words = vec![0_u64; PORT_WORDS as usize];
        for port in &self.scene.ports {
            words[usize::from(port / 64)] |= 1 << (port % 64);
        }
        for (index, word) in (0..).zip(words) {
            self.maps().set(map_name::PORTS, index, word);
        }
    }

    fn program(&self) -> &Xdp {
        self.ebpf
            .program(program_name::XDP)
            .expect("the object has the program")
            .try_into()
            .expect("the program is for XDP")
    }
}

/// The object over maps of its own, made for this kernel. No program of it is loaded yet.
pub fn object() -> Ebpf {
    load(OBJECT)
}

/// Each net with its place, which is its record if it is a network's.
fn numbered(bans: &[(IpNet, KernelInstant)]) -> Vec<(IpNet, u32)> {
    (0..)
        .zip(bans)
        .map(|(slot, (net, _))| (*net, slot))
        .collect()
}

fn load(object: &[u8]) -> Ebpf {
    let mut loader = EbpfLoader::new();
    choose_clock(&mut loader);
    loader.load(object).expect("the maps can be created")
}

/// The kernel's monotonic time.
pub fn now() -> KernelInstant {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("every Linux has the clock");
    let ns = std::time::Duration::from(now).as_nanos();
    KernelInstant::from_ns(u64::try_from(ns).expect("less than 584 years of uptime"))
}

fn program_mut(ebpf: &mut Ebpf) -> &mut Xdp {
    ebpf.program_mut(program_name::XDP)
        .expect("the object has the program")
        .try_into()
        .expect("the program is for XDP")
}

/// The shape of a map in the kernel, told by its agreed name: the kernel keeps only the first 15 letters.
fn shape(name: &str, map: &Map) -> MapShape {
    let info = map_data(map).info().expect("a map has an info");
    let agreed = MAPS
        .into_iter()
        .find(|shape| shape.name == name)
        .unwrap_or_else(|| panic!("{name} is not an agreed map"));
    MapShape {
        name: agreed.name,
        kind: kind(map),
        key_size: info.key_size(),
        value_size: info.value_size(),
        max_entries: info.max_entries(),
        flags: info.map_flags(),
        is_derived: agreed.is_derived,
    }
}

fn map_data(map: &Map) -> &MapData {
    match map {
        Map::Array(data) | Map::LpmTrie(data) | Map::PerCpuArray(data) | Map::RingBuf(data) => data,
        other => panic!("a map of no agreed kind: {other:?}"),
    }
}

fn kind(map: &Map) -> MapKind {
    match map {
        Map::Array(_) => MapKind::Array,
        Map::LpmTrie(_) => MapKind::LpmTrie,
        Map::PerCpuArray(_) => MapKind::PerCpuArray,
        Map::RingBuf(_) => MapKind::RingBuf,
        other => panic!("a map of no agreed kind: {other:?}"),
    }
}
