//! One run of the test programs under one kernel.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result};
use mailwall_tests::Stopwatch;

use super::{
    image::Image,
    initramfs::{self, ENDED},
    machine::{self, Ending},
    programs::Program,
    workshop::Workshop,
};
use crate::test::Tally;

/// How long a machine may take: many times what it needs.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// What came of a run.
pub struct Report {
    /// Results of the tests.
    pub tally: Tally,
    /// The file with what the machine said.
    pub log: PathBuf,
    /// How long it took.
    pub seconds: u64,
}

/// Boots a kernel with the test programs, and runs the tests whose name contains `filter`.
///
/// # Errors
/// When the machine cannot be made or started.
pub fn run(
    workshop: &Workshop,
    image: &Image,
    programs: &[Program],
    filter: Option<&str>,
) -> Result<Report> {
    let watch = Stopwatch::start();
    let log = workshop.product(&format!("console-{}", image.release));
    // Written as it comes, so that a run can be watched.
    let mut console = File::create(&log).with_context(|| format!("make {}", log.display()))?;
    let draft = workshop.draft()?;
    let initramfs = initramfs::make(&draft, image, programs, filter)?;
    let mut tally = Tally::default();
    let mut written = Ok(());
    let mut ended = HashMap::new();
    let ending = machine::boot(&image.kernel, &initramfs, LIMIT, |line| {
        if written.is_ok() {
            written = writeln!(console, "{line}");
        }
        tally.read(line);
        let told = line.strip_prefix(ENDED);
        ended.extend(told.and_then(|told| told.split_once(' ')).map(owned));
    })?;
    written.with_context(|| format!("write {}", log.display()))?;
    fs::remove_dir_all(&draft).with_context(|| format!("remove {}", draft.display()))?;
    for Program { name, .. } in programs {
        match ended.get(*name).map(String::as_str) {
            Some("0") => {}
            // The failed tests are counted and named already.
            Some(_) if tally.failed > 0 => {}
            Some(code) => tally.fail(format!("{name} ended with exit code {code}")),
            None => tally.fail(format!("{name} {}", ending.problem())),
        }
    }
    let seconds = watch.elapsed().as_secs();
    Ok(Report {
        tally,
        log,
        seconds,
    })
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
