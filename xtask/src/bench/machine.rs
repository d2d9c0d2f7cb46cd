//! What the numbers were measured on.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::command;

/// The machine in a few words each.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn describe() -> Result<Value> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
            .map(|value| value.trim().to_owned())
    };
    let is_virtual = field("flags")
        .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let memory_kb = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))
        .and_then(|kb| kb.parse::<u64>().ok());
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(json!({
        "kernel": release.trim(),
        "cpu": field("model name"),
        "cpus": info.lines().filter(|line| line.starts_with("processor")).count(),
        "virtual": is_virtual,
        "memory_mb": memory_kb.map(|kb| kb / 1024),
        "spectre_v2": spectre_v2(),
        "rustc": rustc(),
    }))
}

/// How indirect calls are guarded, which every helper call and every netfilter hook pays for.
fn spectre_v2() -> Option<String> {
    let text = fs::read_to_string("/sys/devices/system/cpu/vulnerabilities/spectre_v2").ok()?;
    Some(text.trim().to_owned())
}

fn rustc() -> Option<String> {
    let version =
        command::run_quietly(std::process::Command::new("rustc").arg("--version")).ok()?;
    Some(version.trim().to_owned())
}
