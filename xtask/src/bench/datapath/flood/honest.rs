//! An honest client while the flood runs: it connects, and its message is taken.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use mailwall_tests::{MailServer, Outcome, RECIPIENTS, Stopwatch, eventually};

use super::{contender::Contender, generator::Generator};
use crate::bench::{
    report::{Cell, Limit, Report, Table},
    samples::Samples,
};

/// What a session under the flood may take of one without.
const LIMIT: f64 = 2.0;
/// An address that is not banned.
const ADDRESS: &str = "203.0.113.7";
/// Frames that are sent at once: the flood ends within a moment of its being asked to.
const BURST: u32 = 50_000;
/// How long the flood may take to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(30);

/// Measures sessions without and with the flood.
///
/// # Errors
/// When there is no mail server, or a message is not taken.
pub fn run(
    contender: &Contender,
    generator: &Generator,
    sessions: usize,
    report: &mut Report,
) -> Result<()> {
    let road = &contender.road;
    let bed = &road.bed;
    let server = MailServer::start(bed)?;
    let client = bed.client(ADDRESS);
    let session = || -> Result<Duration> {
        let watch = Stopwatch::start();
        let outcome = client.send(RECIPIENTS[1])?;
        ensure!(outcome == Outcome::Delivered, "a message met {outcome:?}");
        Ok(watch.elapsed())
    };
    let measure = || -> Result<Samples> {
        let times: Result<Vec<Duration>> = (0..sessions).map(|_| session()).collect();
        Ok(Samples::new(times?))
    };
    session().context("a first message")?;
    let idle = measure()?;
    let (end, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (flooded, dropped, took) = thread::scope(|scope| {
        let flood = scope.spawn(|| -> Result<Duration> {
            let watch = Stopwatch::start();
            while !end.load(Ordering::Relaxed) {
                generator.send(road, BURST)?;
                sent.fetch_add(BURST.into(), Ordering::Relaxed);
            }
            Ok(watch.elapsed())
        });
        let sessions = || -> Result<(Samples, u64)> {
            eventually("the flood", BEGINS_WITHIN, || {
                Ok((sent.load(Ordering::Relaxed) > 0).then_some(()))
            })?;
            let before = contender.dropped()?;
            let samples = measure()?;
            Ok((samples, contender.dropped()? - before))
        };
        let flooded = sessions();
        end.store(true, Ordering::Relaxed);
        let took = flood
            .join()
            .map_err(|_panic| anyhow!("the sender panicked"))??;
        let (samples, dropped) = flooded?;
        Ok::<_, anyhow::Error>((samples, dropped, took))
    })?;
    ensure!(dropped > 0, "nothing was dropped while the sessions ran");
    let mut table = Table::new(
        "honest_client",
        format!(
            "An honest client's session, as far as its message is taken, without and with {:.1} million banned SYNs/s sent",
            sent.load(Ordering::Relaxed) as f64 / took.as_secs_f64() / 1e6
        ),
        &[
            ("when", "WHEN"),
            ("median_ms", "MEDIAN MS"),
            ("p90_ms", "90 % MS"),
            ("worst_ms", "WORST MS"),
            ("sessions", "SESSIONS"),
        ],
    );
    for (when, samples) in [("idle", &idle), ("flood", &flooded)] {
        let ms = |time: Duration| Cell::Number(time.as_secs_f64() * 1000.0, 2);
        table.row(vec![
            Cell::text_of(when),
            ms(samples.median()),
            ms(samples.percentile(90)),
            ms(samples.percentile(100)),
            Cell::count(samples.len() as u64),
        ]);
    }
    report.table(table);
    report.target(
        "an honest session in the flood",
        flooded.median().as_secs_f64() / idle.median().as_secs_f64(),
        "times its idle time",
        Limit::AtMost(LIMIT),
    );
    drop(server);
    Ok(())
}
