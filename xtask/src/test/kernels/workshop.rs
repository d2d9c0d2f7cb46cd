//! The folder `target/kernels`, used by one run at a time: what was finished stays, drafts of earlier runs are removed.

use std::{
    fs::{self, File, TryLockError},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};

use crate::repository;

/// The folder, held until this is dropped.
pub struct Workshop {
    folder: PathBuf,
    drafts: AtomicU32,
    /// Locked.
    _lock: File,
}

impl Workshop {
    /// Waits until no other run uses the folder, and removes what that one did not finish.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn enter() -> Result<Self> {
        let folder = repository::target().join("kernels");
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let place = folder.join("lock");
        let lock = File::create(&place).with_context(|| format!("make {}", place.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                println!(
                    "waiting for another run to be done with {}",
                    folder.display()
                );
                lock.lock()?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", place.display()));
            }
        }
        let workshop = Self {
            folder,
            drafts: AtomicU32::new(0),
            _lock: lock,
        };
        workshop.sweep()?;
        fs::create_dir(workshop.drafts())?;
        Ok(workshop)
    }

    /// Where something finished is kept.
    pub fn product(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A new folder for something unfinished.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn draft(&self) -> Result<PathBuf> {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = self.drafts().join(number.to_string());
        fs::create_dir(&draft).with_context(|| format!("make {}", draft.display()))?;
        Ok(draft)
    }

    fn drafts(&self) -> PathBuf {
        self.folder.join("drafts")
    }

    fn sweep(&self) -> Result<()> {
        let drafts = self.drafts();
        if drafts.exists() {
            fs::remove_dir_all(&drafts).with_context(|| format!("remove {}", drafts.display()))?;
        }
        Ok(())
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What stays for want of permission or space, the next run removes, or tells of.
        let _gone = self.sweep();
    }
}
