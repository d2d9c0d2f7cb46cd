//! How much is measured, and how.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use nix::{
    sys::resource::{UsageWho, getrusage},
    time::{ClockId, clock_gettime},
};

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Lines of a log.
    pub lines: u64,
    /// Hosts that the judge is to track.
    pub hosts: u64,
    /// Turns of which the best counts.
    pub rounds: usize,
}

impl Effort {
    /// A whole run, or a quick one.
    pub fn new(quick: bool) -> Self {
        match quick {
            true => Self {
                lines: 200_000,
                hosts: 1_000_000,
                rounds: 2,
            },
            false => Self {
                lines: 1_000_000,
                hosts: 1_000_000,
                rounds: 7,
            },
        }
    }

    /// The CPU time of the best turn of `work`, and what it came to.
    pub fn best<T>(self, mut work: impl FnMut() -> T) -> (Duration, T) {
        let mut best = measured(&mut work);
        for _ in 1..self.rounds {
            let again = measured(&mut work);
            if again.0 < best.0 {
                best = again;
            }
        }
        best
    }
}

/// What `work` took of this thread's CPU time, which what else the machine does hardly touches.
pub fn measured<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = cpu_time();
    let result = work();
    (cpu_time().saturating_sub(start), result)
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .expect("every Linux has CLOCK_THREAD_CPUTIME_ID")
        .into()
}

/// CPU time of all processes that were started and ended.
pub fn cpu_time_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("ask for the time of children")?;
    let time = |time: nix::sys::time::TimeVal| {
        Duration::new(
            u64::try_from(time.tv_sec()).unwrap_or(0),
            u32::try_from(time.tv_usec()).unwrap_or(0) * 1_000,
        )
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}

/// A field of `/proc/PID/status` that counts kilobytes, in megabytes.
pub fn memory_mb(pid: &str, field: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kb = status
        .lines()
        .find_map(|line| {
            line.strip_prefix(field)?
                .strip_prefix(':')?
                .trim()
                .strip_suffix(" kB")
        })
        .with_context(|| format!("{field} of process {pid}"))?;
    Ok(kb.trim().parse::<f64>()? / 1024.0)
}
