//! `cargo xtask test --kernels`: the filter tests under the kernels of Debian's releases, each booted in an emulated machine
//! with nothing in it but the tests.

mod archive;
mod guest;
mod image;
mod initramfs;
mod machine;
mod programs;
mod workshop;

use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use guest::Report;
use image::Image;
pub use machine::Ending;
pub use workshop::Workshop;

use super::{Tally, heading};
use crate::{apt, skips::Skips};

/// A kernel that users run.
struct Kernel {
    /// Its version, without the last number or numbers.
    series: &'static str,
    /// Debian's suites that may have it, the best first.
    suites: &'static [&'static str],
    availability: Availability,
}

/// How sure it is that the archive has a kernel.
#[derive(Clone, Copy)]
enum Availability {
    /// It is that of a release with full support: CI fails without it.
    Sure,
    /// The archive drops it one day, or replaces it.
    Unsure,
}

/// The kernels that the filter is tested under.
const KERNELS: [Kernel; 4] = [
    Kernel {
        series: "5.10",
        suites: &["bullseye-security", "bullseye"],
        availability: Availability::Unsure,
    },
    Kernel {
        series: "6.1",
        suites: &["bookworm-security", "bookworm"],
        availability: Availability::Sure,
    },
    Kernel {
        series: "6.12",
        suites: &["trixie-security", "trixie"],
        availability: Availability::Sure,
    },
    Kernel {
        series: "7",
        suites: &["trixie-backports", "forky", "sid"],
        availability: Availability::Unsure,
    },
];

/// Machines that run at a time at most: a machine keeps two processors busy at times, one most of the time.
const MACHINES_MAX: usize = 2;

/// Runs the filter tests whose name contains `filter` under every kernel that can be had.
///
/// # Errors
/// When the tests cannot be built.
pub fn run(tally: &mut Tally, skips: &mut Skips, filter: Option<&str>) -> Result<()> {
    heading("filter tests under other kernels");
    let workshop = match prepare() {
        Ok(workshop) => workshop,
        Err(error) => {
            for kernel in &KERNELS {
                kernel.skip(skips, &error);
            }
            return Ok(());
        }
    };
    let mut images = Vec::new();
    for kernel in &KERNELS {
        match Image::ensure(&workshop, kernel.series, kernel.suites) {
            Ok(image) => images.push((kernel, image)),
            Err(error) => kernel.skip(skips, &error),
        }
    }
    let programs = programs::build()?;
    let queue = Mutex::new(images.into_iter());
    let (out, reports) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..machines() {
            let out = out.clone();
            let (queue, workshop, programs) = (&queue, &workshop, &programs);
            scope.spawn(move || {
                // The lock is let go of before the machine runs.
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some((kernel, image)) = next() {
                    println!("booting Linux {}", image.release);
                    let report = guest::run(workshop, &image, programs, filter);
                    // The receiver goes last.
                    let _sent = out.send((kernel, image, report));
                }
            });
        }
        drop(out);
        for (kernel, image, report) in reports {
            kernel.conclude(&image, report?, tally)?;
        }
        Ok(())
    })
}

/// Boots the root of a Debian 12 under its own kernel; the root's first process is `/init`.
///
/// # Errors
/// When the kernel cannot be had, or the machine not be started.
pub fn boot_root(root: &Path, limit: Duration, hear: impl FnMut(&str)) -> Result<Ending> {
    let workshop = prepare()?;
    let Kernel { series, suites, .. } = KERNELS[1];
    let image = Image::ensure(&workshop, series, suites)?;
    let initramfs = workshop.draft()?.join("initramfs");
    initramfs::pack(root, &initramfs)?;
    machine::boot(&image.kernel, &initramfs, limit, hear)
}

/// What is needed to boot machines, and the folder for it.
///
/// # Errors
/// When they cannot be booted here.
pub fn prepare() -> Result<Workshop> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "kernels are only fetched for x86-64"
    );
    apt::ensure(&apt::TEST_BED)?;
    apt::ensure(&apt::KERNELS)?;
    Workshop::enter()
}

/// How many machines can run at a time.
fn machines() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let in_memory = free_memory_mib()
        .and_then(|free| usize::try_from(free / machine::MEMORY_MIB).ok())
        .unwrap_or(1);
    MACHINES_MAX.min(processors).min(in_memory).max(1)
}

fn free_memory_mib() -> Option<u64> {
    let told = fs::read_to_string("/proc/meminfo").ok()?;
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

impl Kernel {
    fn skip(&self, skips: &mut Skips, error: &anyhow::Error) {
        let what = format!("the filter tests under Linux {}", self.series);
        let why = format!("{error:#}");
        match self.availability {
            Availability::Sure => skips.add(&what, &why),
            Availability::Unsure => skips.add_pardonable(&what, &why),
        }
    }

    /// Says in one line what came of a run, or all of it when a test failed; and counts it.
    fn conclude(&self, image: &Image, report: Report, tally: &mut Tally) -> Result<()> {
        let Report {
            tally: here,
            log,
            seconds,
        } = report;
        if here.failed > 0 {
            let said = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
            println!("{}", String::from_utf8_lossy(&said));
        }
        println!(
            "Linux {}: {} passed, {} failed, {} skipped, {seconds} s; {}",
            image.release,
            here.passed,
            here.failed,
            here.skipped,
            log.display()
        );
        tally.add(&format!("under Linux {}", self.series), here);
        Ok(())
    }
}
