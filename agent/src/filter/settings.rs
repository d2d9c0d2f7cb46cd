//! The one entry of the `SETTINGS` map, and what was last written into it.

use std::hash::{BuildHasher as _, RandomState};

use aya::{
    Ebpf,
    maps::{Array, MapData},
};
use mailwall_common::{BucketsInUse, Settings, map_name};

use super::{
    error::FilterError,
    maps::{failed, take},
};

/// The settings in the kernel.
pub struct SettingsEntry {
    map: Array<MapData, Settings>,
    held: Settings,
}

impl SettingsEntry {
    /// Takes it out of a loaded object. New maps get a seed.
    ///
    /// # Errors
    /// When it is missing, or the kernel refuses.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, FilterError> {
        let map: Array<MapData, Settings> = take(ebpf, map_name::SETTINGS)?;
        let held = map.get(&0, 0).map_err(failed("read", map_name::SETTINGS))?;
        let mut entry = Self { map, held };
        if held.seed == 0 {
            // Random keys of the standard library come from the operating system.
            let seed = RandomState::new().hash_one("seed").max(1);
            entry.change(|settings| {
                settings.seed = seed;
                settings.buckets_v4 = BucketsInUse::FEWEST;
                settings.buckets_v6 = BucketsInUse::FEWEST;
            })?;
        }
        Ok(entry)
    }

    /// What is in force.
    pub fn get(&self) -> Settings {
        self.held
    }

    /// Writes what is changed.
    ///
    /// # Errors
    /// When the kernel refuses; then they are as before.
    pub fn change(&mut self, change: impl FnOnce(&mut Settings)) -> Result<(), FilterError> {
        let mut settings = self.held;
        change(&mut settings);
        if settings == self.held {
            return Ok(());
        }
        let written = self.map.set(0, settings, 0);
        written.map_err(failed("write", map_name::SETTINGS))?;
        self.held = settings;
        Ok(())
    }
}
