//! mailwall at its usual places: what runs here finds its configuration in `/etc/mailwall`, the log in `/var/log` and so on, and all of
//! these are folders of the test bed. Each process has mounts of its own, so nothing of the machine is touched, and nothing is left.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    Testbed,
    place::{agent_binary, search_path},
    testbed::MOUNT_SOURCE,
};

/// Folders of the machine, and those of the test bed that lie over them.
const PLACES: &[(&str, &str)] = &[
    ("/etc", "etc"),
    ("/usr/local/share", "share"),
    ("/var/lib", "lib"),
    ("/var/log", "log"),
    ("/run", "run"),
    ("/sys/fs/bpf", "bpf"),
    // For an agent that has its pins elsewhere.
    ("/run/bpf", "bpf/elsewhere"),
];
/// What programs need of the machine's own `/etc`.
const OF_ETC: &[&str] = &[
    "group",
    "ld.so.cache",
    "localtime",
    "nsswitch.conf",
    "passwd",
    "services",
];
/// The user that the package makes.
const USER: &str = "mailwall:x:64321:64321::/nonexistent:/usr/sbin/nologin\n";

/// `$1` is the test bed's folder, `$2` the source of the BPF file systems, `$3` the places; then what is run.
const ENTER: &str = r#"
set -e
# Copies of the mounts of other test beds would keep alive what is pinned there.
while read -r source point _; do
    if [ "$source" = "$2" ] && [ "$point" != "$1/bpf" ]; then
        # One whose test bed is taken down meanwhile is gone.
        umount -n -l "$point" 2> /dev/null || [ ! -d "$point" ]
    fi
done < /proc/self/mounts
for place in $3; do
    mount -n --bind "$1/${place#*=}" "${place%=*}"
done
cd "$1/home"
shift 3
exec "$@"
"#;

/// A mail host with mailwall installed on it.
#[derive(Debug)]
pub struct Installed<'a> {
    bed: &'a Testbed,
}

impl<'a> Installed<'a> {
    /// Installs it, without a configuration.
    ///
    /// # Errors
    /// When the agent is not built, or the folders cannot be made.
    pub fn new(bed: &'a Testbed) -> Result<Self> {
        let installed = Self { bed };
        let folders = PLACES.iter().map(|(_, folder)| *folder);
        for folder in folders.chain(["home", "bin", "program", "run/bpf"]) {
            fs::create_dir_all(bed.dir().join(folder))?;
        }
        // The user of the agent gets to its logs.
        fs::set_permissions(bed.dir(), fs::Permissions::from_mode(0o755))?;
        for name in OF_ETC {
            let theirs = Path::new("/etc").join(name);
            if theirs.exists() {
                fs::copy(theirs, bed.dir().join("etc").join(name))?;
            }
        }
        for name in ["passwd", "group"] {
            let path = bed.dir().join("etc").join(name);
            let known = fs::read_to_string(&path)?;
            if !known.lines().any(|line| line.starts_with("mailwall:")) {
                let line = match name {
                    "passwd" => USER,
                    _ => "mailwall:x:64321:\n",
                };
                fs::write(&path, format!("{}\n{line}", known.trim_end()))?;
            }
        }
        // Its processes name the test bed's folder, for the undertaker.
        let program = bed.dir().join("program/mailwall");
        symlink(agent_binary()?, &program)?;
        installed.script("mailwall", &format!("exec {} \"$@\"", program.display()))?;
        Ok(installed)
    }

    /// Where a file of these places is for the test.
    ///
    /// # Errors
    /// When it is at none of them.
    pub fn path(&self, file: &str) -> Result<PathBuf> {
        let (place, folder) = PLACES
            .iter()
            .find(|(place, _)| file.starts_with(place))
            .with_context(|| format!("{file} is the machine's own"))?;
        let rest = file[place.len()..].trim_start_matches('/');
        Ok(self.bed.dir().join(folder).join(rest))
    }

    /// The folder that commands run in, which is the caller's home, too.
    pub fn home(&self) -> PathBuf {
        self.bed.dir().join("home")
    }

    /// Puts a program for the shell on the path, before others of its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn script(&self, name: &str, text: &str) -> Result<()> {
        let path = self.bed.dir().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).context("make a script")
    }

    /// These words as a command there, with the mail host's network if it is started by its [`crate::Namespace`].
    pub fn command(&self, words: &[&str]) -> Command {
        let places: Vec<String> = PLACES
            .iter()
            .map(|(place, folder)| format!("{place}={folder}"))
            .collect();
        let mut path = self.bed.dir().join("bin").into_os_string();
        path.push(":");
        path.push(search_path());
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", ENTER, "installed"])
            .arg(self.bed.dir())
            .args([MOUNT_SOURCE, &places.join(" ")])
            .args(words)
            .env("PATH", path)
            .env("HOME", self.home())
            .env_remove("SSH_CONNECTION")
            .stdin(Stdio::null());
        for name in ["CONFIG", "STATE_DIR", "RUN_DIR", "BPFFS_DIR"] {
            command.env_remove(format!("MAILWALL_{name}"));
        }
        command
    }

    /// Runs a script for the shell there, and gives what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, script: &str) -> Result<String> {
        let mut command = self.command(&["sh", "-ec", script]);
        let output = self.bed.server().output(&mut command)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{script}: {}: {}",
            output.status,
            said.trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
