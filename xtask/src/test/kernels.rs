//! `cargo xtask test --kernels`: the filter tests under the kernels of Debian's releases, each booted in an emulated machine
//! with nothing in it but the tests.

mod image;
mod initramfs;
mod machine;
mod programs;

use std::{collections::HashMap, time::Duration};

use anyhow::{Result, ensure};
use image::Image;
use initramfs::ENDED;
use machine::Ending;
use mailwall_tests::Stopwatch;
use programs::Program;

use super::{Tally, heading};
use crate::{apt, skips::Skips};

/// A kernel that users run.
struct Kernel {
    /// Its version, without the last number.
    series: &'static str,
    /// Debian's release that it is the kernel of.
    suite: &'static str,
}

/// The kernels that the filter is tested under.
const KERNELS: [Kernel; 2] = [
    Kernel {
        series: "6.1",
        suite: "bookworm",
    },
    Kernel {
        series: "6.12",
        suite: "trixie",
    },
];

/// How long a machine may take: many times what it needs.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Runs the filter tests whose name contains `filter` under every kernel that can be had.
///
/// # Errors
/// When the tests cannot be built.
pub fn run(tally: &mut Tally, skips: &mut Skips, filter: Option<&str>) -> Result<()> {
    if let Err(error) = prepare() {
        for kernel in &KERNELS {
            skips.add(&kernel.what(), &format!("{error:#}"));
        }
        return Ok(());
    }
    heading("building the filter tests, for machines without libraries");
    let programs = programs::build()?;
    for kernel in &KERNELS {
        match image::ensure(kernel.series, kernel.suite) {
            Ok(image) => kernel.test(&image, &programs, filter, tally)?,
            Err(error) => skips.add(&kernel.what(), &format!("{error:#}")),
        }
    }
    Ok(())
}

fn prepare() -> Result<()> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "kernels are only fetched for x86-64"
    );
    apt::ensure(&apt::TEST_BED)?;
    apt::ensure(&apt::KERNELS)
}

impl Kernel {
    fn what(&self) -> String {
        format!("the filter tests under Linux {}", self.series)
    }

    fn test(
        &self,
        image: &Image,
        programs: &[Program],
        filter: Option<&str>,
        tally: &mut Tally,
    ) -> Result<()> {
        heading(&format!("filter tests under Linux {}", image.release));
        let watch = Stopwatch::start();
        let initramfs = initramfs::make(image, programs, filter)?;
        let mut here = Tally::default();
        let mut ended = HashMap::new();
        let ending = machine::boot(&image.kernel, &initramfs, LIMIT, |line| {
            println!("{line}");
            here.read(line);
            let told = line.strip_prefix(ENDED);
            ended.extend(told.and_then(|told| told.split_once(' ')).map(owned));
        })?;
        for Program { name, .. } in programs {
            match ended.get(*name).map(String::as_str) {
                Some("0") => {}
                // The failed tests are counted and named already.
                Some(_) if here.failed > 0 => {}
                Some(code) => here.fail(format!("{name} ended with exit code {code}")),
                None => here.fail(format!("{name} {}", ending.problem())),
            }
        }
        tally.add(&format!("under Linux {}", self.series), here);
        println!("took {} s", watch.elapsed().as_secs());
        Ok(())
    }
}

fn owned((name, code): (&str, &str)) -> (String, String) {
    (name.to_owned(), code.to_owned())
}

impl Ending {
    fn problem(self) -> String {
        match self {
            Self::Off => "was not done when the machine went off".to_owned(),
            Self::Stopped => format!("was not done after {} s", LIMIT.as_secs()),
        }
    }
}
