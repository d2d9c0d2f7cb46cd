//! What the targets share: which dialect is meant, and what must hold of what is read.

mod seed;
mod stands;

use std::{
    env,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use jiff::tz::TimeZone;
use mailwall::dialect::{DIALECTS, Dialect, Reader};

pub use self::{seed::Seed, stands::stands_in};

/// The dialect that `MAILWALL_FUZZ_DIALECT` names; else the first byte chooses, so that a new dialect is met too.
pub fn dialect(data: &[u8]) -> Option<(&'static Dialect, &[u8])> {
    static NAMED: OnceLock<Option<&'static Dialect>> = OnceLock::new();
    let named = NAMED.get_or_init(|| {
        let name = env::var("MAILWALL_FUZZ_DIALECT").ok()?;
        let found = DIALECTS.iter().find(|dialect| dialect.name == name);
        Some(found.expect("MAILWALL_FUZZ_DIALECT names a dialect"))
    });
    if let Some(dialect) = named {
        return Some((dialect, data));
    }
    let (first, rest) = data.split_first()?;
    Some((DIALECTS[usize::from(*first) % DIALECTS.len()], rest))
}

/// A reader that takes every line for one dialect's.
pub fn reader_of(dialect: &'static Dialect) -> Reader {
    Reader::only(TimeZone::UTC, dialect)
}

/// A reader as the agent has it.
pub fn reader() -> Reader {
    Reader::new(TimeZone::UTC)
}

/// When everything is read.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
