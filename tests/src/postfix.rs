//! A Postfix of the test bed's own: the prepared root stays as it is, changes go to an overlay in memory that is gone with the
//! mount namespace.

use std::{
    fs,
    os::unix::process::CommandExt as _,
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
    mail_server::RECIPIENTS,
    place::{postfix_root, search_path},
    testbed::MOUNT_SOURCE,
};

/// How long Postfix may take to come up.
const START_WITHIN: Duration = Duration::from_secs(60);

/// `$1` is the prepared root, `$2` the test bed's folder, `$4` the source of the BPF file systems. Runs as the first process of a process namespace, in a mount
/// namespace, with the mail host's network. `/dev` is its own, so that nothing can reach the host's syslog.
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
mkdir -p "$root/var/log/postfix"
mount --bind "$2/log" "$root/var/log/postfix"
cp "$2/postfix/main.cf" "$2/postfix/master.cf" "$root/etc/postfix/"
cp "$2/postfix/hosts" "$root/etc/hosts"
if [ -e /etc/localtime ]; then
    rm -f "$root/etc/localtime"
    cp -L /etc/localtime "$root/etc/localtime"
fi
echo nameserver 127.0.0.1 > "$root/etc/resolv.conf"
hostname mx.example.test
cp "$2/postfix/smtpd.conf" "$root/etc/postfix/sasl/"
for account in alice bob; do
    echo "a password of $account" | chroot "$root" saslpasswd2 -p -c -u example.test "$account"
done
chmod 644 "$root/etc/sasldb2"
exec chroot "$root" /usr/sbin/postfix start-fg
"#;

const MASTER_CF: &str = "\
smtp       inet  n  -  n  -     -  smtpd
submission inet  n  -  n  -     -  smtpd
  -o syslog_name=postfix/submission
pickup     unix  n  -  n  60    1  pickup
cleanup    unix  n  -  n  -     0  cleanup
qmgr       unix  n  -  n  300   1  qmgr
tlsmgr     unix  -  -  n  1000? 1  tlsmgr
rewrite    unix  -  -  n  -     -  trivial-rewrite
bounce     unix  -  -  n  -     0  bounce
defer      unix  -  -  n  -     0  bounce
trace      unix  -  -  n  -     0  bounce
verify     unix  -  -  n  -     1  verify
flush      unix  n  -  n  1000? 0  flush
proxymap   unix  -  -  n  -     -  proxymap
smtp       unix  -  -  n  -     -  smtp
relay      unix  -  -  n  -     -  smtp
showq      unix  n  -  n  -     -  showq
error      unix  -  -  n  -     -  error
retry      unix  -  -  n  -     -  error
discard    unix  -  -  n  -     -  discard
virtual    unix  -  n  n  -     -  virtual
anvil      unix  -  -  n  -     1  anvil
scache     unix  -  -  n  -     1  scache
postlog    unix-dgram n - n -   1  postlogd
";

/// Passwords are looked up in a database of the test bed's own.
const SMTPD_CONF: &str = "\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
";

/// Clients with a name; all others are `unknown`.
const HOSTS: &str = "\
127.0.0.1 localhost
::1 localhost
192.0.2.1 mx.example.test
192.0.2.10 mail.sender.test
2001:db8:77::10 mail.sender.test
";

/// A running Postfix.
#[derive(Debug)]
pub struct Postfix {
    process: Child,
    log: PathBuf,
}

impl Postfix {
    /// Starts it on the mail host: ports 25 and 587, IPv4 and IPv6, the domain `example.test` with [`RECIPIENTS`], of whom
    /// alice and bob may log in; their passwords are `a password of alice` and `a password of bob`.
    ///
    /// # Errors
    /// When its root is not there, or it does not come up.
    pub fn start(bed: &Testbed) -> Result<Self> {
        let root = postfix_root()?;
        ensure!(
            root.is_dir(),
            "{} is not there: `cargo xtask tools` makes it",
            root.display()
        );
        let folder = bed.dir().join("postfix");
        for name in ["postfix", "stage", "log"] {
            fs::create_dir(bed.dir().join(name))?;
        }
        fs::write(folder.join("main.cf"), main_cf())?;
        fs::write(folder.join("master.cf"), MASTER_CF)?;
        fs::write(folder.join("hosts"), HOSTS)?;
        fs::write(folder.join("smtpd.conf"), SMTPD_CONF)?;
        let said = bed.dir().join("postfix/output");
        let output = fs::File::create(&said)?;
        let process = bed.server().spawn(
            Command::new("unshare")
                .args(["--mount", "--pid", "--fork", "--kill-child", "--uts"])
                .args(["sh", "-c", START, "postfix"])
                .arg(&root)
                .arg(bed.dir())
                // Names the folder with a `/` behind, for the undertaker.
                .arg(&folder)
                .arg(MOUNT_SOURCE)
                .env("PATH", search_path())
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .process_group(0),
        )?;
        let mut postfix = Self {
            process,
            log: bed.dir().join("log/mail.log"),
        };
        postfix.wait_until_up().with_context(|| {
            format!(
                "Postfix said: {}",
                fs::read_to_string(&said).unwrap_or_default().trim()
            )
        })?;
        Ok(postfix)
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Has it read its configuration and open its log again.
    ///
    /// # Errors
    /// When it is not running.
    pub fn reload(&self) -> Result<()> {
        let master = self.master().context("Postfix is not running")?;
        kill(master, Signal::SIGHUP).context("signal Postfix")
    }

    fn wait_until_up(&mut self) -> Result<()> {
        eventually("start of Postfix", START_WITHIN, || {
            if let Some(status) = self.process.try_wait()? {
                bail!("Postfix ended: {status}");
            }
            let log = fs::read(&self.log).unwrap_or_default();
            let up = String::from_utf8_lossy(&log).contains("daemon started");
            Ok(up.then_some(()))
        })
    }

    /// The first process of the process namespace: the only child of `unshare`.
    fn master(&self) -> Option<Pid> {
        let parent = self.process.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        children.trim().parse().ok().map(Pid::from_raw)
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // The end of its first process is the end of all the others in the namespace.
        if let Some(master) = self.master() {
            let _gone = kill(master, Signal::SIGKILL);
        }
        let _ended = self.process.wait();
    }
}

fn main_cf() -> String {
    let mailboxes: Vec<String> = RECIPIENTS
        .iter()
        .map(|address| format!("{{ {address} = {address}/ }}"))
        .collect();
    format!(
        "\
compatibility_level = 3.6
maillog_file = /var/log/postfix/mail.log
myhostname = mx.example.test
mydomain = example.test
mydestination = $mydomain
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = all
inet_protocols = all
alias_maps =
alias_database =
local_transport = virtual
local_recipient_maps = $virtual_mailbox_maps
virtual_mailbox_maps = inline:{{ {} }}
virtual_mailbox_base = /var/mail
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = $mydomain
virtual_minimum_uid = 1
virtual_uid_maps = static:8
virtual_gid_maps = static:8
",
        mailboxes.join(" ")
    )
}
