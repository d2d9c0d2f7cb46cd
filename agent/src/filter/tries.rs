//! The banned networks in the kernel's tries.

use std::{io, os::fd::AsFd as _};

use aya::{
    Ebpf, Pod,
    maps::{
        IterableMap as _, MapData, MapError,
        lpm_trie::{Key, LpmTrie},
    },
};
use mailwall_common::{BanSlot, NetworkV4, NetworkV6, map_name};

use super::{
    batch,
    error::FilterError,
    maps::{done_if_absent, failed, take},
    place::Network,
};

/// The tries of both families.
pub struct Tries {
    v4: Trie<NetworkV4, [u8; 4]>,
    v6: Trie<NetworkV6, [u8; 16]>,
}

impl Tries {
    /// Takes them out of a loaded object.
    ///
    /// # Errors
    /// When one is missing or of another type.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, FilterError> {
        Ok(Self {
            v4: Trie {
                map: take(ebpf, map_name::NETWORKS_V4)?,
                name: map_name::NETWORKS_V4,
                key: |network| Key::new(network.prefix_len(), network.octets()),
                network: |key| NetworkV4::new(key.prefix_len(), key.data()),
            },
            v6: Trie {
                map: take(ebpf, map_name::NETWORKS_V6)?,
                name: map_name::NETWORKS_V6,
                key: |network| Key::new(network.prefix_len(), network.octets()),
                network: |key| NetworkV6::new(key.prefix_len(), key.data()),
            },
        })
    }

    /// Makes entries, in this order within a family.
    ///
    /// # Errors
    /// When the kernel refuses; then some of them may be made.
    pub fn enter(&mut self, entries: &[(Network, BanSlot)]) -> Result<(), FilterError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, slot) in entries {
            match network {
                Network::V4(network) => v4.push((*network, *slot)),
                Network::V6(network) => v6.push((*network, *slot)),
            }
        }
        self.v4.enter(&v4)?;
        self.v6.enter(&v6)
    }

    /// Deletes entries, in this order within a family. What is not there is deleted.
    ///
    /// # Errors
    /// When the kernel refuses; then some of them may be deleted.
    pub fn leave(&mut self, networks: &[Network]) -> Result<(), FilterError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                Network::V4(network) => v4.push(*network),
                Network::V6(network) => v6.push(*network),
            }
        }
        self.v4.leave(&v4)?;
        self.v6.leave(&v6)
    }

    /// All entries.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn entries(&self) -> Result<Vec<(Network, BanSlot)>, FilterError> {
        let v4 = self.v4.entries()?.into_iter();
        let v6 = self.v6.entries()?.into_iter();
        Ok(v4
            .map(|(network, slot)| (Network::V4(network), slot))
            .chain(v6.map(|(network, slot)| (Network::V6(network), slot)))
            .collect())
    }
}

/// The trie of one family. `N` is a key as both halves know it, of `D` bytes and a length.
struct Trie<N, D: Pod> {
    map: LpmTrie<MapData, D, BanSlot>,
    name: &'static str,
    key: fn(N) -> Key<D>,
    network: fn(&Key<D>) -> N,
}

impl<N: Pod, D: Pod> Trie<N, D> {
    fn enter(&mut self, entries: &[(N, BanSlot)]) -> Result<(), FilterError> {
        let (keys, slots): (Vec<N>, Vec<BanSlot>) = entries.iter().copied().unzip();
        let entered = self.in_one_call(entries.len(), |map| batch::update(map, &keys, &slots));
        if let Some(entered) = entered {
            return entered.map_err(|error| failed("add to", self.name)(MapError::IoError(error)));
        }
        for (network, slot) in entries {
            let entered = self.map.insert(&(self.key)(*network), slot, 0);
            entered.map_err(failed("add to", self.name))?;
        }
        Ok(())
    }

    fn leave(&mut self, networks: &[N]) -> Result<(), FilterError> {
        let left = self.in_one_call(networks.len(), |map| batch::delete(map, networks));
        if let Some(Ok(())) = left {
            return Ok(());
        }
        // Also when one was not there: the call stops at it.
        for network in networks {
            let left = self.map.remove(&(self.key)(*network));
            done_if_absent(left).map_err(failed("remove from", self.name))?;
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<(N, BanSlot)>, FilterError> {
        let read = self.in_one_call(usize::MAX, |map| batch::read::<N, BanSlot>(map));
        if let Some(read) = read {
            return read.map_err(|error| failed("read", self.name)(MapError::IoError(error)));
        }
        self.map
            .iter()
            .map(|entry| {
                let (key, slot) = entry.map_err(failed("read", self.name))?;
                Ok(((self.network)(&key), slot))
            })
            .collect()
    }

    /// `None` when it is better, or only possible, to go one by one.
    fn in_one_call<R>(
        &self,
        entries: usize,
        call: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        if entries < 2 {
            return None;
        }
        match call(self.map.map().fd().as_fd()) {
            Err(error) if batch::is_missing(&error) => None,
            done => Some(done),
        }
    }
}
