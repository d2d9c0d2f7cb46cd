//! The private roots with real mail servers in them, under `target/roots`: made once, by debootstrap and apt, and never changed
//! after that. Those of one release of Debian are copies of one base, which stays for those that are missing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use mailwall_tests::{Software, Stopwatch, search_path};
use tempfile::TempDir;

use crate::{
    apt::{self, Archive},
    command::run_quietly,
};

/// `$1` is the root, the others are packages. Maintainers' scripts look at `/proc`, and must not start anything.
const INSTALL: &str = r#"
set -e
root=$1
shift
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
install() {
    chroot "$root" apt-get --quiet --yes --no-install-recommends -o Dpkg::Options::=--force-unsafe-io install "$@"
}
# The lists may name versions that are gone.
install "$@" || { chroot "$root" apt-get --quiet update; install "$@"; }
rm -rf "$root/var/cache/apt/archives" "$root/var/lib/apt/lists"
"#;

/// Makes the root of one server when it is not there, and says so.
///
/// # Errors
/// When it cannot be made; nothing of it is left then.
pub fn ensure_one(software: &'static Software) -> Result<PathBuf> {
    let made = ensure(&[software]).into_iter().next();
    made.map_or_else(|| bail!("nothing was made"), |(_, made)| made)
}

/// Makes the roots of servers that are not there, and says so: those of different releases side by side.
pub fn ensure(servers: &[&'static Software]) -> Vec<(&'static Software, Result<PathBuf>)> {
    let mut suites: Vec<&str> = servers.iter().map(|software| software.suite).collect();
    suites.sort_unstable();
    suites.dedup();
    let of_suite = |suite| -> Vec<&'static Software> {
        let servers = servers.iter().copied();
        servers.filter(|software| software.suite == suite).collect()
    };
    if let Err(error) = prepare(servers) {
        let failed = |software: &&'static Software| (*software, Err(anyhow!("{error:#}")));
        return servers.iter().map(failed).collect();
    }
    thread::scope(|scope| {
        let start = |suite| {
            let servers = of_suite(suite);
            scope.spawn(move || make(suite, &servers))
        };
        let threads: Vec<_> = suites.into_iter().map(start).collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_default());
        joined.flatten().collect()
    })
}

/// What is needed to make those that are not there.
fn prepare(servers: &[&Software]) -> Result<()> {
    let mut missing = Vec::new();
    for software in servers {
        if !software.is_whole(&root_of(software)?) {
            missing.push(software.title);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        nix::unistd::geteuid().is_root(),
        "a private root can only be made by root"
    );
    apt::ensure(&apt::ROOTS)?;
    println!(
        "making private roots with {} by debootstrap and apt: once, one to three minutes",
        missing.join(", ")
    );
    fs::create_dir_all(mailwall_tests::roots()?).context("make a folder for roots")
}

fn make(suite: &str, servers: &[&'static Software]) -> Vec<(&'static Software, Result<PathBuf>)> {
    let made = |software: &&'static Software| (*software, make_one(suite, software));
    servers.iter().map(made).collect()
}

fn make_one(suite: &str, software: &Software) -> Result<PathBuf> {
    let root = root_of(software)?;
    if software.is_whole(&root) {
        return Ok(root);
    }
    base(suite)?;
    let watch = Stopwatch::start();
    let draft = copy_of_base(suite)?;
    install(draft.path(), software.packages)?;
    ensure!(
        software.is_whole(draft.path()),
        "apt installed no {}",
        software.title
    );
    finish(draft, &root, |root| software.is_whole(root))?;
    println!(
        "made {} with {} in {} s",
        root.display(),
        software.title,
        watch.elapsed().as_secs()
    );
    Ok(root)
}

/// Installs packages of Debian in a root.
///
/// # Errors
/// When they cannot be had.
pub fn install(root: &Path, packages: &[&str]) -> Result<()> {
    let mut script = alone();
    script.args(["sh", "-c", INSTALL, "install"]).arg(root);
    run_quietly(script.args(packages)).map(drop)
}

fn root_of(software: &Software) -> Result<PathBuf> {
    mailwall_tests::server_root(software.name)
}

/// A Debian with nothing in it, for who changes it; gone when it is dropped.
///
/// # Errors
/// When it cannot be made.
pub fn copy_of_base(suite: &str) -> Result<TempDir> {
    let base = base(suite)?;
    let copy = draft()?;
    run_quietly(
        Command::new("cp")
            .arg("--archive")
            .arg(base.join("."))
            .arg(copy.path()),
    )?;
    Ok(copy)
}

/// A Debian with nothing in it, which stays as it is.
fn base(suite: &str) -> Result<PathBuf> {
    let root = mailwall_tests::server_root(&format!("base-{suite}"))?;
    let is_whole = |root: &Path| root.join("usr/bin/apt-get").is_file();
    if is_whole(&root) {
        return Ok(root);
    }
    let watch = Stopwatch::start();
    let draft = draft()?;
    bootstrap(draft.path(), suite)?;
    finish(draft, &root, is_whole)?;
    println!("made {} in {} s", root.display(), watch.elapsed().as_secs());
    Ok(root)
}

/// A folder that is made under another name, so that what has its name is whole.
fn draft() -> Result<TempDir> {
    let draft = tempfile::Builder::new()
        .prefix("draft-")
        .tempdir_in(mailwall_tests::roots()?)?;
    // Every user of the machine may look at it, as at any root.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(draft.path(), mode)?;
    Ok(draft)
}

fn finish(draft: TempDir, root: &Path, is_whole: impl Fn(&Path) -> bool) -> Result<()> {
    if root.exists() && !is_whole(root) {
        fs::remove_dir_all(root).context("remove what an older version made")?;
    }
    match fs::rename(draft.path(), root) {
        // Somebody else has made it meanwhile.
        Err(_) if is_whole(root) => {}
        renamed => {
            renamed.with_context(|| format!("rename the finished root to {}", root.display()))?;
            let _moved = draft.keep();
        }
    }
    Ok(())
}

fn bootstrap(root: &Path, suite: &str) -> Result<()> {
    let own = Archive::Main.host_mirror();
    // debootstrap has a mirror of its own when none is named.
    let choices = own.iter().map(Some).chain([None]);
    let mut failures = Vec::new();
    for mirror in choices {
        let mut debootstrap = alone();
        debootstrap
            .args(["debootstrap", "--variant=minbase", suite])
            .arg(root)
            .args(mirror);
        match run_quietly(&mut debootstrap) {
            Ok(_) => return Ok(()),
            Err(error) => failures.push(format!("{error:#}")),
        }
        clear(root)?;
    }
    bail!("{}", failures.join("\n"))
}

/// In namespaces of its own, so that no mount or process of it is left whatever happens.
fn alone() -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child"])
        .env("PATH", search_path())
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn clear(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
