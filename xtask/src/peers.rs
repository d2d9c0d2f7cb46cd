//! Other tools to measure beside: Debian's packages, unpacked under `target/peers`. They are not installed, so that no service of
//! theirs ever starts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{apt, command, repository};

/// A tool, and the packages that hold it.
#[derive(Clone, Copy)]
pub struct Tool {
    /// Name of its folder.
    name: &'static str,
    packages: &'static [&'static str],
}

/// fail2ban, and what tells it of new lines.
pub const FAIL2BAN: Tool = Tool {
    name: "fail2ban",
    packages: &["fail2ban", "python3-pyinotify"],
};
/// sshguard.
pub const SSHGUARD: Tool = Tool {
    name: "sshguard",
    packages: &["sshguard"],
};
/// CrowdSec, and the part of its hub that Debian ships.
pub const CROWDSEC: Tool = Tool {
    name: "crowdsec",
    packages: &["crowdsec"],
};

impl Tool {
    /// The folder that stands for `/` to it; made when it is not there.
    ///
    /// # Errors
    /// When it cannot be had from Debian's archive.
    pub fn root(self) -> Result<PathBuf> {
        let peers = repository::target().join("peers");
        let root = peers.join(self.name);
        if root.is_dir() {
            return Ok(root);
        }
        eprintln!(
            "unpacking {} under {}: to measure beside",
            self.packages.join(", "),
            peers.display()
        );
        fs::create_dir_all(&peers)?;
        let folder = tempfile::tempdir_in(&peers)?;
        apt::download(self.packages, folder.path())?;
        let half = folder.path().join("root");
        for package in archives(folder.path())? {
            command::run_quietly(Command::new("dpkg").arg("-x").arg(package).arg(&half))?;
        }
        fs::rename(&half, &root).with_context(|| format!("make {}", root.display()))?;
        Ok(root)
    }
}

/// A command of fail2ban in `root`: its programs are scripts of Python.
///
/// # Errors
/// When there is no Python to run them.
pub fn fail2ban(root: &Path, program: &str) -> Result<Command> {
    // Debian's own: the modules are made for it.
    let python = Path::new("/usr/bin/python3");
    ensure!(python.is_file(), "{} is missing", python.display());
    let mut command = Command::new(python);
    command
        .env("PYTHONPATH", root.join("usr/lib/python3/dist-packages"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(root.join("usr/bin").join(program));
    Ok(command)
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "deb") {
            found.push(path);
        }
    }
    ensure!(
        !found.is_empty(),
        "apt-get downloaded nothing to {}",
        folder.display()
    );
    Ok(found)
}
