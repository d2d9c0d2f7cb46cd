//! The kernel's maps, each with its key and value.

use std::io;

use aya::{
    Ebpf,
    maps::{
        Array, Map, MapData, MapError, PerCpuArray, PerCpuValues,
        lpm_trie::{Key, LpmTrie},
    },
    sys::SyscallError,
};
use ipnet::IpNet;
use mailwall_common::{Family, NetworkV4, NetworkV6, PORT_WORDS, Verdict, map_name};

use super::{
    error::FilterError,
    place::Network,
    shared::{Shared, SharedArray},
};

/// The maps that do not hold bans, but for the settings.
pub struct Maps {
    allowed_v4: LpmTrie<MapData, [u8; 4], u32>,
    allowed_v6: LpmTrie<MapData, [u8; 16], u32>,
    ports: Array<MapData, u64>,
    totals: PerCpuArray<MapData, u64>,
}

impl Maps {
    /// Takes them out of a loaded object.
    ///
    /// # Errors
    /// When one is missing or of another type.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, FilterError> {
        Ok(Self {
            allowed_v4: take(ebpf, map_name::ALLOWED_V4)?,
            allowed_v6: take(ebpf, map_name::ALLOWED_V6)?,
            ports: take(ebpf, map_name::PORTS)?,
            totals: take(ebpf, map_name::TOTALS)?,
        })
    }

    /// Allowlists a net.
    pub fn allow(&mut self, net: IpNet) -> Result<(), FilterError> {
        match net {
            IpNet::V4(net) => {
                let entered = self.allowed_v4.insert(&key_v4(net.into()), 0, 0);
                entered.map_err(failed("add to", map_name::ALLOWED_V4))
            }
            IpNet::V6(net) => {
                let entered = self.allowed_v6.insert(&key_v6(net.into()), 0, 0);
                entered.map_err(failed("add to", map_name::ALLOWED_V6))
            }
        }
    }

    /// Takes a net off the allowlist.
    pub fn disallow(&mut self, net: IpNet) -> Result<(), FilterError> {
        let (left, map) = match net {
            IpNet::V4(net) => (
                self.allowed_v4.remove(&key_v4(net.into())),
                map_name::ALLOWED_V4,
            ),
            IpNet::V6(net) => (
                self.allowed_v6.remove(&key_v6(net.into())),
                map_name::ALLOWED_V6,
            ),
        };
        done_if_absent(left).map_err(failed("remove from", map))
    }

    /// The allowlisted nets.
    pub fn allowed(&self) -> Result<Vec<IpNet>, FilterError> {
        let mut nets = Vec::new();
        for key in self.allowed_v4.keys() {
            let key = key.map_err(failed("read", map_name::ALLOWED_V4))?;
            nets.push(Network::V4(network_v4(&key)).net());
        }
        for key in self.allowed_v6.keys() {
            let key = key.map_err(failed("read", map_name::ALLOWED_V6))?;
            nets.push(Network::V6(network_v6(&key)).net());
        }
        Ok(nets)
    }

    /// The guarded ports as a bit set.
    pub fn port_words(&self) -> Result<Vec<u64>, FilterError> {
        (0..PORT_WORDS)
            .map(|index| {
                self.ports
                    .get(&index, 0)
                    .map_err(failed("read", map_name::PORTS))
            })
            .collect()
    }

    /// Writes one word of the bit set.
    pub fn set_port_word(&mut self, index: u32, word: u64) -> Result<(), FilterError> {
        self.ports
            .set(index, word, 0)
            .map_err(failed("write", map_name::PORTS))
    }

    /// Packets of this verdict and family, on all CPUs.
    pub fn total(&self, verdict: Verdict, family: Family) -> Result<u64, FilterError> {
        let index = verdict.total_index(family);
        let per_cpu = self
            .totals
            .get(&index, 0)
            .map_err(failed("read", map_name::TOTALS))?;
        Ok(per_cpu.iter().sum())
    }

    /// Makes the packets of this verdict and family so many, where they are fewer. No program may count meanwhile.
    pub fn raise_total(
        &mut self,
        verdict: Verdict,
        family: Family,
        least: u64,
    ) -> Result<(), FilterError> {
        let missing = least.saturating_sub(self.total(verdict, family)?);
        if missing == 0 {
            return Ok(());
        }
        let index = verdict.total_index(family);
        let held = self
            .totals
            .get(&index, 0)
            .map_err(failed("read", map_name::TOTALS))?;
        let mut per_cpu = held.to_vec();
        if let Some(first) = per_cpu.first_mut() {
            *first += missing;
        }
        let per_cpu = PerCpuValues::try_from(per_cpu)?;
        self.totals
            .set(index, per_cpu, 0)
            .map_err(failed("write", map_name::TOTALS))
    }
}

/// Takes the map of an array that both halves work on out of a loaded object.
pub fn take_shared<T: Shared>(
    ebpf: &mut Ebpf,
    name: &'static str,
    len: u32,
) -> Result<SharedArray<T>, FilterError> {
    match ebpf.take_map(name) {
        Some(Map::Array(map)) => Ok(SharedArray::new(map, len)),
        _ => Err(FilterError::Incomplete(name)),
    }
}

/// Takes a map out of a loaded object.
pub fn take<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, FilterError> {
    let map = ebpf.take_map(name).ok_or(FilterError::Incomplete(name))?;
    M::try_from(map).map_err(failed("use", name))
}

/// What a map error is to the filter.
pub fn failed(action: &'static str, map: &'static str) -> impl Fn(MapError) -> FilterError {
    move |source| FilterError::Map {
        action,
        map,
        source,
    }
}

/// An entry that somebody else deleted is deleted.
pub fn done_if_absent(removed: Result<(), MapError>) -> Result<(), MapError> {
    match removed {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(SyscallError { io_error, .. }))
            if io_error.kind() == io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        other => other,
    }
}

fn key_v4(network: NetworkV4) -> Key<[u8; 4]> {
    Key::new(network.prefix_len(), network.octets())
}

fn key_v6(network: NetworkV6) -> Key<[u8; 16]> {
    Key::new(network.prefix_len(), network.octets())
}

fn network_v4(key: &Key<[u8; 4]>) -> NetworkV4 {
    NetworkV4::new(key.prefix_len(), key.data())
}

fn network_v6(key: &Key<[u8; 16]>) -> NetworkV6 {
    NetworkV6::new(key.prefix_len(), key.data())
}
