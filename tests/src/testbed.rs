//! Two hosts and the link between them. There is no way out: the mail host's default route leads to the clients' host, which
//! forwards nothing.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MsFlags, mount};

use crate::{Client, Namespace, undertaker::Undertaker};

/// The mail host's IPv4 address, 192.0.2.1.
pub const SERVER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The mail host's IPv6 address, 2001:db8:77::1.
pub const SERVER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1));

/// What stands as the source of a test bed's BPF file system.
pub(crate) const MOUNT_SOURCE: &str = "mailwall-bed-bpf";
/// The address of the mail host's card, which frames made by hand are for.
const MAIL_HOST: &str = "02:00:00:00:00:01";
/// Lines of each log that a failing test shows.
const TAIL: usize = 40;

/// A mail host and its clients. Clients may have any address of 192.0.2.10 to .29, 198.51.100.0/24, 203.0.113.0/24,
/// 2001:db8:77::10 to ::29 and 2001:db8:100::/40.
///
/// Dropping it takes everything out that was made, and so does the death of the process, whatever the cause.
#[derive(Debug)]
pub struct Testbed {
    server: Namespace,
    clients: Namespace,
    dir: PathBuf,
    _undertaker: Undertaker,
}

impl Testbed {
    /// Makes one.
    ///
    /// # Errors
    /// When the caller is not root, or `ip` is missing.
    pub fn new() -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "network namespaces need root: run `cargo xtask test` as root"
        );
        Undertaker::bury_leftovers();
        let undertaker = Undertaker::engage()?;
        let bed = Self {
            server: Namespace::new()?,
            clients: Namespace::new()?,
            dir: undertaker.dir().to_owned(),
            _undertaker: undertaker,
        };
        bed.lay_cable()?;
        fs::create_dir(bed.bpffs())?;
        bed.mount_bpffs()?;
        Ok(bed)
    }

    /// The mail host's network; its interface to the clients is `mail0`.
    pub fn server(&self) -> &Namespace {
        &self.server
    }

    /// The clients' network.
    pub fn clients(&self) -> &Namespace {
        &self.clients
    }

    /// Folder for the files of this test bed; its path is short enough for sockets.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A BPF file system of this test bed's own.
    pub fn bpffs(&self) -> PathBuf {
        self.dir.join("bpf")
    }

    /// A client with that address.
    pub fn client(&self, address: &str) -> Client<'_> {
        let address = address.parse().expect("the test names an address");
        Client::new(self, address)
    }

    /// Takes every pinned map, program and link away, as a reboot of the mail host does.
    ///
    /// # Errors
    /// When there is nothing pinned.
    pub fn lose_pins(&self) -> Result<()> {
        fs::remove_dir_all(self.bpffs().join("mailwall")).context("remove what is pinned")
    }

    /// Mounts the BPF file system again, after a test has unmounted it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn mount_bpffs(&self) -> Result<()> {
        let nothing = None::<&str>;
        mount(
            Some(MOUNT_SOURCE),
            &self.bpffs(),
            Some("bpf"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
            nothing,
        )
        .context("mount a BPF file system")
    }

    fn lay_cable(&self) -> Result<()> {
        for host in [&self.server, &self.clients] {
            // Addresses are usable at once, without waiting for duplicate address detection.
            host.enter(|| {
                sysctl("net/ipv6/conf/all/accept_dad", "0")?;
                sysctl("net/ipv6/conf/default/accept_dad", "0")
            })?;
        }
        self.clients.enter(|| {
            // A client may speak from any address of a local route, without each being put on the interface.
            sysctl("net/ipv4/ip_nonlocal_bind", "1")?;
            sysctl("net/ipv6/ip_nonlocal_bind", "1")
        })?;
        for words in [
            "link set lo up",
            "route add local 198.51.100.0/24 dev lo",
            "route add local 203.0.113.0/24 dev lo",
            "-6 route add local 2001:db8:100::/40 dev lo",
        ] {
            self.clients.ip(words)?;
        }
        self.server.ip("link set lo up")?;
        self.plug_in()
    }

    /// Joins the hosts by their cable; again, after a test has deleted `mail0`.
    ///
    /// # Errors
    /// When it is there.
    pub fn plug_in(&self) -> Result<()> {
        let clients = self.clients.path();
        self.server.ip(&format!(
            "link add mail0 address {MAIL_HOST} type veth peer name wire0 netns {clients}"
        ))?;
        for words in [
            "address add 192.0.2.1/24 dev mail0",
            "address add 2001:db8:77::1/64 dev mail0",
            "link set mail0 up",
            "route add default via 192.0.2.2",
            "-6 route add default via 2001:db8:77::2",
        ] {
            self.server.ip(words)?;
        }
        for words in [
            "address add 192.0.2.2/24 dev wire0",
            "address add 2001:db8:77::2/64 dev wire0",
            "link set wire0 up",
        ] {
            self.clients.ip(words)?;
        }
        for host in 10..=29 {
            self.clients
                .ip(&format!("address add 192.0.2.{host}/24 dev wire0"))?;
            self.clients
                .ip(&format!("address add 2001:db8:77::{host}/64 dev wire0"))?;
        }
        Ok(())
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        if thread::panicking() {
            for name in ["agent.log", "log/mail.log", "log/mainlog", "server/output"] {
                if let Ok(bytes) = fs::read(self.dir.join(name)) {
                    let text = String::from_utf8_lossy(&bytes);
                    let lines: Vec<&str> = text.lines().collect();
                    let tail = lines.split_at(lines.len().saturating_sub(TAIL)).1;
                    eprintln!("---- end of {name}\n{}", tail.join("\n"));
                }
            }
        }
    }
}

/// Sets a kernel parameter of the network that the calling thread is in.
fn sysctl(name: &str, value: &str) -> Result<()> {
    fs::write(Path::new("/proc/sys").join(name), value).with_context(|| format!("set {name}"))
}
