//! The package, installed, upgraded and purged in a fresh Debian root: a copy of the base that private roots are made from, in
//! namespaces of its own.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};
use mailwall_tests::search_path;

use crate::{apt, command::run_quietly, roots};

/// `$1` is the root, `$2` the package, `$3` one that is newer, `$4` the tarball. Each step ends with what must be true after it.
const SCRIPT: &str = include_str!("check.sh");
/// Release of Debian.
pub(super) const SUITE: &str = "bookworm";

/// Runs it.
pub fn run(package: &Path, newer: &Path, tarball: &Path) -> Result<()> {
    std::fs::create_dir_all(mailwall_tests::roots()?).context("make a folder for roots")?;
    apt::ensure(&apt::ROOTS)?;
    let root = roots::copy_of_base(SUITE)?;
    // What the package depends on, while there is a network.
    roots::install(root.path(), &["systemd-standalone-sysusers"])?;
    let said = run_quietly(
        Command::new("unshare")
            .args(["--mount", "--pid", "--net", "--fork", "--kill-child"])
            .args(["sh", "-c", SCRIPT, "check"])
            .arg(root.path())
            .arg(package)
            .arg(newer)
            .arg(tarball)
            .env("PATH", search_path())
            .env("LC_ALL", "C"),
    )
    .context("the package in a fresh root")?;
    print!("{said}");
    Ok(())
}
