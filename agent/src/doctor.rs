//! Whether this host can run mailwall, and what stands in the way. Only looks; changes nothing.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    unistd::{AccessFlags, access},
};
use serde::{Deserialize, Serialize};

use crate::filter::{
    AttachMode,
    probe::{self, Guardable, Holder},
};

/// The oldest kernel that the filter is meant for: it needs what came up to 5.11, and 5.15 is the oldest that is tried.
const OLDEST_KERNEL: (u32, u32) = (5, 15);
/// Bytes of a packet that drivers can still give to a program that sees one page: ena 3498, virtio 3506, veth 3520.
const NATIVE_MTU_MAX: u32 = 3498;
/// Numbers of include/uapi/linux/capability.h.
const CAPABILITIES: [(u32, &str, &str); 2] = [
    (12, "CAP_NET_ADMIN", "attach to interfaces"),
    (39, "CAP_BPF", "load programs and maps"),
];
const CAP_SYS_ADMIN: u32 = 21;

/// What is to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Patient<'a> {
    /// Folder of the pins.
    pub bpffs_dir: &'a Path,
    /// Interfaces to guard.
    pub interfaces: &'a [String],
    /// Folder of the database.
    pub state_dir: &'a Path,
    /// Folder of the control socket.
    pub run_dir: &'a Path,
    /// Log files.
    pub sources: &'a [PathBuf],
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but could be better or may surprise.
    Warning,
    /// It does not work.
    Problem,
}

impl Level {
    /// As output shows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing looked at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What: a word or two.
    pub topic: String,
    /// How bad.
    pub level: Level,
    /// What was found.
    pub text: String,
    /// What helps; `None` when nothing has to.
    pub advice: Option<String>,
}

/// Looks at everything that `mailwall run` needs, in the order in which it needs it.
pub fn examine(patient: &Patient<'_>) -> Vec<Finding> {
    let mut findings = vec![
        privileges(),
        kernel(),
        jit(),
        btf(),
        bpffs(patient.bpffs_dir),
        program(),
    ];
    findings.extend(interfaces(patient.bpffs_dir, patient.interfaces));
    findings.push(folder("state folder", patient.state_dir));
    findings.push(folder("run folder", patient.run_dir));
    findings.extend(patient.sources.iter().map(|path| source(path)));
    findings
}

fn ok(topic: &str, text: impl Into<String>) -> Finding {
    Finding {
        topic: topic.to_owned(),
        level: Level::Ok,
        text: text.into(),
        advice: None,
    }
}

fn warning(topic: &str, text: impl Into<String>, advice: &str) -> Finding {
    Finding {
        level: Level::Warning,
        advice: Some(advice.to_owned()),
        ..ok(topic, text)
    }
}

fn problem(topic: &str, text: impl Into<String>, advice: &str) -> Finding {
    Finding {
        level: Level::Problem,
        ..warning(topic, text, advice)
    }
}

fn privileges() -> Finding {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    privileges_in(&status)
}

fn privileges_in(status: &str) -> Finding {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .unwrap_or(0);
    let has = |number: u32| effective >> number & 1 == 1;
    // CAP_SYS_ADMIN contains CAP_BPF, but not CAP_NET_ADMIN.
    let missing: Vec<String> = CAPABILITIES
        .iter()
        .filter(|(number, name, _)| !(has(*number) || *name == "CAP_BPF" && has(CAP_SYS_ADMIN)))
        .map(|(_, name, purpose)| format!("{name} (to {purpose})"))
        .collect();
    if missing.is_empty() {
        return ok("privileges", "may load programs and attach them");
    }
    problem(
        "privileges",
        format!("lacks {}", missing.join(" and ")),
        "run as root, or grant these capabilities to the service",
    )
}

fn kernel() -> Finding {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    kernel_of(release.trim())
}

fn kernel_of(release: &str) -> Finding {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().ok());
    let version = match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => {
            return warning(
                "kernel",
                format!("Linux `{release}`"),
                "cannot tell how old it is",
            );
        }
    };
    if version < OLDEST_KERNEL {
        let (major, minor) = OLDEST_KERNEL;
        // Distributions carry newer parts into old kernels, so that loading the program decides.
        return warning(
            "kernel",
            format!("Linux {release}, older than {major}.{minor}"),
            "see below whether it loads the program; if not, take a newer kernel",
        );
    }
    ok("kernel", format!("Linux {release}"))
}

