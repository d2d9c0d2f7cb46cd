//! What the kernel can do, as far as the filter needs it.

use std::{fs, io, path::Path};

use super::{Finding, ok, problem, warning};
use crate::filter::{
    FilterError, TracepointError,
    probe::{self, Feature, Loaded},
};

const TOPIC: &str = "kernel";
const NEWER: &str = "take a newer kernel; mailwall is tried on Linux 5.10 and later";

/// Whether each part is there.
pub(super) type Features = Vec<(Feature, io::Result<bool>)>;

/// Tries every part.
pub(super) fn try_features() -> Features {
    let tried = |feature: Feature| (feature, feature.is_there());
    Feature::ALL.map(tried).into()
}

/// One line when everything is there, else one for each thing that is not.
pub(super) fn features(features: &Features) -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    features_of(release.trim(), features)
}

fn features_of(release: &str, features: &Features) -> Vec<Finding> {
    let mut findings: Vec<Finding> = features
        .iter()
        .filter_map(|(feature, is_there)| match is_there {
            Ok(true) => None,
            Ok(false) => Some(lack(*feature)),
            Err(error) => Some(untold(*feature, error)),
        })
        .collect();
    if findings.iter().all(|finding| finding.advice.is_none()) {
        let whole = ok(TOPIC, format!("Linux {release} has what the filter needs"));
        findings.insert(0, whole);
    }
    findings
}

fn name(feature: Feature) -> &'static str {
    match feature {
        Feature::Xdp => "XDP programs",
        Feature::XdpLinks => "links for XDP programs",
        Feature::Maps => "BPF hashes and arrays",
        Feature::Tries => "BPF tries",
        Feature::SharedArrays => "BPF arrays in shared memory",
        Feature::Clock => "clock for XDP programs",
        Feature::CoarseClock => "coarse clock for XDP programs",
        Feature::Ring => "BPF ring buffer",
        Feature::TrafficControl => "BPF in the traffic control",
        Feature::Tracepoints => "BPF at tracepoints",
    }
}

/// What it means that a part is missing.
fn lack(feature: Feature) -> Finding {
    let text = |so| format!("no {}: {so}", name(feature));
    match feature {
        Feature::Xdp
        | Feature::XdpLinks
        | Feature::Maps
        | Feature::Tries
        | Feature::SharedArrays
        | Feature::Clock => problem(TOPIC, text("the filter cannot work"), NEWER),
        Feature::CoarseClock => ok(TOPIC, text("the plain one is read, some ns slower")),
        Feature::Ring => warning(
            TOPIC,
            text("connection limits cannot report; bans work"),
            NEWER,
        ),
        Feature::TrafficControl => warning(
            TOPIC,
            text("no way round another XDP program"),
            "matters only where an XDP hook is taken; CONFIG_NET_CLS_BPF has it",
        ),
        Feature::Tracepoints => warning(
            TOPIC,
            text("open connections cannot be counted; bans work"),
            "a kernel with CONFIG_BPF_EVENTS that is not locked down can",
        ),
    }
}

fn untold(feature: Feature, error: &io::Error) -> Finding {
    warning(
        TOPIC,
        format!("cannot tell whether it has {} ({error})", name(feature)),
        "does a sandbox (seccomp, SELinux, lockdown) keep mailwall from BPF?",
    )
}

/// Whether the kernel takes the program itself.
pub(super) fn program() -> Finding {
    program_of(probe::load())
}

fn program_of(loaded: Result<Loaded, FilterError>) -> Finding {
    const TOPIC: &str = "program";
    match loaded {
        Ok(loaded) if !loaded.is_compiled => warning(
            TOPIC,
            "the kernel takes it, but interprets it: several times slower",
            "sysctl -w net.core.bpf_jit_enable=1",
        ),
        Ok(loaded) => {
            let verified = loaded
                .verified_instructions
                .map(|count| format!(": {count} instructions verified, compiled"));
            let verified = verified.unwrap_or_default();
            ok(TOPIC, format!("the kernel takes it{verified}"))
        }
        Err(error) => problem(
            TOPIC,
            format!("{:#}", anyhow::Error::from(error)),
            "mail flows, but nothing is filtered until this works",
        ),
    }
}

/// Whether the kernel tells its types. Nothing here needs them, so it is no warning when it does not.
pub(super) fn types(root: &Path) -> Finding {
    const TOPIC: &str = "kernel types";
    if root.join("sys/kernel/btf/vmlinux").exists() {
        return ok(TOPIC, "described (BTF)");
    }
    ok(TOPIC, "not described (no BTF); only bpftool misses them")
}

/// Whether the kernel keeps programs from reading its memory; nothing when it does not.
pub(super) fn lockdown(root: &Path) -> Option<Finding> {
    let levels = fs::read_to_string(root.join("sys/kernel/security/lockdown")).ok()?;
    // The level in force stands in brackets. The lower one, `integrity`, lets programs read.
    levels.contains("[confidentiality]").then(|| {
        warning(
            "lockdown",
            "no program may read kernel memory: open connections are not counted; bans work",
            "lockdown=integrity on the kernel's command line would do",
        )
    })
}

