//! What a process takes of the machine, as Linux tells it in `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// User and system time of a process, in steps of a clock tick (10 ms): fields 14 and 15 of its `stat`, counted from behind its
/// name.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat
        .rsplit_once(')')
        .context("read the times of a process")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()
        .context("read the times of a process")?;
    // USER_HZ, which is 100 wherever Linux runs on a mail host.
    Ok(Duration::from_millis(ticks * 10))
}

/// Resident memory of a process, in MB.
///
/// # Errors
/// When there is no such process.
pub fn resident_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kb = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .context("read the memory of a process")?;
    Ok(kb.trim().parse::<f64>()? / 1024.0)
}