fn jit() -> Finding {
    match fs::read_to_string("/proc/sys/net/core/bpf_jit_enable") {
        Ok(value) if value.trim() == "0" => warning(
            "BPF compiler",
            "programs are interpreted, which is several times slower",
            "`sysctl -w net.core.bpf_jit_enable=1`",
        ),
        Ok(_) => ok("BPF compiler", "programs are compiled to machine code"),
        Err(error) => warning(
            "BPF compiler",
            format!("cannot tell whether programs are compiled ({error})"),
            "programs may be interpreted, which is several times slower",
        ),
    }
}

fn btf() -> Finding {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        return ok("kernel types", "the kernel describes its types (BTF)");
    }
    warning(
        "kernel types",
        "the kernel does not describe its types (BTF)",
        "not needed for the filter; tools such as bpftool show less",
    )
}

fn bpffs(dir: &Path) -> Finding {
    let shown = dir.display();
    match probe::is_on_bpffs(dir) {
        Ok(true) => ok("BPF file system", format!("{shown} is on one")),
        Ok(false) => warning(
            "BPF file system",
            format!("{shown} is not on one"),
            "`mailwall run` mounts one; to have it from boot, mount type bpf on /sys/fs/bpf",
        ),
        Err(error) => problem(
            "BPF file system",
            format!("{:#}", anyhow::Error::from(error)),
            "name another folder with --bpffs-dir",
        ),
    }
}

fn program() -> Finding {
    match probe::load() {
        Ok(Some(instructions)) => ok(
            "program",
            format!("the kernel takes it ({instructions} instructions verified)"),
        ),
        Ok(None) => ok("program", "the kernel takes it"),
        Err(error) => problem(
            "program",
            format!("{:#}", anyhow::Error::from(error)),
            "mail flows, but nothing is filtered until this works",
        ),
    }
}

fn interfaces(bpffs_dir: &Path, wanted: &[String]) -> Vec<Finding> {
    if wanted.is_empty() {
        return vec![problem(
            "interface",
            "no interface carries a default route",
            "name one in [filter] interfaces",
        )];
    }
    let present = match probe::interfaces(bpffs_dir) {
        Ok(present) => present,
        Err(error) => {
            let text = format!("cannot list the interfaces: {error}");
            return vec![problem(
                "interface",
                text,
                "is this a container without a network?",
            )];
        }
    };
    wanted
        .iter()
        .map(|name| interface(name, &present))
        .collect()
}

fn interface(name: &str, present: &[Guardable]) -> Finding {
    let topic = format!("interface {name}");
    let Some(found) = present.iter().find(|interface| interface.name == name) else {
        let known: Vec<&str> = present
            .iter()
            .map(|interface| interface.name.as_str())
            .collect();
        let text = format!("does not exist; known: {}", known.join(", "));
        return problem(&topic, text, "name another one in [filter] interfaces");
    };
    let what = format!("{}, MTU {}", driver(name), found.mtu);
    match &found.holder {
        Holder::Filter(AttachMode::Native) => ok(&topic, format!("{what}; guarded in native mode")),
        Holder::Filter(AttachMode::Generic) => warning(
            &topic,
            format!("{what}; guarded in generic mode, which costs more for each packet"),
            "a driver with native XDP, or a smaller MTU, would be faster",
        ),
        Holder::Other(program) => problem(
            &topic,
            format!("{what}; another XDP program is attached: {program}"),
            "stop what put it there; an interface takes one XDP program",
        ),
        Holder::Nobody if found.mtu > NATIVE_MTU_MAX => warning(
            &topic,
            format!("{what}; free, but most drivers refuse native mode at this MTU"),
            &format!("generic mode works; for native mode set the MTU to {NATIVE_MTU_MAX} or less"),
        ),
        Holder::Nobody => ok(&topic, format!("{what}; free")),
    }
}

fn driver(interface: &str) -> String {
    let link = fs::read_link(format!("/sys/class/net/{interface}/device/driver"));
    let name = link
        .ok()
        .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    name.map_or_else(
        || "virtual or unknown driver".to_owned(),
        |name| format!("driver {name}"),
    )
}

