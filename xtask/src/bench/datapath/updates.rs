//! How long the agent takes to change the kernel's maps: one ban beside a million others, and a million at once.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Result;
use ipnet::IpNet;
use mailwall::filter::Filter;
use mailwall_common::KernelInstant;
use mailwall_filter::synthetic::{CLEAN_FIRST, address_v4};
use mailwall_tests::{Stopwatch, Testbed};

use super::{bans::Bans, loader::agent_dir, scene::GUARDED};
use crate::bench::{
    report::{Cell, Limit, Report, Table},
    samples::Samples,
};

/// How many bans are added one by one.
const ONE_BY_ONE: u32 = 1_000;
/// What the median of these should stay under.
const ADD_LIMIT_US: f64 = 50.0;
/// How often everything is restored.
const RESTORES: usize = 3;
/// What the median of these should stay under.
const RESTORE_LIMIT_S: f64 = 1.5;

/// Measures both.
///
/// # Errors
/// When the maps do not take the bans.
pub fn run(report: &mut Report) -> Result<()> {
    let mut table = Table::new(
        "updates",
        "Changes of the maps by the agent's library",
        &[
            ("what", "WHAT"),
            ("median_ms", "MEDIAN MS"),
            ("worst_ms", "WORST MS"),
            ("times", "TIMES"),
        ],
    );
    let mut add = |what: &str, samples: &Samples| {
        table.row(vec![
            Cell::text_of(what),
            Cell::Number(milliseconds(samples.median()), 4),
            Cell::Number(milliseconds(samples.percentile(100)), 4),
            Cell::count(samples.len() as u64),
        ]);
    };
    let singles = Bans::singles(Bans::LARGE.addresses).all();
    let mut restored = Vec::new();
    let mut taken_over = Vec::new();
    let mut held = None;
    for _ in 0..RESTORES {
        let bed = Testbed::new()?;
        let mut filter = open(&bed)?;
        let watch = Stopwatch::start();
        filter.replace_all(&singles, &[])?;
        restored.push(watch.elapsed());
        // As a restarted agent does it: the maps are there, and are read.
        drop(filter);
        let watch = Stopwatch::start();
        let mut filter = open(&bed)?;
        filter.replace_all(&singles, &[])?;
        taken_over.push(watch.elapsed());
        held = Some((bed, filter));
    }
    let restored = Samples::new(restored);
    add("a million single bans into empty maps", &restored);
    report.target(
        "a million bans restored",
        restored.median().as_secs_f64(),
        "s",
        Limit::AtMost(RESTORE_LIMIT_S),
    );
    add(
        "the same over pinned maps that hold them",
        &Samples::new(taken_over),
    );
    if let Some((_bed, mut filter)) = held {
        let added = one_by_one(&mut filter)?;
        report.target(
            "one ban added beside a million",
            added.median().as_secs_f64() * 1e6,
            "us",
            Limit::AtMost(ADD_LIMIT_US),
        );
        add("one single ban beside a million", &added);
    }
    let bed = Testbed::new()?;
    let mut filter = open(&bed)?;
    let all = Bans::LARGE.all();
    let watch = Stopwatch::start();
    filter.replace_all(&all, &[])?;
    add(
        "a million single bans, 110,000 networks, 100,000 IPv6 /64 into empty maps",
        &Samples::new(vec![watch.elapsed()]),
    );
    report.table(table);
    Ok(())
}

fn open(bed: &Testbed) -> Result<Filter> {
    let mut filter = Filter::open(&agent_dir(&bed.bpffs()))?;
    filter.configure(&GUARDED, false)?;
    Ok(filter)
}

fn one_by_one(filter: &mut Filter) -> Result<Samples> {
    let mut times = Vec::new();
    for number in CLEAN_FIRST..CLEAN_FIRST + ONE_BY_ONE {
        let net = IpNet::V4(Ipv4Addr::from_bits(address_v4(number)).into());
        let ban = [(net, KernelInstant::NEVER)];
        let watch = Stopwatch::start();
        filter.ban(&ban)?;
        times.push(watch.elapsed());
    }
    Ok(Samples::new(times))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
