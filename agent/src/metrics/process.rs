//! What the agent itself takes of the host.

use std::{fs, time::Duration};

use nix::sys::resource::{UsageWho, getrusage};

/// What a process takes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Processor time, its own and the kernel's for it.
    pub cpu: Duration,
}

impl Usage {
    /// That of this process; zero where the host does not say.
    pub fn of_agent() -> Self {
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .unwrap_or_default();
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
        let page = page
            .ok()
            .flatten()
            .and_then(|page| u64::try_from(page).ok());
        let cpu = getrusage(UsageWho::RUSAGE_SELF).map(|usage| {
            let [user, system] = [usage.user_time(), usage.system_time()];
            let us = |us: i64| Duration::from_micros(u64::try_from(us).unwrap_or_default());
            let s = |s: i64| Duration::from_secs(u64::try_from(s).unwrap_or_default());
            s(user.tv_sec()) + us(user.tv_usec()) + s(system.tv_sec()) + us(system.tv_usec())
        });
        Self {
            resident_bytes: pages * page.unwrap_or(4096),
            cpu: cpu.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn a_process_takes_memory() {
        assert!(Usage::of_agent().resident_bytes > 100_000);
    }
}
