//! Whether the memory of the filter's maps can be had: the kernel counts it against the control group of who makes them,
//! before 5.11 against a limit of the process.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use mailwall_common::{MAPS, MapKind, MapShape};

use super::{Caller, Finding, kernel::Features, ok, problem, warning};
use crate::filter::probe::Feature;

const TOPIC: &str = "memory";
const MIB: u64 = 1 << 20;
/// `BPF_F_NO_PREALLOC`: memory grows with the entries.
const NO_PREALLOC: u32 = 1;
/// What maps that grow, full of bans, and the agent come to beside what the maps take at once.
const ROOM: u64 = 64 * MIB;
/// What the first version of control groups calls no limit: the most whole pages of an i64.
const UNLIMITED: u64 = 1 << 60;

/// Whether the limits leave room for the maps.
pub(super) fn memory(caller: Caller, features: &Features) -> Finding {
    let groups = fs::read_to_string("/proc/thread-self/cgroup").unwrap_or_default();
    let need = need();
    if counts_locked_memory(features)
        && !caller.may_raise_limits()
        && let Some(found) = locked(need, limit_of_process())
    {
        return found;
    }
    grouped(need, limit_of_group(Path::new("/"), &groups))
}

/// Memory was counted against the limit until 5.11, in which the coarse clock came too; libbpf tells it in this way.
fn counts_locked_memory(features: &Features) -> bool {
    features
        .iter()
        .any(|(feature, there)| *feature == Feature::CoarseClock && matches!(there, Ok(false)))
}

fn locked(need: u64, limit: u64) -> Option<Finding> {
    (limit < need).then(|| {
        problem(
            TOPIC,
            format!(
                "{} may be locked (RLIMIT_MEMLOCK); the maps take {}",
                mib(limit),
                mib(need)
            ),
            "LimitMEMLOCK=infinity in the service; `ulimit -l unlimited` in a shell",
        )
    })
}

fn grouped(need: u64, limit: Option<(PathBuf, u64)>) -> Finding {
    let takes = format!("the maps take {}", mib(need));
    match limit {
        Some((file, limit)) if limit < need + ROOM => {
            let text = format!("{takes}; {} allows {}", file.display(), mib(limit));
            let advice = format!("give the service {} or more (MemoryMax=)", mib(need + ROOM));
            if limit < need {
                problem(TOPIC, text, &advice)
            } else {
                warning(TOPIC, text, &advice)
            }
        }
        Some(_) | None => ok(TOPIC, takes),
    }
}

/// Bytes that the maps take before they hold anything.
fn need() -> u64 {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    MAPS.iter().map(|shape| bytes(shape, cpus as u64)).sum()
}

fn bytes(shape: &MapShape, cpus: u64) -> u64 {
    if shape.flags & NO_PREALLOC != 0 {
        return 0;
    }
    let values = u64::from(shape.max_entries) * u64::from(shape.value_size).next_multiple_of(8);
    if shape.kind == MapKind::PerCpuArray {
        values * cpus
    } else {
        values
    }
}

fn limit_of_process() -> u64 {
    let limits = fs::read_to_string("/proc/thread-self/limits").unwrap_or_default();
    locked_memory_in(&limits)
}

/// `Max locked memory         8388608              8388608              bytes`; what cannot be read is no limit.
fn locked_memory_in(limits: &str) -> u64 {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(u64::MAX)
}

/// The least limit of the groups above this process, and where it stands. `groups` is its /proc/PID/cgroup.
fn limit_of_group(root: &Path, groups: &str) -> Option<(PathBuf, u64)> {
    // `hierarchy:controllers:path`; the second version has hierarchy 0 and no controllers.
    let lines = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?.trim_start_matches('/')))
    });
    let mut least: Option<(PathBuf, u64)> = None;
    for (controllers, group) in lines {
        let (top, file) = if controllers.is_empty() {
            (root.join("sys/fs/cgroup"), "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        for dir in top
            .join(group)
            .ancestors()
            .take_while(|dir| dir.starts_with(&top))
        {
            let file = dir.join(file);
            let limit = fs::read_to_string(&file).ok();
            // `max` is no number, and no limit.
            let limit = limit.and_then(|limit| limit.trim().parse().ok());
            if let Some(limit) = limit.filter(|limit| *limit < UNLIMITED)
                && least.as_ref().is_none_or(|(_, least)| limit < *least)
            {
                least = Some((file, limit));
            }
        }
    }
    least
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(MIB))
}

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = root.path().join("sys/fs/cgroup").join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let limit = |groups| limit_of_group(root.path(), groups).map(|(_, limit)| limit);
        assert_eq!(limit("0::/system.slice/x.service\n"), None);
        write("system.slice/x.service/memory.max", "max\n");
        write("system.slice/memory.max", "33554432\n");
        write("memory.max", "67108864\n");
        assert_eq!(limit("0::/system.slice/x.service\n"), Some(32 * MIB));
        write("memory/lxc/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/memory.limit_in_bytes", "1048576\n");
        assert_eq!(limit("9:cpu:/\n4:cpuset,memory:/lxc\n"), Some(MIB));
    }

    #[test]
    fn a_limit_is_compared_with_what_the_maps_take() {
        let level = |limit| {
            let limit = Some(("memory.max".into(), limit));
            grouped(60 * MIB, limit).level
        };
        assert_eq!(level(60 * MIB - 1), Level::Problem);
        assert_eq!(level(61 * MIB), Level::Warning);
        assert_eq!(level(124 * MIB), Level::Ok);
        assert_eq!(grouped(60 * MIB, None).text, "the maps take 60 MiB");

        let limits =
            "Limit   Soft Limit  Hard Limit  Units\nMax locked memory   65536   65536   bytes\n";
        assert_eq!(locked_memory_in(limits), 65536);
        assert!(locked(MIB, 65536).is_some());
        let none = "Max locked memory         unlimited            unlimited            bytes\n";
        assert!(locked(MIB, locked_memory_in(none)).is_none());
    }

    #[test]
    fn only_maps_that_do_not_grow_take_memory_at_once() {
        let shape = |kind, value_size, flags| MapShape {
            name: "X",
            kind,
            key_size: 4,
            value_size,
            max_entries: 100,
            flags,
            is_derived: false,
        };
        assert_eq!(bytes(&shape(MapKind::Array, 12, 0), 4), 1600);
        assert_eq!(bytes(&shape(MapKind::PerCpuArray, 8, 0), 4), 3200);
        assert_eq!(bytes(&shape(MapKind::LpmTrie, 4, NO_PREALLOC), 4), 0);
    }
}
