//! Lines that flow into a log all the while.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};
use mailwall_tests::Stopwatch;

use crate::bench::logs::mix::{Hosts, Program, log};

/// Lines are written this often, as many as are due by then.
const EVERY: Duration = Duration::from_millis(5);
/// Different lines; then they come again.
const LINES: u64 = 200_000;
/// Length of the stamps in the log that is made up, `Feb  1 00:00:00`.
const STAMP: usize = 15;

/// See the module. It ends when it is dropped.
pub struct Flow {
    over: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    writer: Option<JoinHandle<Result<()>>>,
}

impl Flow {
    /// Writes so many lines a second to the end of `path`: Postfix's, one in four bad, stamped with the time.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn start(path: &Path, rate: u32) -> Result<Self> {
        let file = OpenOptions::new().append(true).open(path)?;
        let (over, written) = (Arc::default(), Arc::default());
        let (ends, counts) = (Arc::clone(&over), Arc::clone(&written));
        let writer = thread::spawn(move || write(file, rate, &ends, &counts));
        Ok(Self {
            over,
            written,
            writer: Some(writer),
        })
    }

    /// Lines so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When a line could not be written.
    pub fn stop(mut self) -> Result<()> {
        self.over.store(true, Ordering::Relaxed);
        let writer = self.writer.take().context("the flow has a writer")?;
        writer
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the writer of lines panicked")))
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(writer) = self.writer.take() {
            // What it has to say was asked for by `stop`.
            let _said = writer.join();
        }
    }
}

fn write(mut file: File, rate: u32, over: &AtomicBool, written: &AtomicU64) -> Result<()> {
    let log = log(Program::Postfix, Hosts::Few, LINES);
    let mut lines = log.lines().cycle();
    let watch = Stopwatch::start();
    let mut text = Vec::new();
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let due = (watch.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        text.clear();
        let stamp = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00");
        let stamp = stamp.to_string();
        while count < due {
            let line = lines.next().context("a cycle has no end")?;
            text.extend_from_slice(stamp.as_bytes());
            text.extend_from_slice(line.get(STAMP..).unwrap_or_default());
            text.push(b'\n');
            count += 1;
        }
        file.write_all(&text)?;
        written.store(count, Ordering::Relaxed);
        thread::sleep(EVERY);
    }
    Ok(())
}
