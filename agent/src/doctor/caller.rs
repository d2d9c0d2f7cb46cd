//! What this process may look at.

use std::fs;

use super::{Finding, ok, problem};

/// Numbers of include/uapi/linux/capability.h.
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_RESOURCE: u32 = 24;
const CAP_BPF: u32 = 39;
/// All of 32 bits: the user ids of the namespace that the host began with.
const WHOLE_RANGE: &str = "4294967295";

/// Who looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    is_root: bool,
    /// Whether its root is that of the host, not of a user namespace.
    is_of_host: bool,
    capabilities: u64,
}

impl Caller {
    /// This process.
    pub fn this_process() -> Self {
        let read = |name| fs::read_to_string(format!("/proc/thread-self/{name}"));
        Self::read(
            &read("status").unwrap_or_default(),
            &read("uid_map").unwrap_or_default(),
        )
    }

    fn read(status: &str, uid_map: &str) -> Self {
        let value = |name| status.lines().find_map(|line| line.strip_prefix(name));
        // Real, effective, saved and file system's.
        let uid = value("Uid:").and_then(|ids| ids.split_whitespace().nth(1));
        let capabilities =
            value("CapEff:").and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
        let identity = ["0", "0", WHOLE_RANGE];
        Self {
            is_root: uid == Some("0"),
            is_of_host: uid_map.is_empty() || uid_map.split_whitespace().eq(identity),
            capabilities: capabilities.unwrap_or(0),
        }
    }

    /// Whether the kernel takes programs and maps of it, and tells it of those of others.
    pub fn may_use_bpf(self) -> bool {
        self.is_of_host && self.lacks().is_empty()
    }

    /// Whether it may look into the files and processes of everybody.
    pub fn is_root(self) -> bool {
        self.is_root
    }

    /// Whether limits are none to it.
    pub fn may_raise_limits(self) -> bool {
        self.has(CAP_SYS_RESOURCE)
    }

    /// As a finding.
    pub fn privileges(self) -> Finding {
        const TOPIC: &str = "privileges";
        if !self.is_root && !self.may_use_bpf() {
            let text = "not root: BPF, XDP hooks and other users' processes were not looked at";
            return problem(TOPIC, text, "sudo mailwall doctor");
        }
        let lacks = self.lacks();
        if !lacks.is_empty() {
            let advice = "give them to the service or container, or run mailwall on the host";
            return problem(TOPIC, format!("lacks {}", lacks.join(" and ")), advice);
        }
        if !self.is_of_host {
            let text = "root of a user namespace only, from which the kernel takes no BPF";
            return problem(TOPIC, text, "run mailwall on the host, as its root");
        }
        ok(TOPIC, "may load programs and attach them")
    }

    fn has(self, capability: u32) -> bool {
        self.capabilities >> capability & 1 == 1
    }

    fn lacks(self) -> Vec<&'static str> {
        let mut lacks = Vec::new();
        if !self.has(CAP_NET_ADMIN) {
            lacks.push("CAP_NET_ADMIN (to attach)");
        }
        // What it was before 5.8, and still contains.
        if !self.has(CAP_BPF) && !self.has(CAP_SYS_ADMIN) {
            lacks.push("CAP_BPF (to load programs)");
        }
        lacks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "         0          0 4294967295\n";

    #[track_caller]
    fn check(uid: &str, capabilities: &str, uid_map: &str, expected: &str) {
        let status = format!("Name:\tx\nUid:\t1000\t{uid}\t0\t0\nCapEff:\t{capabilities}\n");
        let found = Caller::read(&status, uid_map).privileges();
        assert_eq!(
            format!("{}: {}", found.level.as_str(), found.text),
            expected
        );
    }

    #[test]
    fn what_is_lacking_is_named() {
        let fine = "ok: may load programs and attach them";
        check("0", "000001ffffffffff", HOST, fine);
        // Before CAP_BPF, and a service user who was given what it takes.
        check("0", "0000000000201000", HOST, fine);
        check("998", "0000008000001000", HOST, fine);
        check(
            "0",
            "0000000000000000",
            HOST,
            "problem: lacks CAP_NET_ADMIN (to attach) and CAP_BPF (to load programs)",
        );
        check(
            "0",
            "000001ffffffffff",
            "0 100000 65536\n",
            "problem: root of a user namespace only, from which the kernel takes no BPF",
        );
        check(
            "1000",
            "0000000000000000",
            HOST,
            "problem: not root: BPF, XDP hooks and other users' processes were not looked at",
        );
    }
}
