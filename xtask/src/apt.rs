//! System packages, installed by `apt-get` when their program is missing.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use mailwall_tests::search_path;

use crate::command::{is_installed, run_quietly};

/// A program that comes with a system package.
pub struct Program {
    /// Name of the program.
    pub name: &'static str,
    /// Debian's package that holds it.
    pub package: &'static str,
    /// What it is needed for.
    pub purpose: &'static str,
}

const NFT: Program = Program {
    name: "nft",
    package: "nftables",
    purpose: "what other programs ban with",
};
const IPSET: Program = Program {
    name: "ipset",
    package: "ipset",
    purpose: "what other programs ban with",
};

/// What the test bed needs.
pub const TEST_BED: [Program; 10] = [
    Program {
        name: "ip",
        package: "iproute2",
        purpose: "network namespaces and the link between them",
    },
    Program {
        name: "unshare",
        package: "util-linux",
        purpose: "a process namespace for a mail server",
    },
    Program {
        name: "mount",
        package: "mount",
        purpose: "an overlay for a mail server",
    },
    Program {
        name: "tmux",
        package: "tmux",
        purpose: "a terminal for mailwall top",
    },
    Program {
        name: "prlimit",
        package: "util-linux",
        purpose: "an agent that is short of memory",
    },
    IPSET,
    NFT,
    Program {
        name: "jq",
        package: "jq",
        purpose: "examples of the manual that read JSON",
    },
    // Libraries: known by their files.
    Program {
        name: "/usr/share/doc/libfaketime/copyright",
        package: "libfaketime",
        purpose: "a clock for the agent that tests can set",
    },
    Program {
        name: "/usr/lib/python3/dist-packages/prometheus_client/parser.py",
        package: "python3-prometheus-client",
        purpose: "a reader of metrics",
    },
];

/// What private roots are made with.
pub const ROOTS: [Program; 1] = [Program {
    name: "debootstrap",
    package: "debootstrap",
    purpose: "private Debian roots with mail servers in them",
}];

/// What other kernels are booted with.
pub const KERNELS: [Program; 6] = [
    Program {
        name: "qemu-system-x86_64",
        package: "qemu-system-x86",
        purpose: "a machine for another kernel",
    },
    Program {
        name: "depmod",
        package: "kmod",
        purpose: "to find what a kernel's modules need",
    },
    Program {
        name: "xz",
        package: "xz-utils",
        purpose: "to unpack a kernel's modules",
    },
    Program {
        name: "busybox",
        package: "busybox-static",
        purpose: "the first process of that machine",
    },
    Program {
        name: "cpio",
        package: "cpio",
        purpose: "the file system of that machine",
    },
    Program {
        name: "setpriv",
        package: "util-linux",
        purpose: "to end that machine with the tests",
    },
];

/// What a cable is prepared for a flood with.
pub const ETHTOOL: [Program; 1] = [Program {
    name: "ethtool",
    package: "ethtool",
    purpose: "the settings and counters of an interface",
}];

/// What fail2ban bans with.
pub const FIREWALL: [Program; 1] = [NFT];

/// What the filter is compared with in a flood.
pub const FLOOD: [Program; 4] = [
    Program {
        name: "xdp-filter",
        package: "xdp-tools",
        purpose: "a filter to compare with",
    },
    NFT,
    IPSET,
    Program {
        name: "iptables",
        package: "iptables",
        purpose: "a filter to compare with",
    },
];

/// Installs what is missing of `programs`, and says so.
///
/// # Errors
/// When that cannot be done; the error says what could be done by hand.
pub fn ensure(programs: &[Program]) -> Result<()> {
    let missing: Vec<&Program> = programs
        .iter()
        .filter(|program| !is_installed(program.name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    let by_hand = format!("apt-get install {}", packages.join(" "));
    if !nix::unistd::geteuid().is_root() {
        bail!("{} missing: run `{by_hand}` as root", packages.join(", "));
    }
    if !is_installed("apt-get") {
        bail!(
            "{} missing, and there is no apt-get to install them with",
            packages.join(", ")
        );
    }
    for program in &missing {
        eprintln!(
            "installing {} by apt-get: {}",
            program.package, program.purpose
        );
    }
    if !has_lists() {
        update()?;
    }
    if install(&packages).is_err() {
        // The lists may name versions that are gone.
        update()?;
        install(&packages).with_context(|| format!("`{by_hand}`"))?;
    }
    Ok(())
}

/// Downloads packages of this host's release to `folder`, without installing them.
///
/// # Errors
/// When there is no apt-get, or it finds none.
pub fn download(packages: &[&str], folder: &Path) -> Result<()> {
    if !is_installed("apt-get") {
        bail!("there is no apt-get to download with");
    }
    let get = || {
        let mut command = apt_get();
        // As root it would ask for a user of its own, who cannot write here.
        command.args(["-o", "APT::Sandbox::User=root", "download"]);
        run_quietly(command.args(packages).current_dir(folder)).map(drop)
    };
    if has_lists() && get().is_ok() {
        return Ok(());
    }
    update()?;
    get()
}

fn update() -> Result<()> {
    eprintln!("updating the package lists by apt-get");
    run_quietly(apt_get().arg("update")).map(drop)
}

fn install(packages: &[&str]) -> Result<()> {
    run_quietly(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )
    .map(drop)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["--quiet", "-o", "DPkg::Lock::Timeout=300"])
        .env("PATH", search_path())
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn has_lists() -> bool {
    let Ok(entries) = fs::read_dir("/var/lib/apt/lists") else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

/// One of Debian's archives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Archive {
    /// Releases, backports and what is to be released.
    Main,
    /// Security updates of releases.
    Security,
}

impl Archive {
    /// The mirror that this host itself takes it from, when the host is a Debian.
    pub fn host_mirror(self) -> Option<String> {
        let release = fs::read_to_string("/etc/os-release").ok()?;
        let field = |name: &str| {
            release
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .map(|value| value.trim_matches('"').to_owned())
        };
        if field("ID")? != "debian" {
            return None;
        }
        let codename = field("VERSION_CODENAME")?;
        let suite = match self {
            Self::Main => codename,
            Self::Security => format!("{codename}-security"),
        };
        let targets = run_quietly(Command::new("apt-get").args([
            "indextargets",
            "--no-release-info",
            "--format",
            "$(RELEASE) $(COMPONENT) $(REPO_URI)",
        ]))
        .ok()?;
        targets.lines().find_map(|line| {
            let uri = line.strip_prefix(&format!("{suite} main "))?;
            Some(uri.trim_end_matches('/').to_owned())
        })
    }

    /// The mirror for everybody.
    pub const fn public_mirror(self) -> &'static str {
        match self {
            Self::Main => "http://deb.debian.org/debian",
            Self::Security => "http://deb.debian.org/debian-security",
        }
    }
}
