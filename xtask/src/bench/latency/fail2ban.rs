//! fail2ban on the mail host of a test bed: its own filter for Postfix, woken by inotify, and a set of nftables as its action.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Result;
use mailwall_tests::{Testbed, eventually};

use crate::{command, peers};

/// How long it may take to start.
const WITHIN: Duration = Duration::from_secs(60);
/// Where its action puts addresses: as early as nftables sees a packet.
const RULES: &str = "table inet bench {
    set banned { type ipv4_addr; }
    chain first { type filter hook prerouting priority raw; ip saddr @banned drop; }
}";

/// See the module. Dropping it ends it.
pub struct Fail2ban(Child);

impl Fail2ban {
    /// Starts it, and waits until it reads `log`.
    ///
    /// # Errors
    /// When it cannot be had, or does not start.
    pub fn start(bed: &Testbed, log: &Path) -> Result<Self> {
        let root = peers::FAIL2BAN.root()?;
        let config = bed.dir().join("fail2ban");
        command::run_quietly(
            Command::new("cp")
                .arg("-a")
                .arg(root.join("etc/fail2ban"))
                .arg(&config),
        )?;
        let said = bed.dir().join("fail2ban.log");
        write_config(&config, bed.dir(), &said, log)?;
        bed.server()
            .enter(|| command::run_quietly(Command::new("nft").arg(RULES)))?;
        let mut server = peers::fail2ban(&root, "fail2ban-server")?;
        server
            .args(["-f", "-x", "-c"])
            .arg(&config)
            .arg("start")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let running = Self(bed.server().spawn(&mut server)?);
        eventually("the start of fail2ban's jail", WITHIN, || {
            let text = fs::read_to_string(&said).unwrap_or_default();
            Ok(text.contains("Jail 'bench' started").then_some(()))
        })?;
        Ok(running)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Fail2ban {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn write_config(config: &Path, dir: &Path, said: &Path, log: &Path) -> Result<()> {
    let place = |name: &str| -> PathBuf { dir.join(name) };
    fs::write(
        config.join("fail2ban.local"),
        format!(
            "[DEFAULT]\nlogtarget = {}\nsyslogsocket = none\nsocket = {}\npidfile = {}\ndbfile = None\n",
            said.display(),
            place("fail2ban.sock").display(),
            place("fail2ban.pid").display(),
        ),
    )?;
    fs::write(
        config.join("jail.local"),
        format!(
            "[DEFAULT]\nbackend = pyinotify\nusedns = no\nignoreip =\n\n[bench]\nenabled = true\nfilter = postfix[mode=aggressive]\n\
             logpath = {}\nmaxretry = 1\nfindtime = 600\nbantime = 3600\naction = bench\n",
            log.display()
        ),
    )?;
    fs::write(
        config.join("action.d/bench.conf"),
        "[Definition]\nactionban = nft add element inet bench banned \"{ <ip> }\"\nactionunban =\n",
    )?;
    // Debian's own jail is for SSH.
    let debian = config.join("jail.d/defaults-debian.conf");
    if debian.exists() {
        fs::remove_file(debian)?;
    }
    Ok(())
}
