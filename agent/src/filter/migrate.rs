//! The bans, drops and totals that an earlier version of the agent left in maps of another shape. They come into the maps of
//! this version before its program takes the place of the old one, so that a host whose database is lost keeps its bans,
//! and drops go on being counted. Ports, mode and allowlist come from the configuration.
//!
//! Nothing is changed in the old maps: the old program guards with them until its link is taken over. An agent that is killed
//! before that does the same again at its next start. What the old program counts in between is not counted.
//!
//! Maps of a later version are not read. Who goes back to this one has the bans in the database.

use std::path::Path;

use aya::maps::{Map, MapData};
use ipnet::IpNet;
use mailwall_common::{Family, KernelInstant, Verdict};
use tracing::{info, warn};

use super::{Filter, error::FilterError, maps::failed};

mod abi_1;

/// A layout of the maps before this one.
struct Earlier {
    abi: u32,
    read: fn(&Path) -> Result<Legacy, FilterError>,
}

/// The latest first: where two left a ban of the same net, its end is that of the first.
const EARLIER: [Earlier; 1] = [Earlier {
    abi: 1,
    read: abi_1::read,
}];

/// What an earlier version left.
#[derive(Debug, Default)]
struct Legacy {
    bans: Vec<LegacyBan>,
    totals: Vec<(Verdict, Family, u64)>,
}

/// A ban of an earlier version.
#[derive(Clone, Copy, Debug)]
struct LegacyBan {
    net: IpNet,
    ends: KernelInstant,
    drops: u64,
}

/// Bans that are added by one update: what does not fit is told when others are in.
const AT_ONCE: usize = 1 << 16;

impl Filter {
    /// Takes over what earlier versions left. Bans that are in the maps keep their ends. What goes wrong is only logged: the
    /// bans are in the database too.
    pub(super) fn migrate(&mut self) {
        for Earlier { abi, read } in EARLIER {
            let dir = self.pins.of_abi(abi);
            if !dir.is_dir() {
                continue;
            }
            match read(&dir).and_then(|left| self.take_in(&left)) {
                Ok(bans) => info!(
                    abi,
                    bans, "took over what an earlier version has in the kernel"
                ),
                Err(error) => warn!(
                    abi,
                    "cannot take over all that an earlier version has in the kernel: {:#}",
                    anyhow::Error::from(error)
                ),
            }
        }
    }

    /// Tells how many bans were left.
    fn take_in(&mut self, left: &Legacy) -> Result<usize, FilterError> {
        let nets: Vec<IpNet> = left.bans.iter().map(|ban| ban.net).collect();
        let held = self.bans.drops_of_each(&nets)?;
        let missing: Vec<(IpNet, KernelInstant)> = left
            .bans
            .iter()
            .zip(held)
            .filter(|(_, held)| held.is_none())
            .map(|(ban, _)| (ban.net, ban.ends))
            .collect();
        let added = missing.chunks(AT_ONCE).try_for_each(|bans| self.ban(bans));
        // At least as many, and not so many more: the same drops are there after an interrupted start.
        let drops: Vec<(IpNet, u64)> = left.bans.iter().map(|ban| (ban.net, ban.drops)).collect();
        self.bans.raise_drops(&drops)?;
        for (verdict, family, packets) in &left.totals {
            self.maps.raise_total(*verdict, *family, *packets)?;
        }
        added.map(|()| nets.len())
    }
}

/// The map that is pinned as `name` in `dir`.
fn pinned(dir: &Path, name: &'static str) -> Result<Map, FilterError> {
    MapData::from_pin(dir.join(name))
        .and_then(Map::from_map_data)
        .map_err(failed("open", name))
}
