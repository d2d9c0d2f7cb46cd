//! A filter of ABI 1, as its agent left it in the kernel: pinned maps with bans in them, and a program on an interface.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, HashMap, LpmTrie, Map, MapData, PerCpuArray, lpm_trie::Key},
    programs::{Xdp, XdpMode, links::FdLink},
};
use ipnet::IpNet;
use mailwall_common::KernelInstant;

/// See `tests/fixtures/README.md`.
static OBJECT: &[u8] = include_bytes_aligned!("../fixtures/mailwall-abi1.bpf.o");

const ABI: &str = "1";
const MAPS: [&str; 10] = [
    "ADDRESSES_V4",
    "PREFIXES_V6",
    "NETWORKS_V4",
    "NETWORKS_V6",
    "BAN_RECORDS",
    "ALLOWED_V4",
    "ALLOWED_V6",
    "PORTS",
    "SETTINGS",
    "TOTALS",
];
/// Totals of SYNs from banned IPv4 addresses: its verdict's number, three families.
const BANNED_ADDRESS_V4: u32 = 11 * 3 + 1;

/// End and drops.
type Record = [u64; 2];

/// A ban in the maps.
#[derive(Clone, Copy, Debug)]
pub struct EarlierBan {
    /// Who is banned.
    pub net: IpNet,
    /// Until when.
    pub ends: KernelInstant,
    /// Packets that it dropped.
    pub drops: u64,
}

/// What is pinned, for a look at it. Nothing of it goes when this is dropped.
#[derive(Debug)]
pub struct Earlier {
    dir: PathBuf,
}

impl Earlier {
    /// Loads the program over new maps with `bans` in them, attaches it to `interface` of the calling thread's network to guard
    /// port 25, and pins everything under `bpffs_dir`, which is on a BPF file system.
    ///
    /// # Errors
    /// When the caller is not root, or the kernel refuses.
    pub fn install(bpffs_dir: &Path, interface: &str, bans: &[EarlierBan]) -> Result<Self> {
        let dir = bpffs_dir.join(ABI);
        fs::create_dir_all(&dir).context("make a folder for pins")?;
        let mut loader = EbpfLoader::new();
        for name in MAPS {
            loader.map_pin_path(name, dir.join(name));
        }
        let mut ebpf = loader.load(OBJECT).context("load the object of ABI 1")?;
        let mut ports: Array<_, u64> = Array::try_from(map(&mut ebpf, "PORTS")?)?;
        ports.set(0, 1 << 25, 0)?;
        for (slot, ban) in (0..).zip(bans) {
            enter(&mut ebpf, slot, ban)?;
        }
        let program: &mut Xdp = ebpf
            .program_mut("mailwall")
            .context("the object has a program")?
            .try_into()?;
        program.load()?;
        program.pin(dir.join("program"))?;
        let link = program.attach(interface, XdpMode::Driver)?;
        let link = FdLink::try_from(program.take_link(link)?)?;
        link.pin(dir.join(format!("link-{interface}")))?;
        Ok(Self { dir })
    }

    /// Where it is pinned.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Packets that the ban of [`Earlier::install`]'s place `slot` dropped.
    ///
    /// # Errors
    /// When the map is gone.
    pub fn drops(&self, slot: u32) -> Result<u64> {
        let records = MapData::from_pin(self.dir.join("BAN_RECORDS"))?;
        let records: Array<_, Record> = Array::try_from(Map::from_map_data(records)?)?;
        Ok(records.get(&slot, 0)?[1])
    }

    /// Packets that bans of IPv4 addresses dropped.
    ///
    /// # Errors
    /// When the map is gone.
    pub fn banned_addresses_v4(&self) -> Result<u64> {
        let totals = MapData::from_pin(self.dir.join("TOTALS"))?;
        let totals = Map::from_map_data(totals)?;
        let totals: PerCpuArray<_, u64> = PerCpuArray::try_from(totals)?;
        Ok(totals.get(&BANNED_ADDRESS_V4, 0)?.iter().sum())
    }
}

fn enter(ebpf: &mut Ebpf, slot: u32, ban: &EarlierBan) -> Result<()> {
    let mut records: Array<_, Record> = Array::try_from(map(ebpf, "BAN_RECORDS")?)?;
    records.set(slot, [ban.ends.as_ns(), ban.drops], 0)?;
    let prefix_len = u32::from(ban.net.prefix_len());
    match ban.net {
        IpNet::V4(net) if prefix_len == 32 => {
            let mut map = HashMap::<_, [u8; 4], u32>::try_from(map(ebpf, "ADDRESSES_V4")?)?;
            map.insert(net.addr().octets(), slot, 0)?;
        }
        IpNet::V6(net) if prefix_len == 64 => {
            let mut map = HashMap::<_, [u8; 8], u32>::try_from(map(ebpf, "PREFIXES_V6")?)?;
            let [a, b, c, d, e, f, g, h, ..] = net.addr().octets();
            map.insert([a, b, c, d, e, f, g, h], slot, 0)?;
        }
        IpNet::V4(net) => {
            let mut map = LpmTrie::<_, [u8; 4], u32>::try_from(map(ebpf, "NETWORKS_V4")?)?;
            map.insert(&Key::new(prefix_len, net.network().octets()), slot, 0)?;
        }
        IpNet::V6(net) => {
            let mut map = LpmTrie::<_, [u8; 16], u32>::try_from(map(ebpf, "NETWORKS_V6")?)?;
            map.insert(&Key::new(prefix_len, net.network().octets()), slot, 0)?;
        }
    }
    Ok(())
}

fn map<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Map> {
    ebpf.map_mut(name)
        .with_context(|| format!("the object has a map {name}"))
}