/// A folder that is not there is made when it is needed, if that can be done.
fn folder(topic: &str, dir: &Path) -> Finding {
    let shown = dir.display();
    let existing = match std::path::absolute(dir) {
        Ok(absolute) => absolute
            .ancestors()
            .find(|path| path.exists())
            .map(Path::to_owned),
        Err(_) => None,
    };
    let Some(existing) = existing else {
        return problem(
            topic,
            format!("{shown} cannot be reached"),
            "name another one",
        );
    };
    if !existing.is_dir() {
        let text = format!("{} is not a folder", existing.display());
        return problem(topic, text, "move it out of the way, or name another one");
    }
    match access(&existing, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) if existing == dir => ok(topic, format!("{shown} can be written")),
        Ok(()) => ok(topic, format!("{shown} can be made")),
        Err(Errno::EROFS) => {
            let text = format!("{shown} is on a file system that is mounted read-only");
            problem(topic, text, "name a folder that can be written")
        }
        Err(errno) => {
            let text = format!(
                "{} cannot be written ({})",
                existing.display(),
                errno.desc()
            );
            problem(
                topic,
                text,
                "run as the user that `mailwall run` runs as, or name another one",
            )
        }
    }
}

fn source(path: &Path) -> Finding {
    let topic = format!("source {}", path.display());
    match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => {
            ok(&topic, format!("can be read, {} bytes", metadata.len()))
        }
        Ok(_) => problem(&topic, "is not a file", "name a log file in [[source]]"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => warning(
            &topic,
            "does not exist",
            "it is read as soon as it does; is the mail server's log elsewhere, or only in the journal?",
        ),
        Err(error) => {
            let advice = "let the user that `mailwall run` runs as read it";
            problem(&topic, format!("cannot be read ({error})"), advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(finding: &Finding) -> (Level, &str) {
        (finding.level, &finding.text)
    }

    #[test]
    fn missing_capabilities_are_named() {
        let root = privileges_in("Name:\tx\nCapEff:\t000001ffffffffff\n");
        assert_eq!(root.level, Level::Ok);
        let old_root = privileges_in("CapEff:\t0000000000201000\n");
        assert_eq!(old_root.level, Level::Ok);
        assert_eq!(
            summary(&privileges_in("CapEff:\t0000000000000000\n")),
            (
                Level::Problem,
                "lacks CAP_NET_ADMIN (to attach to interfaces) and CAP_BPF (to load programs and maps)"
            )
        );
    }

    #[test]
    fn an_old_kernel_is_a_warning() {
        assert_eq!(kernel_of("6.12.111+deb13-cloud-amd64").level, Level::Ok);
        assert_eq!(kernel_of("5.15.0").level, Level::Ok);
        assert_eq!(
            summary(&kernel_of("5.10.0-30-amd64")),
            (Level::Warning, "Linux 5.10.0-30-amd64, older than 5.15")
        );
        assert_eq!(kernel_of("odd").level, Level::Warning);
    }

    #[test]
    fn interfaces_are_told_apart_by_who_holds_them() {
        let with = |holder, mtu| {
            [Guardable {
                name: "eth0".to_owned(),
                mtu,
                holder,
            }]
        };
        let level = |holder, mtu| interface("eth0", &with(holder, mtu)).level;
        assert_eq!(level(Holder::Nobody, 1500), Level::Ok);
        assert_eq!(level(Holder::Nobody, 9000), Level::Warning);
        assert_eq!(level(Holder::Filter(AttachMode::Native), 1500), Level::Ok);
        assert_eq!(
            level(Holder::Filter(AttachMode::Generic), 1500),
            Level::Warning
        );
        assert_eq!(
            level(Holder::Other("`x`, number 3 (native)".to_owned()), 1500),
            Level::Problem
        );
        assert_eq!(
            summary(&interface("eth9", &with(Holder::Nobody, 1500))),
            (Level::Problem, "does not exist; known: eth0")
        );
    }

    #[test]
    fn folders_and_files_are_tried() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("mail.log");
        assert_eq!(source(&log).level, Level::Warning);
        fs::write(&log, "text").unwrap();
        assert_eq!(summary(&source(&log)), (Level::Ok, "can be read, 4 bytes"));
        assert_eq!(source(dir.path()).level, Level::Problem);

        assert_eq!(folder("state folder", dir.path()).level, Level::Ok);
        assert_eq!(
            folder("state folder", &dir.path().join("a/b")).level,
            Level::Ok
        );
        assert_eq!(folder("state folder", &log).level, Level::Problem);
        assert_eq!(folder("state folder", &log.join("a")).level, Level::Problem);
    }
}
