//! Maps full of bans: the agent's, filled by the agent's own library, and those of the designs beside it.

use anyhow::{Context as _, Result};
use aya::{
    Pod,
    maps::{Array, HashMap, LpmTrie, Map, lpm_trie::Key},
};
use mailwall::filter::Filter;
use mailwall_tests::Testbed;

use super::{
    bans::Bans,
    loader::{Programs, Sources, agent_dir},
};

/// Ports that are guarded.
pub const GUARDED: [u16; 3] = [25, 465, 587];

/// Words of the bitmap with one bit for each IPv4 /24.
const PRESENCE_WORDS: usize = (1 << 24) / 64;

/// A test bed whose maps hold the bans.
pub struct Scene {
    /// Where the maps are pinned.
    pub bed: Testbed,
    /// The agent's end of them.
    pub filter: Filter,
    /// What they hold.
    pub bans: Bans,
}

impl Scene {
    /// Fills the agent's maps.
    ///
    /// # Errors
    /// When they do not take the bans.
    pub fn new(bans: Bans) -> Result<Self> {
        let bed = Testbed::new()?;
        let mut filter = Filter::open(&agent_dir(&bed.bpffs()))?;
        filter.configure(&GUARDED, false)?;
        filter
            .replace_all(&bans.all(), &bans.allowlist())
            .context("fill the agent's maps")?;
        Ok(Self { bed, filter, bans })
    }

    /// The benchmark's programs over these maps.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub fn programs(&self, sources: Sources) -> Result<Programs> {
        Programs::load(&self.bed.bpffs(), sources)
    }

    /// Fills the maps of the designs beside the agent's. They are pinned.
    ///
    /// # Errors
    /// When they do not take the bans.
    pub fn fill_designs(&self) -> Result<()> {
        let mut programs = self.programs(Sources::Fixed)?;
        let mut slots = 0..;
        let mut presence = vec![0_u64; PRESENCE_WORDS];
        for (address, slot) in self.bans.addresses().zip(&mut slots) {
            let key = u32::from_ne_bytes(address.octets());
            insert(programs.map("HASH_V4")?, key, slot)?;
            insert(programs.map("ROOMY_V4")?, key, slot)?;
            set_bit(&mut presence, address.to_bits() >> 8);
        }
        for (net, slot) in self.bans.networks().zip(&mut slots) {
            let key = Key::new(u32::from(net.prefix_len()), net.network().octets());
            let mut trie = LpmTrie::<_, [u8; 4], u32>::try_from(programs.map("TRIE_V4")?)?;
            trie.insert(&key, slot, 0).context("fill TRIE_V4")?;
            let (first, last) = (net.network().to_bits() >> 8, net.broadcast().to_bits() >> 8);
            (first..=last).for_each(|bit| set_bit(&mut presence, bit));
        }
        for (net, slot) in self.bans.prefixes().zip(&mut slots) {
            let [high, _] = halves(net.network().octets());
            insert(programs.map("HASH_V6")?, high, slot)?;
        }
        for (net, slot) in self.bans.networks_v6().zip(&mut slots) {
            let key = Key::new(u32::from(net.prefix_len()), net.network().octets());
            let mut trie = LpmTrie::<_, [u8; 16], u32>::try_from(programs.map("TRIE_V6")?)?;
            trie.insert(&key, slot, 0).context("fill TRIE_V6")?;
        }
        let mut bitmap = Array::<_, u64>::try_from(programs.map("BITMAP_V4")?)?;
        for (index, word) in (0..).zip(presence) {
            bitmap.set(index, word, 0).context("fill BITMAP_V4")?;
        }
        // An end that never comes, and no drops.
        let record = [u64::MAX, 0];
        let mut records = Array::<_, [u64; 2]>::try_from(programs.map("RECORDS_OF_BANS")?)?;
        for index in 0..slots.start {
            records
                .set(index, record, 0)
                .context("fill RECORDS_OF_BANS")?;
        }
        Ok(())
    }
}

fn insert<K: Pod>(map: &mut Map, key: K, slot: u32) -> Result<()> {
    let mut map = HashMap::<_, K, u32>::try_from(map)?;
    map.insert(key, slot, 0).context("fill a hash")
}

fn set_bit(words: &mut [u64], bit: u32) {
    words[bit as usize / 64] |= 1 << (bit % 64);
}

fn halves(octets: [u8; 16]) -> [u64; 2] {
    let number = u128::from_be_bytes(octets);
    [(number >> 64) as u64, number as u64].map(u64::to_be)
}
