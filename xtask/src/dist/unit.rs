//! The package's unit under a real systemd: a Debian root with systemd is booted in an emulated machine, and installs it there.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::check::SUITE;
use crate::{
    roots,
    test::kernels::{self, Ending},
};

/// What is done there.
const SCRIPT: &str = include_str!("unit.sh");
/// What the last line of the script begins with; the number of failures follows.
const ENDED: &str = "== unit: ";
/// Runs the script when all else is up.
const SERVICE: &str =
    "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/check\n";
/// How long the machine may take: many times what it needs.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Runs it, and prints what was found.
///
/// # Errors
/// When the machine cannot be had, or something is not as it should be.
pub fn run(package: &Path) -> Result<()> {
    let root = roots::copy_of_base(SUITE)?;
    roots::install(root.path(), &["systemd", "systemd-sysv", "dbus"])?;
    let place = |name: &str| root.path().join(name);
    // It keeps services from being started, which is what is tried here.
    fs::remove_file(place("usr/sbin/policy-rc.d")).context("let services be started")?;
    fs::copy(package, place("first.deb")).context("copy the package")?;
    fs::write(place("check"), SCRIPT).context("write the script")?;
    fs::set_permissions(place("check"), fs::Permissions::from_mode(0o755))?;
    fs::write(place("etc/systemd/system/check.service"), SERVICE)?;
    let wants = place("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants)?;
    symlink("../check.service", wants.join("check.service"))?;
    // Without udev its device never comes, which would be waited for.
    let login = place("etc/systemd/system/serial-getty@ttyS0.service");
    symlink("/dev/null", login)?;
    symlink("lib/systemd/systemd", place("init"))?;

    println!("booting a machine with systemd: some minutes");
    let (mut said, mut wrong) = (Vec::new(), None);
    let ending = kernels::boot_root(root.path(), LIMIT, |line| {
        if line.starts_with("ok: ") || line.starts_with("-> ") {
            println!("{line}");
        }
        wrong = line.strip_prefix(ENDED).map(str::to_owned).or(wrong.take());
        said.push(line.to_owned());
    })?;
    if wrong.as_deref() == Some("0") && ending == Ending::Off {
        return Ok(());
    }
    println!("{}", said.join("\n"));
    match wrong {
        Some(wrong) => bail!("the unit under systemd: {wrong} things are not as they should be"),
        None => bail!("the machine with systemd did not come to its end"),
    }
}
