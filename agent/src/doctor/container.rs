//! Whether all this happens in a container. What its interface gets has been through the host's bridge, and maybe through its
//! address rewriting.

use std::{fs, path::Path};

use super::{Finding, warning};

/// Parts of the control group of a container's first process, and who makes such.
const GROUPS: [(&str, &str); 5] = [
    ("docker", "docker"),
    ("libpod", "podman"),
    ("kubepods", "kubernetes"),
    ("lxc", "lxc"),
    ("machine.slice", "systemd-nspawn"),
];

/// A warning about the interface to guard, which is the inner end of a container's cable.
pub(super) fn cable_end(interface: &str, kind: &str) -> Finding {
    warning(
        "container",
        format!("{interface} is a {kind} container's: it sees what the host's bridge lets through"),
        "run mailwall on the host, on the interface to the outside",
    )
}

/// Of which kind the container is in which this process runs, if it does.
pub(super) fn kind(root: &Path) -> Option<String> {
    // Made by the runtimes themselves: Docker's, Podman's, systemd's of every kind it knows.
    if root.join(".dockerenv").exists() {
        return Some("docker".to_owned());
    }
    if root.join("run/.containerenv").exists() {
        return Some("podman".to_owned());
    }
    if let Ok(kind) = fs::read_to_string(root.join("run/systemd/container")) {
        return Some(kind.trim().to_owned());
    }
    // With a namespace of its own for control groups, the path of process 1 is `/`, which tells nothing.
    let groups = fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default();
    let is_in = |part: &str| {
        groups
            .lines()
            .any(|line| line.contains(&format!("/{part}")))
    };
    let known = GROUPS.iter().find(|(part, _)| is_in(part));
    known.map(|(_, kind)| (*kind).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_known_by_what_their_makers_leave() {
        for (file, text, expected) in [
            ("etc/hostname", "mx", None),
            (".dockerenv", "", Some("docker")),
            ("run/.containerenv", "", Some("podman")),
            ("run/systemd/container", "lxc\n", Some("lxc")),
            ("proc/1/cgroup", "0::/init.scope\n", None),
            ("proc/1/cgroup", "0::/\n", None),
            (
                "proc/1/cgroup",
                "9:cpu:/\n4:memory:/docker/4c01\n",
                Some("docker"),
            ),
            (
                "proc/1/cgroup",
                "0::/kubepods.slice/pod1\n",
                Some("kubernetes"),
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            assert_eq!(kind(root.path()).as_deref(), expected, "{file}");
        }
    }
}
