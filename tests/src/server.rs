//! Real mail servers on the mail host, each in a private root: the prepared root stays as it is, changes go to an overlay in
//! memory that is gone with the mount namespace. One file for each server.

mod dovecot;
mod exim;
mod opensmtpd;
mod postfix;
mod sendmail;

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    Testbed,
    deadline::eventually,
    place::{search_path, server_root},
    testbed::MOUNT_SOURCE,
};

pub use self::{
    dovecot::{DOVECOT_2_3, DOVECOT_2_4},
    exim::{EXIM, EXIM_ASKING},
    opensmtpd::OPENSMTPD,
    postfix::{POSTFIX, POSTFIX_ASKING},
    sendmail::SENDMAIL,
};

/// Every server that the tests can be run against.
pub const SERVERS: &[&Software] = &[
    &POSTFIX,
    &EXIM,
    &SENDMAIL,
    &OPENSMTPD,
    &DOVECOT_2_3,
    &DOVECOT_2_4,
];

/// How long a server may take to come up.
const START_WITHIN: Duration = Duration::from_secs(60);

/// `$1` is the prepared root, `$2` the test bed's folder, `$4` the source of the BPF file systems, `$5` what is run in the root.
/// Runs as the first process of a process namespace, in a mount namespace, with the mail host's network. `/dev` is its own, so
/// that nothing can reach the host's syslog. Accounts of the system have mailboxes with some servers.
const START: &str = r#"
set -e
stage=$2/stage
# Copies of the mounts of test beds would keep alive what is pinned there.
while read -r source point _; do
    if [ "$source" = "$4" ]; then umount -l "$point"; fi
done < /proc/self/mounts
mount -t tmpfs -o mode=755 mailwall-bed "$stage"
mkdir "$stage/upper" "$stage/work" "$stage/root"
mount -t overlay -o "lowerdir=$1,upperdir=$stage/upper,workdir=$stage/work" mailwall-bed "$stage/root"
root=$stage/root
mount -t tmpfs -o mode=755 mailwall-bed "$root/dev"
for device in null zero full random urandom; do
    : > "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 mailwall-bed "$root/run"
mkdir -p "$root/var/log/bed"
mount --bind "$2/log" "$root/var/log/bed"
cp -r "$2/server/files/." "$root/"
for account in postmaster alice bob; do
    echo "$account:x:8:8::/nonexistent:/usr/sbin/nologin" >> "$root/etc/passwd"
done
if [ -e /etc/localtime ]; then
    rm -f "$root/etc/localtime"
    cp -L /etc/localtime "$root/etc/localtime"
fi
echo nameserver 127.0.0.1 > "$root/etc/resolv.conf"
hostname mx.example.test
exec chroot "$root" /bin/sh -ec "$5"
"#;

/// Clients with a name; all others are `unknown`. Sendmail refuses to relay for good only for clients with one.
const HOSTS: &str = "\
127.0.0.1 localhost
::1 localhost
192.0.2.1 mx.example.test
192.0.2.10 mail.sender.test
2001:db8:77::10 mail.sender.test
203.0.113.9 relay.sender.test
";

/// A mail server as Debian has it. All of them take mail for, or logins of, [`RECIPIENTS`](crate::RECIPIENTS), of whom alice and
/// bob may log in; their passwords are `a password of alice` and `a password of bob`.
#[derive(Debug)]
pub struct Software {
    /// Name of its root.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// Debian's release that it is taken from.
    pub suite: &'static str,
    /// Packages beside the base.
    pub packages: &'static [&'static str],
    /// Programs that must be there.
    pub programs: &'static [&'static str],
    /// Its log, in a folder of the test bed's own.
    log: &'static str,
    /// The port that it answers at when it is up.
    port: u16,
    /// Its files, by their path in the root.
    files: fn() -> Vec<(&'static str, String)>,
    /// A script for the shell, in the root, that becomes the server.
    start: &'static str,
}

impl Software {
    /// Whether a root has all of it.
    pub fn is_whole(&self, root: &Path) -> bool {
        let mut programs = self.programs.iter();
        programs.all(|program| root.join(program).is_file())
    }
}

