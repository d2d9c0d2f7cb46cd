//! `mailwall analyze` as it is run: on one CPU and on all, and the memory it takes for a log and for one ten times as long.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use mailwall_tests::Stopwatch;
use nix::sched::CpuSet;

use super::{
    effort::{Effort, cpu_time_of_children, memory_mb},
    last_of,
    mix::{self, Hosts, Log, Program},
    pin,
};
use crate::{
    bench::report::{Cell, Limit, Report, Table},
    repository,
};

/// How much longer the long log is.
const LONGER: u64 = 10;
/// How much more memory it may take.
const MEMORY: f64 = 1.5;
/// Pause between two looks at a process.
const PAUSE: Duration = Duration::from_millis(2);

/// What a run took.
struct Run {
    wall: Duration,
    cpu: Duration,
    peak_mb: f64,
}

/// Measures.
///
/// # Errors
/// When `mailwall analyze` fails.
pub fn run(effort: Effort, all: &CpuSet, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = mix::log(Program::Postfix, Hosts::Few, effort.lines);
    let (short, long) = (
        folder.path().join("short.log"),
        folder.path().join("long.log"),
    );
    write(&log, 1, &short)?;
    write(&log, LONGER, &long)?;
    let lines = log.lines().len() as f64;
    let mut table = Table::new(
        "analyze",
        "mailwall analyze --json, Postfix's lines of 1,200 bad hosts",
        &[
            ("cpus", "CPUS"),
            ("lines", "LINES"),
            ("wall_s", "WALL S"),
            ("cpu_s", "CPU S"),
            ("lines_per_s", "LINES/S"),
            ("peak_mb", "PEAK MB"),
        ],
    );
    let mut peaks = Vec::new();
    for (name, cpus) in [("one", last_of(all)?), ("all", *all)] {
        pin(&cpus)?;
        for (path, times) in [(&short, 1), (&long, LONGER)] {
            let lines = lines * times as f64;
            let run = analyze(folder.path(), path)?;
            table.row(vec![
                Cell::text_of(name),
                Cell::Number(lines, 0),
                Cell::Number(run.wall.as_secs_f64(), 2),
                Cell::Number(run.cpu.as_secs_f64(), 2),
                Cell::Number(lines / run.wall.as_secs_f64(), 0),
                Cell::Number(run.peak_mb, 1),
            ]);
            peaks.push(run.peak_mb);
        }
    }
    report.table(table);
    if let [short, long, ..] = peaks[..] {
        let what = "analyze, memory of a log ten times as long";
        report.target(what, long / short, "times", Limit::AtMost(MEMORY));
    }
    Ok(())
}

/// Writes the log so many times over: bans end in between, or are met again.
fn write(log: &Log, times: u64, path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..times {
        file.write_all(log.text())?;
    }
    Ok(())
}

fn analyze(folder: &Path, path: &Path) -> Result<Run> {
    let binary = repository::target().join("release/mailwall");
    let config = folder.join("mailwall.toml");
    File::create(&config)?;
    let before = cpu_time_of_children()?;
    let watch = Stopwatch::start();
    let mut child = Command::new(&binary)
        .arg("analyze")
        .arg("--json")
        .arg("--config")
        .arg(&config)
        .arg(path)
        .env("TZ", "UTC")
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("start {}", binary.display()))?;
    let pid = child.id().to_string();
    let mut peak_mb = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // The field is gone once the process has ended.
        peak_mb = peak_mb.max(memory_mb(&pid, "VmHWM").unwrap_or(0.0));
        thread::sleep(PAUSE);
    };
    let wall = watch.elapsed();
    ensure!(status.success(), "mailwall analyze: {status}");
    Ok(Run {
        wall,
        cpu: cpu_time_of_children()?.saturating_sub(before),
        peak_mb,
    })
}
