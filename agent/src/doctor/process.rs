//! Which processes hold a socket or a BPF program. Root sees those of everybody, others only their own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A process.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
}

/// Who holds what, each in the order of process numbers.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// By the inode of a socket.
    pub sockets: BTreeMap<u64, Vec<Process>>,
    /// By the number of an XDP program, held by itself or by its link.
    pub programs: BTreeMap<u32, Vec<Process>>,
}

/// Looks through the processes of `proc`, which is /proc. What ends meanwhile, or may not be seen, is left out.
pub(super) fn holders(proc: &Path) -> Holders {
    let mut holders = Holders::default();
    for (pid, dir) in processes(proc) {
        let name = fs::read_to_string(dir.join("comm")).unwrap_or_default();
        let process = Process {
            pid,
            name: name.trim_end().to_owned(),
        };
        for entry in fs::read_dir(dir.join("fd")).into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(entry.path()) else {
                continue;
            };
            let target = target.to_string_lossy();
            if let Some(inode) = socket(&target) {
                hold(holders.sockets.entry(inode).or_default(), &process);
            } else if is_bpf(&target)
                && let Ok(info) = fs::read_to_string(dir.join("fdinfo").join(entry.file_name()))
                && let Some(id) = program(&info)
            {
                hold(holders.programs.entry(id).or_default(), &process);
            }
        }
    }
    holders
}

/// Each once.
fn hold(holders: &mut Vec<Process>, process: &Process) {
    if holders.last() != Some(process) {
        holders.push(process.clone());
    }
}

fn processes(proc: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut processes: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect();
    processes.sort();
    processes
}

/// `socket:[12345]`
fn socket(target: &str) -> Option<u64> {
    let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

/// `anon_inode:bpf-prog`, `anon_inode:bpf_link`, in newer kernels `anon_inode:bpf-link`
fn is_bpf(target: &str) -> bool {
    target
        .strip_prefix("anon_inode:")
        .is_some_and(|kind| matches!(kind, "bpf-prog" | "bpf_link" | "bpf-link"))
}

/// `prog_id: 12`, with a tab
fn program(info: &str) -> Option<u32> {
    let id = info
        .lines()
        .find_map(|line| line.strip_prefix("prog_id:"))?;
    id.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn sockets_and_programs_lead_to_processes() {
        let proc = tempfile::tempdir().unwrap();
        let process = |pid: &str, name: &str, fds: &[&str]| {
            let dir = proc.path().join(pid);
            fs::create_dir_all(dir.join("fd")).unwrap();
            fs::create_dir_all(dir.join("fdinfo")).unwrap();
            fs::write(dir.join("comm"), format!("{name}\n")).unwrap();
            for (fd, target) in fds.iter().enumerate() {
                symlink(target, dir.join(format!("fd/{fd}"))).unwrap();
            }
        };
        process("412", "smtpd", &["socket:[77]"]);
        process("57", "master", &["socket:[77]", "socket:[77]", "/dev/null"]);
        process(
            "9",
            "xdp-loader",
            &["anon_inode:bpf_link", "anon_inode:bpf-prog"],
        );
        process("self", "x", &["socket:[77]"]);
        let info = proc.path().join("9/fdinfo/0");
        fs::write(
            info,
            "pos:\t0\nlink_type:\txdp\nlink_id:\t4\nprog_id:\t31\n",
        )
        .unwrap();

        let holders = holders(proc.path());
        let names = |held: &[Process]| -> Vec<String> {
            held.iter()
                .map(|process| format!("{} {}", process.pid, process.name))
                .collect()
        };
        assert_eq!(names(&holders.sockets[&77]), ["57 master", "412 smtpd"]);
        assert_eq!(names(&holders.programs[&31]), ["9 xdp-loader"]);
        assert_eq!((holders.sockets.len(), holders.programs.len()), (1, 1));
    }
}
