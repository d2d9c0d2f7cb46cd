//! Time from a log line to the first SYN dropped because of it: written by one process, read, judged, stored and put into the
//! kernel's map by the agent, noticed by the client.

use std::{
    fs::File,
    io::Write as _,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Args;
use mailwall_tests::{Setup, Stopwatch, Testbed, rejection};

use super::samples::Samples;

/// What the median should stay under on an idle machine.
const GOAL: Duration = Duration::from_millis(5);
/// The longest that is waited for a ban.
const WITHIN: Duration = Duration::from_secs(10);

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// How many bans to measure, each of another address
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=250))]
    rounds: u8,
}

/// Runs the command.
///
/// # Errors
/// When an address is not banned.
pub fn run(options: &Options, binary: &Path) -> Result<()> {
    let bed = Testbed::new()?;
    let log = bed.dir().join("mail.log");
    let mut lines = File::create(&log)?;
    let config = format!(
        "[[source]]\nfile = \"{}\"\n\n[[rule]]\nname = \"first\"\ncount = [\"unknown-recipient\"]\nper = \"address\"\n\
         limit = 1\nwindow = \"10m\"\n",
        log.display()
    );
    let agent = Setup::new(&bed, &config)?.using(binary).start()?;
    agent.until("following of the log", &["source", "list"], |list| {
        (list["sources"][0]["state"] == "following").then_some(())
    })?;
    let (mut dropped, mut round_trips) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let address = Ipv4Addr::new(203, 0, 113, round);
        let client = bed.client(&address.to_string());
        let line = rejection(IpAddr::V4(address), u32::from(round), "nobody@example.test") + "\n";
        let watch = Stopwatch::start();
        lines.write_all(line.as_bytes())?;
        let probe = client
            .probe_until_dropped(watch, WITHIN)
            .with_context(|| format!("the agent said:\n{}", agent.setup().said()))?;
        dropped.push(probe.dropped_after);
        round_trips.extend(probe.round_trip);
    }
    agent.stop()?;
    let dropped = Samples::new(dropped);
    println!("log line written to SYN dropped: {}", dropped.summary());
    println!(
        "{:.2} of the goal of {GOAL:?}",
        dropped.median().as_secs_f64() / GOAL.as_secs_f64()
    );
    if !round_trips.is_empty() {
        let round_trips = Samples::new(round_trips);
        println!("a SYN and its refusal meanwhile: {}", round_trips.summary());
        println!(
            "the first takes as long as {:.0} of the second",
            dropped.median().as_secs_f64() / round_trips.median().as_secs_f64()
        );
    }
    Ok(())
}
