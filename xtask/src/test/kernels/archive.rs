//! Debian's archives, read with package lists of their own, so that the machine's sources stay as they are. apt checks the
//! lists by Debian's signature and the packages by the lists; what cannot be checked is not used.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use mailwall_tests::search_path;

use crate::{apt::Archive, command::run_quietly};

/// What Debian signs its lists with. Where it is not there, apt takes the keys that the machine trusts.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The mirrors that may have a suite: the machine's own first.
pub fn mirrors(suite: &str) -> Vec<String> {
    let archive = if suite.ends_with("-security") {
        Archive::Security
    } else {
        Archive::Main
    };
    let public = archive.public_mirror().to_owned();
    match archive.host_mirror() {
        Some(own) if own != public => vec![own, public],
        _ => vec![public],
    }
}

/// The lists of one suite.
pub struct Lists(Vec<String>);

impl Lists {
    /// Fetches them into a folder, which is made.
    ///
    /// # Errors
    /// When the mirror cannot be reached, does not have the suite, or its signature is not right.
    pub fn fetch(folder: &Path, mirror: &str, suite: &str) -> Result<Self> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let signed_by = if Path::new(KEYRING).is_file() {
            format!(" signed-by={KEYRING}")
        } else {
            String::new()
        };
        let sources = folder.join("sources.list");
        fs::write(
            &sources,
            format!("deb [target=Packages{signed_by}] {mirror} {suite} main\n"),
        )?;
        let folder = folder.display();
        let sources = sources.display();
        let lists = Self(vec![
            format!("Dir::State={folder}/state"),
            "Dir::State::status=/dev/null".to_owned(),
            format!("Dir::Cache={folder}/cache"),
            format!("Dir::Etc::SourceList={sources}"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=2".to_owned(),
            "Acquire::http::Timeout=30".to_owned(),
            "Acquire::https::Timeout=30".to_owned(),
            // The folder need not be open to apt's own user.
            "APT::Sandbox::User=".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            "APT::Get::AllowUnauthenticated=false".to_owned(),
        ]);
        run_quietly(lists.command("apt-get").arg("update"))?;
        Ok(lists)
    }

    /// Names of the packages that a package needs.
    ///
    /// # Errors
    /// When there is no such package.
    pub fn needs(&self, package: &str) -> Result<Vec<String>> {
        let said = run_quietly(self.command("apt-cache").args([
            "depends",
            "--no-recommends",
            "--no-suggests",
            package,
        ]))?;
        Ok(said
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .map(str::to_owned)
            .collect())
    }

    /// Downloads packages into a folder, which is made, and gives their files.
    ///
    /// # Errors
    /// When one cannot be had whole.
    pub fn download(&self, packages: &[String], folder: &Path) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(folder)?;
        run_quietly(
            self.command("apt-get")
                .arg("download")
                .args(packages)
                .current_dir(folder),
        )?;
        let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", search_path()).env("LC_ALL", "C");
        for option in &self.0 {
            command.args(["-o", option]);
        }
        command
    }
}
