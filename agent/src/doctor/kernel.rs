//! What the kernel lets this process do.

use std::{fs, path::Path};

use super::{Finding, ok, problem, warning};
use crate::filter::probe;

/// The oldest kernel that the filter is meant for: it needs what came up to 5.11, and 5.15 is the oldest that is tried.
const OLDEST_KERNEL: (u32, u32) = (5, 15);
/// Numbers of include/uapi/linux/capability.h.
const CAPABILITIES: [(u32, &str, &str); 2] = [
    (12, "CAP_NET_ADMIN", "attach to interfaces"),
    (39, "CAP_BPF", "load programs and maps"),
];
const CAP_SYS_ADMIN: u32 = 21;

pub(super) fn privileges() -> Finding {
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

pub(super) fn kernel() -> Finding {
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

pub(super) fn jit() -> Finding {
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

pub(super) fn btf() -> Finding {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        return ok("kernel types", "the kernel describes its types (BTF)");
    }
    warning(
        "kernel types",
        "the kernel does not describe its types (BTF)",
        "not needed for the filter; tools such as bpftool show less",
    )
}

pub(super) fn bpffs(dir: &Path) -> Finding {
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

pub(super) fn program() -> Finding {
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

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

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
}
