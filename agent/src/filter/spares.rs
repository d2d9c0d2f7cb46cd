//! What is pinned, held open beside its pins: when a BPF file system is unmounted, or cleaned out, under a running agent, the
//! filter stays in force and can be pinned again. Without that the links would go with their pins, and the door would be open.

use std::{
    collections::HashMap,
    ffi::OsString,
    os::fd::{AsFd as _, OwnedFd},
};

use tracing::warn;

use super::{
    error::FilterError,
    link,
    pins::{self, NEEDS_ROOT, Pins},
};

/// Objects by the names of their pins.
#[derive(Debug, Default)]
pub struct Spares(HashMap<OsString, OwnedFd>);

impl Spares {
    /// Holds what is pinned now, and nothing else.
    pub fn renew(&mut self, pins: &Pins) {
        // The link of the tracepoint can only be taken off by its last holder, which is its pin; it is made anew.
        let paths = pins::entries(pins.dir()).into_iter();
        let paths = paths.filter(|path| *path != pins.tracepoint());
        let held = paths.filter_map(|path| {
            let opened = link::open(&path).inspect_err(|error| {
                warn!(pin = %path.display(), "cannot hold what is pinned: {error}");
            });
            Some((path.file_name()?.to_owned(), opened.ok()?))
        });
        self.0 = held.collect();
    }

    /// Pins again what is not pinned any more; whether there was something.
    ///
    /// # Errors
    /// When there is no place for pins, or none where another agent would find them, or the kernel refuses.
    pub fn restore(&self, pins: &Pins) -> Result<bool, FilterError> {
        pins.check_way()?;
        let is_missing = |name: &&OsString| !pins.dir().join(name).exists();
        let missing: Vec<&OsString> = self.0.keys().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(false);
        }
        pins.make()?;
        for name in missing {
            let Some(object) = self.0.get(name) else {
                continue;
            };
            let path = pins.dir().join(name);
            link::pin(object.as_fd(), &path).map_err(|source| FilterError::Pins {
                action: "pin again",
                path,
                advice: NEEDS_ROOT,
                source,
            })?;
        }
        Ok(true)
    }
}
