//! The interfaces to guard.

use std::{fs, path::Path};

use super::{Finding, ok, problem, warning};
use crate::filter::{
    AttachMode,
    probe::{self, Guardable, Holder},
};

/// Bytes of a packet that drivers can still give to a program that sees one page: ena 3498, virtio 3506, veth 3520.
const NATIVE_MTU_MAX: u32 = 3498;
pub(super) fn interfaces(bpffs_dir: &Path, wanted: &[String]) -> Vec<Finding> {
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
        Holder::Filter(AttachMode::Tc) => warning(
            &topic,
            format!("{what}; guarded in tc mode, behind XDP, which costs more for each packet"),
            "XDP would be faster, where no other program has it: set attach = \"auto\"",
        ),
        Holder::Other(program) => problem(
            &topic,
            format!("{what}; another XDP program is attached: {program}"),
            "stop what put it there; an interface takes one XDP program; or set attach = \"auto\" or \"tc\"",
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

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

    fn summary(finding: &Finding) -> (Level, &str) {
        (finding.level, &finding.text)
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
}
