//! The maps of ABI 1: hashes of single addresses and tries of networks, each to the index of a record with end and drops.

use std::{io, os::fd::AsFd as _, path::Path, sync::atomic::Ordering};

use aya::{
    Pod,
    maps::{
        Array, HashMap, IterableMap as _, LpmTrie, Map, MapData, MapError, PerCpuArray,
        lpm_trie::Key,
    },
};
use mailwall_common::{
    AddressV4, BanRecord, Family, KernelInstant, NetworkV4, NetworkV6, PrefixV6, Verdict,
};

use super::{
    super::{
        batch,
        error::FilterError,
        maps::failed,
        place::{Network, Place},
        shared::{SharedArray, SharedRecord},
    },
    Legacy, LegacyBan, pinned,
};

/// HASH, address to record.
const ADDRESSES_V4: &str = "ADDRESSES_V4";
/// HASH, the first half of the address to record.
const PREFIXES_V6: &str = "PREFIXES_V6";
/// LPM trie, network to record.
const NETWORKS_V4: &str = "NETWORKS_V4";
/// LPM trie, network to record.
const NETWORKS_V6: &str = "NETWORKS_V6";
/// ARRAY (mmapable) of records: end in nanoseconds, drops.
const BAN_RECORDS: &str = "BAN_RECORDS";
/// PERCPU_ARRAY of packets, by verdict and family.
const TOTALS: &str = "TOTALS";

/// The verdicts as they were numbered.
const VERDICTS: [Verdict; 17] = [
    Verdict::NotIp,
    Verdict::NotTcp,
    Verdict::DeepVlan,
    Verdict::Malformed,
    Verdict::LaterFragment,
    Verdict::TinyFragment,
    Verdict::UnguardedPort,
    Verdict::NotSyn,
    Verdict::Clean,
    Verdict::Allowed,
    Verdict::Expired,
    Verdict::BannedAddress,
    Verdict::BannedNetwork,
    Verdict::BannedFragment,
    Verdict::ObservedAddress,
    Verdict::ObservedNetwork,
    Verdict::ObservedFragment,
];
/// The families as they were numbered.
const FAMILIES: [Family; 3] = [Family::Other, Family::V4, Family::V6];

/// Reads what is pinned in `dir`.
pub fn read(dir: &Path) -> Result<Legacy, FilterError> {
    let records = Records::open(dir)?;
    let mut places = Vec::new();
    for (octets, slot) in hash::<[u8; 4]>(dir, ADDRESSES_V4)? {
        places.push((Place::AddressV4(AddressV4::from_octets(octets)), slot));
    }
    for (octets, slot) in hash::<[u8; 8]>(dir, PREFIXES_V6)? {
        places.push((Place::PrefixV6(PrefixV6::from_octets(octets)), slot));
    }
    for (key, slot) in trie::<[u8; 4]>(dir, NETWORKS_V4)? {
        let network = NetworkV4::new(key.prefix_len(), key.data());
        places.push((Place::Network(Network::V4(network)), slot));
    }
    for (key, slot) in trie::<[u8; 16]>(dir, NETWORKS_V6)? {
        let network = NetworkV6::new(key.prefix_len(), key.data());
        places.push((Place::Network(Network::V6(network)), slot));
    }
    let bans = places
        .into_iter()
        .filter_map(|(place, slot)| records.ban(place, slot).transpose())
        .collect::<Result<_, _>>()?;
    Ok(Legacy {
        bans,
        totals: totals(dir)?,
    })
}

/// What the entries lead to.
struct Records(SharedArray<SharedRecord>);

impl Records {
    fn open(dir: &Path) -> Result<Self, FilterError> {
        let wrong = || failed("use", BAN_RECORDS);
        let map = pinned(dir, BAN_RECORDS)?;
        // Checks what the map is.
        Array::<_, BanRecord>::try_from(&map).map_err(wrong())?;
        let Map::Array(map) = map else {
            return Err(FilterError::Incomplete(BAN_RECORDS));
        };
        let len = map.info().map_err(wrong())?.max_entries();
        let mut records = SharedArray::new(map, len);
        records.hold()?;
        Ok(Self(records))
    }

    /// `None` when there is no such record: then the kernel knew of no ban either.
    fn ban(&self, place: Place, slot: u32) -> Result<Option<LegacyBan>, FilterError> {
        let read = self.0.with(slot, 1, |records| LegacyBan {
            net: place.net(),
            ends: KernelInstant::from_ns(records[0].ends_ns.load(Ordering::Acquire)),
            drops: records[0].drops.load(Ordering::Relaxed),
        });
        match read {
            Ok(ban) => Ok(Some(ban)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn hash<K: Pod>(dir: &Path, name: &'static str) -> Result<Vec<(K, u32)>, FilterError> {
    let map =
        HashMap::<MapData, K, u32>::try_from(pinned(dir, name)?).map_err(failed("use", name))?;
    in_batches(map.map())
        .unwrap_or_else(|| map.iter().collect())
        .map_err(failed("read", name))
}

fn trie<D: Pod>(dir: &Path, name: &'static str) -> Result<Vec<(Key<D>, u32)>, FilterError> {
    let map =
        LpmTrie::<MapData, D, u32>::try_from(pinned(dir, name)?).map_err(failed("use", name))?;
    in_batches(map.map())
        .unwrap_or_else(|| map.iter().collect())
        .map_err(failed("read", name))
}

/// `None` when the kernel gives this map's entries one by one only.
fn in_batches<K: Pod>(map: &MapData) -> Option<Result<Vec<(K, u32)>, MapError>> {
    match batch::read(map.fd().as_fd()) {
        Err(error) if batch::is_missing(&error) => None,
        read => Some(read.map_err(MapError::IoError)),
    }
}

fn totals(dir: &Path) -> Result<Vec<(Verdict, Family, u64)>, FilterError> {
    let map = PerCpuArray::<MapData, u64>::try_from(pinned(dir, TOTALS)?)
        .map_err(failed("use", TOTALS))?;
    let each = VERDICTS
        .into_iter()
        .flat_map(|verdict| FAMILIES.map(|family| (verdict, family)));
    (0..)
        .zip(each)
        .map(|(index, (verdict, family))| {
            let per_cpu = map.get(&index, 0).map_err(failed("read", TOTALS))?;
            Ok((verdict, family, per_cpu.iter().sum()))
        })
        .collect()
}
