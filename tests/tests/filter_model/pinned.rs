//! The pinned maps past the agent, by memory and system calls, and its program over them.

use std::{
    marker::PhantomData,
    net::IpAddr,
    num::NonZeroUsize,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    ptr::NonNull,
};

use aya::{
    Ebpf, EbpfLoader, Pod, TestRun as _, TestRunOptions,
    maps::{Array, LpmTrie, Map, MapData, PerCpuArray, lpm_trie::Key},
    programs::Xdp,
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mailwall_common::{
    ABI, BanRecord, BanSlot, Family, LineV4, LineV6, MAPS, Settings, ShortcutLine, Verdict,
    choose_clock, map_name, program_name,
};
use mailwall_tests::{
    filter_kernel::OBJECT,
    packet::{Frame, SYN},
};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The port that is guarded.
pub const PORT: u16 = 25;
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;

/// What is pinned under a folder.
pub struct Pinned {
    pub lines_v4: Mapped<LineV4>,
    pub lines_v6: Mapped<LineV6>,
    pub presence_v4: Mapped<u64>,
    pub presence_v6: Mapped<u64>,
    pub prefix_lengths: Mapped<u64>,
    pub shortcuts: Mapped<ShortcutLine>,
    pub records: Mapped<BanRecord>,
    networks_v4: LpmTrie<MapData, [u8; 4], BanSlot>,
    networks_v6: LpmTrie<MapData, [u8; 16], BanSlot>,
    allowed_v4: LpmTrie<MapData, [u8; 4], u32>,
    allowed_v6: LpmTrie<MapData, [u8; 16], u32>,
    settings: Array<MapData, Settings>,
    totals: PerCpuArray<MapData, u64>,
    ebpf: Ebpf,
}

impl Pinned {
    pub fn open(dir: &Path) -> Self {
        let array = |name| Map::Array(map(dir, name));
        let trie = |name| Map::LpmTrie(map(dir, name));
        Self {
            lines_v4: Mapped::new(dir, map_name::ADDRESSES_V4),
            lines_v6: Mapped::new(dir, map_name::PREFIXES_V6),
            presence_v4: Mapped::new(dir, map_name::PRESENCE_V4),
            presence_v6: Mapped::new(dir, map_name::PRESENCE_V6),
            prefix_lengths: Mapped::new(dir, map_name::PREFIX_LENGTHS_V4),
            shortcuts: Mapped::new(dir, map_name::SHORTCUTS_V4),
            records: Mapped::new(dir, map_name::BAN_RECORDS),
            networks_v4: trie(map_name::NETWORKS_V4).try_into().unwrap(),
            networks_v6: trie(map_name::NETWORKS_V6).try_into().unwrap(),
            allowed_v4: trie(map_name::ALLOWED_V4).try_into().unwrap(),
            allowed_v6: trie(map_name::ALLOWED_V6).try_into().unwrap(),
            settings: array(map_name::SETTINGS).try_into().unwrap(),
            totals: Map::PerCpuArray(map(dir, map_name::TOTALS))
                .try_into()
                .unwrap(),
            ebpf: load(dir),
        }
    }

    pub fn settings(&self) -> Settings {
        self.settings.get(&0, 0).unwrap()
    }

    pub fn networks(&self) -> Vec<(IpNet, BanSlot)> {
        let v4 = entries_v4(&self.networks_v4);
        v4.chain(entries_v6(&self.networks_v6)).collect()
    }

    pub fn allowed(&self) -> Vec<IpNet> {
        let v4 = entries_v4(&self.allowed_v4);
        let nets = v4.chain(entries_v6(&self.allowed_v6));
        nets.map(|(net, _)| net).collect()
    }

    /// Takes a network's entry out, as nobody but the agent should.
    pub fn steal(&mut self, net: Ipv4Net) {
        let key = Key::new(u32::from(net.prefix_len()), net.addr().octets());
        self.networks_v4.remove(&key).unwrap();
    }

    /// Packets counted under each of these verdicts.
    pub fn totals(&self, verdicts: &[Verdict]) -> u64 {
        let each = verdicts
            .iter()
            .flat_map(|verdict| Family::ALL.map(|family| verdict.total_index(family)));
        each.map(|index| self.totals.get(&index, 0).unwrap().iter().sum::<u64>())
            .sum()
    }

    /// Whether the filter drops a SYN of `source`.
    pub fn drops(&self, source: IpAddr) -> bool {
        match self.knock(source, 1) {
            XDP_DROP => true,
            XDP_PASS => false,
            other => panic!("the filter returned {other}"),
        }
    }

    /// Sends a SYN of `source` through the filter so many times; what was done with the last.
    pub fn knock(&self, source: IpAddr, times: u32) -> u32 {
        let frame = Frame::new().ip(source).tcp(PORT, SYN);
        let options = TestRunOptions {
            data_in: Some(frame.bytes()),
            repeat: times,
            ..TestRunOptions::default()
        };
        let program: &Xdp = self
            .ebpf
            .program(program_name::XDP)
            .unwrap()
            .try_into()
            .unwrap();
        program.test_run(options).unwrap().return_value
    }
}

/// The agent's program, once more: aya gives no way to the one that is pinned.
fn load(dir: &Path) -> Ebpf {
    let mut loader = EbpfLoader::new();
    choose_clock(&mut loader);
    for shape in &MAPS {
        loader.map_pin_path(shape.name, pin(dir, shape.name));
    }
    let mut ebpf = loader.load(OBJECT).unwrap();
    let program: &mut Xdp = ebpf
        .program_mut(program_name::XDP)
        .unwrap()
        .try_into()
        .unwrap();
    program.load().unwrap();
    ebpf
}

fn entries_v4<V: Pod>(
    trie: &LpmTrie<MapData, [u8; 4], V>,
) -> impl Iterator<Item = (IpNet, V)> + '_ {
    trie.iter().map(|entry| {
        let (key, value) = entry.unwrap();
        let net = Ipv4Net::new(key.data().into(), key.prefix_len() as u8).unwrap();
        (net.into(), value)
    })
}

