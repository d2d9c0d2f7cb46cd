//! xdp-filter of xdp-tools: the nearest relative. It is loaded, and taught its first ban, by its own command line; the other
//! bans are written into its pinned map in the same form, because the command line takes one at a time.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use aya::{
    Pod,
    maps::{Map, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues},
};
use mailwall_tests::Testbed;

use super::{
    contender::{Contender, Drops},
    road::{MAIL, Road, tool},
};
use crate::bench::datapath::bans::Bans;

/// The most bans of one kind that it holds.
pub const BANS_MAX: u32 = 10_000;

/// The actions are counted by their numbers in `enum xdp_action`.
const XDP_DROP: u32 = 1;

/// Sets it up with the features that IPv4 sources take and no others, so that it runs its shortest program.
///
/// # Errors
/// When it does not work here; the error says why.
pub fn set_up(bans: Bans) -> Result<Contender> {
    let road = Road::new(Testbed::new()?)?;
    let mut addresses = bans.addresses();
    let first = addresses.next().context("at least one ban")?;
    // It pins under /sys/fs/bpf, and nowhere else: there, the test bed's own file system is put in a namespace of mounts.
    let bpffs = road.bed.bpffs();
    let script = format!(
        "mount --bind {} /sys/fs/bpf && xdp-filter load -m native -p allow -f ipv4 {MAIL} && \
         xdp-filter ip -m src {first}",
        bpffs.display()
    );
    tool(
        road.bed.server(),
        &["unshare", "--mount", "sh", "-c", &script],
    )?;
    let pins = bpffs.join("xdp-filter");
    let map = Map::PerCpuHashMap(open(&pins, "filter_ipv4")?);
    let mut map = PerCpuHashMap::<_, [u8; 4], u64>::try_from(map)?;
    let taught = map
        .get(&first.octets(), 0)
        .context("find the ban that xdp-filter was taught")?;
    for address in addresses {
        let values = PerCpuValues::try_from(taught.to_vec())?;
        map.insert(address.octets(), values, 0)
            .context("fill the map of xdp-filter")?;
    }
    let known = map.keys().count();
    ensure!(
        known == bans.addresses().count(),
        "xdp-filter has {known} bans"
    );
    let stats = Map::PerCpuArray(open(&pins, "xdp_stats_map")?);
    Ok(Contender {
        name: "xdp-filter",
        road,
        filter: Box::new(XdpFilter(PerCpuArray::try_from(stats)?)),
    })
}

/// Its counters; the program is attached for as long as the interface is there.
struct XdpFilter(PerCpuArray<MapData, Counter>);

/// What it counts of an action.
#[derive(Clone, Copy)]
#[repr(C)]
struct Counter {
    packets: u64,
    bytes: u64,
}

// SAFETY: `repr(C)` of two `u64`: no padding, every bit pattern is a value.
unsafe impl Pod for Counter {}

impl Drops for XdpFilter {
    fn dropped(&self, _road: &Road) -> Result<u64> {
        let counters = self
            .0
            .get(&XDP_DROP, 0)
            .context("read the counters of xdp-filter")?;
        Ok(counters.iter().map(|counter| counter.packets).sum())
    }
}

fn open(pins: &Path, name: &str) -> Result<MapData> {
    MapData::from_pin(pins.join(name)).with_context(|| format!("open the map {name} of xdp-filter"))
}