/// Whether open connections can be counted.
pub(super) fn tracepoint() -> Finding {
    tracepoint_of(probe::tracepoint())
}

fn tracepoint_of(found: Result<(), TracepointError>) -> Finding {
    const TOPIC: &str = "tracepoint";
    match found {
        Ok(()) => ok(TOPIC, "the kernel tells of connections, to count them"),
        Err(error) => warning(
            TOPIC,
            format!(
                "{:#}; limits only see SYNs, bans work",
                anyhow::Error::from(error)
            ),
            NEWER,
        ),
    }
}

/// Whether the pins have a file system to be on.
pub(super) fn bpffs(dir: &Path) -> Finding {
    const TOPIC: &str = "BPF file system";
    let shown = dir.display();
    match probe::is_on_bpffs(dir) {
        Ok(true) => ok(TOPIC, format!("{shown} is on one")),
        Ok(false) => warning(
            TOPIC,
            format!("{shown} is not on one; `mailwall run` mounts it"),
            "to have it from boot, mount type bpf on /sys/fs/bpf",
        ),
        Err(error) => problem(
            TOPIC,
            format!("{:#}", anyhow::Error::from(error)),
            "name another folder with --bpffs-dir",
        ),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{
        super::{Level, tests::shown},
        *,
    };

    #[track_caller]
    fn check(lacking: &[Feature], expected: &Expect) {
        let features = Feature::ALL
            .map(|feature| (feature, Ok(!lacking.contains(&feature))))
            .into();
        expected.assert_eq(&shown(&features_of("6.1.0-37-amd64", &features)));
    }

    #[test]
    fn a_kernel_that_has_everything_is_one_line() {
        check(
            &[],
            &expect![[r#"
                ok kernel: Linux 6.1.0-37-amd64 has what the filter needs
            "#]],
        );
        check(
            &[Feature::CoarseClock],
            &expect![[r#"
                ok kernel: Linux 6.1.0-37-amd64 has what the filter needs
                ok kernel: no coarse clock for XDP programs: the plain one is read, some ns slower
            "#]],
        );
    }

    #[test]
    fn each_thing_missing_is_a_line() {
        check(
            &[Feature::Ring, Feature::TrafficControl, Feature::XdpLinks],
            &expect![[r#"
                problem kernel: no links for XDP programs: the filter cannot work
                  => take a newer kernel; mailwall is tried on Linux 5.10 and later
                warning kernel: no BPF ring buffer: connection limits cannot report; bans work
                  => take a newer kernel; mailwall is tried on Linux 5.10 and later
                warning kernel: no BPF in the traffic control: no way round another XDP program
                  => matters only where an XDP hook is taken; CONFIG_NET_CLS_BPF has it
            "#]],
        );
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_no_lack() {
        let refused = io::Error::from_raw_os_error(libc::EPERM);
        let found = features_of("6.1", &vec![(Feature::Xdp, Err(refused))]);
        expect![[r#"
            warning kernel: cannot tell whether it has XDP programs (Operation not permitted (os error 1))
              => does a sandbox (seccomp, SELinux, lockdown) keep mailwall from BPF?
        "#]]
        .assert_eq(&shown(&found));
    }

    #[test]
    fn an_interpreted_program_is_a_warning() {
        let loaded = |is_compiled| {
            program_of(Ok(Loaded {
                verified_instructions: Some(2000),
                is_compiled,
            }))
        };
        assert_eq!(
            loaded(true).text,
            "the kernel takes it: 2000 instructions verified, compiled"
        );
        assert_eq!(loaded(false).level, Level::Warning);
    }

    #[test]
    fn without_the_tracepoint_limits_only_see_syns() {
        assert_eq!(tracepoint_of(Ok(())).level, Level::Ok);
        let missing = TracepointError::Format("it has no newstate".to_owned());
        let finding = tracepoint_of(Err(missing));
        assert_eq!(finding.level, Level::Warning);
        assert_eq!(
            finding.text,
            "the kernel's tracepoint sock:inet_sock_set_state has another record: it has no newstate; \
             limits only see SYNs, bans work"
        );
    }

    #[test]
    fn only_the_strict_lockdown_matters() {
        let root = tempfile::tempdir().unwrap();
        assert!(lockdown(root.path()).is_none());
        let security = root.path().join("sys/kernel/security");
        fs::create_dir_all(&security).unwrap();
        for (levels, expected) in [
            ("[none] integrity confidentiality\n", false),
            ("none [integrity] confidentiality\n", false),
            ("none integrity [confidentiality]\n", true),
        ] {
            fs::write(security.join("lockdown"), levels).unwrap();
            assert_eq!(lockdown(root.path()).is_some(), expected, "{levels}");
        }
    }
}
