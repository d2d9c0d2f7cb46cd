//! `[store]`: what the database may take.

use super::{document::Section, error::ConfigError};

const MIB: u64 = 1 << 20;
/// Least and most of `max_mb`: an empty database with its tally of a day fits in the least.
const MB: std::ops::RangeInclusive<u32> = 16..=1_048_576;
const DEFAULT_MB: u32 = 512;

/// `[store]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoreConfig {
    /// Most bytes of the database.
    pub max_bytes: u64,
}

impl StoreConfig {
    /// As the configuration has it.
    pub const fn max_mb(self) -> u64 {
        self.max_bytes / MIB
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            max_bytes: u64::from(DEFAULT_MB) * MIB,
        }
    }
}

pub(super) fn read(top: &Section<'_>) -> Result<StoreConfig, ConfigError> {
    let section = top.table("store", &["max_mb"])?;
    match section.and_then(|section| section.field("max_mb")) {
        Some(field) => Ok(StoreConfig {
            max_bytes: u64::from(field.number(MB)?) * MIB,
        }),
        None => Ok(StoreConfig::default()),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn the_bound_is_a_number_of_mebibytes() {
        let read = |text: &str| Config::parse(text, "test").map(|config| config.store.max_bytes);
        assert_eq!(read("").unwrap(), 512 << 20);
        assert_eq!(read("[store]\nmax_mb = 16\n").unwrap(), 16 << 20);
        let error = read("[store]\nmax_mb = 15\n").unwrap_err().to_string();
        assert!(error.contains("a number from 16 to 1048576"), "{error}");
    }
}