fn entries_v6<V: Pod>(
    trie: &LpmTrie<MapData, [u8; 16], V>,
) -> impl Iterator<Item = (IpNet, V)> + '_ {
    trie.iter().map(|entry| {
        let (key, value) = entry.unwrap();
        let net = Ipv6Net::new(key.data().into(), key.prefix_len() as u8).unwrap();
        (net.into(), value)
    })
}

fn pin(dir: &Path, name: &str) -> PathBuf {
    dir.join(ABI.to_string()).join(name)
}

fn map(dir: &Path, name: &str) -> MapData {
    MapData::from_pin(pin(dir, name)).unwrap()
}

/// The memory of an array.
pub struct Mapped<T> {
    start: NonNull<T>,
    len: usize,
    holds: PhantomData<T>,
}

impl<T> Mapped<T> {
    fn new(dir: &Path, name: &str) -> Self {
        let shape = MAPS.into_iter().find(|shape| shape.name == name).unwrap();
        assert_eq!(shape.value_size as usize, size_of::<T>());
        let len = shape.max_entries as usize;
        let bytes = NonZeroUsize::new(len * size_of::<T>()).unwrap();
        let map = map(dir, name);
        let fd = map.fd().as_fd();
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of this process.
        let start = unsafe {
            mmap(
                None,
                bytes,
                ProtFlags::PROT_READ,
                MapFlags::MAP_SHARED,
                fd,
                0,
            )
        };
        Self {
            start: start.unwrap().cast(),
            len,
            holds: PhantomData,
        }
    }

    /// What is in it, while neither the agent nor the filter is at work.
    pub fn elements(&self) -> &[T] {
        // SAFETY: the mapping holds `len` values, which are integers only, and lives as long as `self`. Who calls this lets
        // nobody write meanwhile.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: this mapping was made with this length, and no reference into it outlives `self`.
        unsafe { munmap(self.start.cast(), self.len * size_of::<T>()) }.unwrap();
    }
}