/// A running mail server.
#[derive(Debug)]
pub struct Server {
    process: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it on the mail host, IPv4 and IPv6, for the domain `example.test`. A test bed has at most one.
    ///
    /// # Errors
    /// When its root is not there, or it does not come up.
    pub fn start(bed: &Testbed, software: &Software) -> Result<Self> {
        let root = server_root(software.name)?;
        ensure!(
            software.is_whole(&root),
            "{} is not there: `cargo xtask tools` makes it",
            root.display()
        );
        let folder = bed.dir().join("server");
        for name in ["server", "server/files", "stage", "log"] {
            fs::create_dir(bed.dir().join(name))?;
        }
        // Servers write their logs under accounts of their own.
        fs::set_permissions(bed.dir().join("log"), fs::Permissions::from_mode(0o1777))?;
        let hosts = ("etc/hosts", HOSTS.to_owned());
        for (path, text) in (software.files)().into_iter().chain([hosts]) {
            let path = folder.join("files").join(path);
            fs::create_dir_all(path.parent().context("a file has a folder")?)?;
            fs::write(path, text)?;
        }
        let said = folder.join("output");
        let output = fs::File::create(&said)?;
        let process = bed.server().spawn(
            Command::new("unshare")
                .args(["--mount", "--pid", "--fork", "--kill-child", "--uts"])
                .args(["sh", "-c", START, software.name])
                .arg(&root)
                .arg(bed.dir())
                // Names the folder with a `/` behind, for the undertaker.
                .arg(&folder)
                .args([MOUNT_SOURCE, software.start])
                .env("PATH", search_path())
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .process_group(0),
        )?;
        let mut server = Self {
            process,
            log: bed.dir().join("log").join(software.log),
        };
        server.wait_until_up(bed, software).with_context(|| {
            format!(
                "{} said: {}",
                software.title,
                fs::read_to_string(&said).unwrap_or_default().trim()
            )
        })?;
        Ok(server)
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Sends its first process a signal.
    ///
    /// # Errors
    /// When it is not running.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let master = self.master().context("the mail server is not running")?;
        kill(master, signal).context("signal the mail server")
    }

    /// Runs a script for the shell where the server runs, and gives what it prints.
    ///
    /// # Errors
    /// When that fails.
    pub fn run(&self, script: &str) -> Result<String> {
        let master = self.master().context("the mail server is not running")?;
        let output = Command::new("nsenter")
            .arg(format!("--target={master}"))
            .args(["--mount", "--pid", "--root", "/bin/sh", "-ec"])
            .arg(format!("cd /\n{script}"))
            .env("PATH", search_path())
            .stdin(Stdio::null())
            .output()
            .context("run nsenter")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{script}: {}", said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A script at `path` that runs a program of the server where the server runs.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn wrap(&self, program: &str, path: &Path) -> Result<()> {
        let master = self.master().context("the mail server is not running")?;
        let script = format!(
            "#!/bin/sh\nexec nsenter --target={master} --mount --pid --root /bin/sh -c 'cd /; exec \"$@\"' sh {program} \"$@\"\n"
        );
        fs::write(path, script)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).context("make a script")
    }

    fn wait_until_up(&mut self, bed: &Testbed, software: &Software) -> Result<()> {
        let what = format!("start of {}", software.title);
        eventually(&what, START_WITHIN, || {
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended: {status}", software.title);
            }
            let is_up = self.log.exists() && bed.server().enter(|| listens(software.port))?;
            Ok(is_up.then_some(()))
        })
    }

    /// The first process of the process namespace: the only child of `unshare`.
    fn master(&self) -> Option<Pid> {
        let parent = self.process.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        children.trim().parse().ok().map(Pid::from_raw)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its first process is the end of all the others in the namespace.
        if let Some(master) = self.master() {
            let _gone = kill(master, Signal::SIGKILL);
        }
        let _ended = self.process.wait();
    }
}

/// Whether somebody listens at that port, in the network of the calling thread: looked up, as a connection would be logged.
fn listens(port: u16) -> Result<bool> {
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}"))?;
        let is_it = |line: &str| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().unwrap_or_default();
            // 0A is LISTEN.
            local.ends_with(&format!(":{port:04X}")) && fields.nth(1) == Some("0A")
        };
        if text.lines().any(is_it) {
            return Ok(true);
        }
    }
    Ok(false)
}
