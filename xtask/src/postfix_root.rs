//! The private root with a real Postfix in it, under `target/`: made once, by debootstrap, and never changed after that.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use mailwall_tests::{Stopwatch, search_path};

use crate::{
    apt::{self, Archive},
    command::run_quietly,
};

/// Packages beside the base: the mail server, and what it checks passwords with.
const PACKAGES: &str = "postfix,libsasl2-modules,sasl2-bin";
/// Debian's release that Postfix is taken from.
const SUITE: &str = "bookworm";

/// Makes it when it is not there, and says so.
///
/// # Errors
/// When it cannot be made; nothing is left then.
pub fn ensure() -> Result<PathBuf> {
    let root = mailwall_tests::postfix_root()?;
    if is_whole(&root) {
        return Ok(root);
    }
    ensure!(
        nix::unistd::geteuid().is_root(),
        "a private Postfix can only be made by root"
    );
    apt::ensure(&apt::POSTFIX_ROOT)?;
    println!(
        "making {} with a real Postfix by debootstrap: once, about a minute",
        root.display()
    );
    let watch = Stopwatch::start();
    let parent = root.parent().context("the root has a parent folder")?;
    fs::create_dir_all(parent)?;
    // Made under another name, so that what has its name is whole.
    let draft = tempfile::Builder::new()
        .prefix("postfix-root-draft-")
        .tempdir_in(parent)?;
    bootstrap(draft.path())?;
    if root.exists() && !is_whole(&root) {
        fs::remove_dir_all(&root).context("remove what an older version made")?;
    }
    match fs::rename(draft.path(), &root) {
        // Somebody else has made it meanwhile.
        Err(_) if is_whole(&root) => {}
        renamed => {
            renamed.with_context(|| format!("rename the finished root to {}", root.display()))?;
            let _moved = draft.keep();
        }
    }
    println!("made in {} s", watch.elapsed().as_secs());
    Ok(root)
}

fn is_whole(root: &Path) -> bool {
    ["usr/sbin/postfix", "usr/sbin/saslpasswd2"]
        .iter()
        .all(|program| root.join(program).is_file())
}

fn bootstrap(root: &Path) -> Result<()> {
    let own = Archive::Main.host_mirror();
    // debootstrap has a mirror of its own when none is named.
    let choices = own.iter().map(Some).chain([None]);
    let mut failures = Vec::new();
    for mirror in choices {
        match bootstrap_from(root, mirror.map(String::as_str)) {
            Ok(()) => return Ok(()),
            Err(error) => failures.push(format!("{error:#}")),
        }
        clear(root)?;
    }
    bail!("{}", failures.join("\n"))
}

/// In namespaces of its own, so that no mount or process of it is left whatever happens.
fn bootstrap_from(root: &Path, mirror: Option<&str>) -> Result<()> {
    run_quietly(
        Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args([
                "debootstrap",
                "--variant=minbase",
                "--include",
                PACKAGES,
                SUITE,
            ])
            .arg(root)
            .args(mirror)
            .env("PATH", search_path())
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    clear(&root.join("var/cache/apt/archives"))?;
    // Every user of the machine may look at it, as at any root.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(root, mode)?;
    ensure!(is_whole(root), "debootstrap installed no Postfix");
    Ok(())
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
