//! Nanoseconds per packet, by BPF_PROG_TEST_RUN. A program is run many times over one frame, whose source changes each time, so
//! that the tables are met as a flood meets them: mostly outside the caches. The same source again and again would be ten times
//! as fast.

use std::time::Duration;

use anyhow::{Result, ensure};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

use super::{
    bans::Bans,
    case::{Case, XDP_DROP},
    loader::Programs,
    scene::Scene,
};
use crate::bench::report::{Cell, Limit, Report, Table};

/// Where the programs are run, so that no round begins with the caches of another CPU.
const CPU: usize = 1;

/// How much is measured.
struct Effort {
    rounds: usize,
    /// What one turn of a program is to take.
    turn: Duration,
}

/// Packets that tell how many a turn has.
const TRIAL: u32 = 20_000;
/// The most that a turn has.
const TURN_MAX: u32 = 4_000_000;
/// A turn begins with this share of its packets unmeasured, so that the caches are no longer those of the turn before.
const WARM_UP: u32 = 4;

/// What one program took in one case, in nanoseconds.
struct Measured {
    program: &'static str,
    best: f64,
    median: f64,
}

/// Measures all cases, with few bans and with many.
///
/// # Errors
/// When a program does not do with a packet what it must.
pub fn run(quick: bool, report: &mut Report) -> Result<()> {
    let effort = Effort {
        rounds: if quick { 3 } else { 11 },
        turn: Duration::from_millis(if quick { 25 } else { 100 }),
    };
    let mut table = Table::new(
        "packets",
        "Nanoseconds per packet (the loop around the program included); programs take turns",
        &[
            ("bans", "BANS"),
            ("case", "CASE"),
            ("program", "PROGRAM"),
            ("best_ns", "BEST"),
            ("median_ns", "MEDIAN"),
            ("over_baseline_ns", "OVER BASELINE"),
            ("of_mailwall", "OF MAILWALL"),
            ("dropped_share", "DROPPED"),
        ],
    );
    for bans in [Bans::SMALL, Bans::LARGE] {
        eprintln!("{} single bans", bans.addresses);
        let scene = Scene::new(bans)?;
        scene.fill_designs()?;
        for case in Case::ALL {
            eprintln!("{}", case.title());
            let (measured, dropped_share) = measure(&scene, case, &effort)?;
            tabulate(&mut table, bans, case, &measured, dropped_share);
            judge(report, bans, case, &measured);
        }
    }
    report.table(table);
    Ok(())
}

fn measure(scene: &Scene, case: Case, effort: &Effort) -> Result<(Vec<Measured>, f64)> {
    let programs = scene.programs(case.sources(scene.bans))?;
    let frame = case.frame();
    let compared = case.programs();
    let mut samples = vec![Vec::new(); compared.len()];
    on_one_cpu()?;
    let mut turns = Vec::new();
    for (program, _) in &compared {
        let trial = turn(&programs, program, &frame, TRIAL)?.0;
        let packets = effort.turn.as_secs_f64() * 1e9 / trial;
        turns.push((packets as u32).clamp(TRIAL, TURN_MAX));
    }
    let before = counted(scene)?;
    let mut run = 0;
    for _ in 0..effort.rounds {
        for (((program, drops), packets), samples) in compared.iter().zip(&turns).zip(&mut samples)
        {
            let warm_up = packets / WARM_UP;
            turn(&programs, program, &frame, warm_up)?;
            let (mean, answer) = turn(&programs, program, &frame, *packets)?;
            ensure!(
                drops.is_none_or(|drops| drops == (answer == XDP_DROP)),
                "{program} answered {answer} to a {}",
                case.title()
            );
            samples.push(mean);
            if *program == "mailwall" {
                run += u64::from(warm_up + packets);
            }
        }
    }
    let after = counted(scene)?;
    let packets = after.0 - before.0;
    ensure!(
        packets == run,
        "the filter counted {packets} packets of {run}"
    );
    let measured = compared
        .iter()
        .zip(samples)
        .map(|((program, _), mut samples)| {
            samples.sort_by(f64::total_cmp);
            Measured {
                program,
                best: samples[0],
                median: samples[samples.len() / 2],
            }
        });
    let dropped_share = (after.1 - before.1) as f64 / packets as f64;
    Ok((measured.collect(), dropped_share))
}

/// Runs a program over so many packets: the mean time of one in nanoseconds, and what it answered to the last. The time is
/// that which this thread had the CPU: the kernel's own measurement is cut to whole nanoseconds.
fn turn(programs: &Programs, name: &str, frame: &[u8], packets: u32) -> Result<(f64, u32)> {
    let before = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    let answer = programs.run(name, frame, packets)?;
    let took = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)? - before;
    let mean = Duration::from(took).as_secs_f64() * 1e9 / f64::from(packets);
    Ok((mean, answer))
}

/// All packets that the filter counted, and those of them that it dropped.
fn counted(scene: &Scene) -> Result<(u64, u64)> {
    let (mut all, mut dropped) = (0, 0);
    for (verdict, _, packets) in scene.filter.totals()? {
        all += packets;
        dropped += if verdict.is_drop() { packets } else { 0 };
    }
    Ok((all, dropped))
}

fn tabulate(table: &mut Table, bans: Bans, case: Case, measured: &[Measured], dropped_share: f64) {
    let baseline = best(measured, "draw").or_else(|| best(measured, "empty"));
    let mailwall = best(measured, "mailwall");
    for one in measured {
        let over = baseline.map(|baseline| one.best - baseline);
        let of_mailwall = mailwall.map(|mailwall| one.best / mailwall);
        table.row(vec![
            Cell::count(u64::from(bans.addresses)),
            Cell::text_of(case.name()),
            Cell::text_of(one.program),
            Cell::Number(one.best, 1),
            Cell::Number(one.median, 1),
            over.map_or(Cell::None, |over| Cell::Number(over, 1)),
            of_mailwall.map_or(Cell::None, |share| Cell::Number(share, 2)),
            if one.program == "mailwall" {
                Cell::Number(dropped_share, 4)
            } else {
                Cell::None
            },
        ]);
    }
}

fn judge(report: &mut Report, bans: Bans, case: Case, measured: &[Measured]) {
    let mut compare = |what: &str, with: &str, limit: f64| {
        if let (Some(own), Some(other)) = (best(measured, "mailwall"), best(measured, with)) {
            let what = format!("{}, {} bans: {what}", case.title(), bans.addresses);
            report.target(what, own / other, "times", Limit::AtMost(limit));
        }
    };
    match case {
        Case::Udp | Case::OtherPort => {
            if let (Some(own), Some(empty)) = (best(measured, "mailwall"), best(measured, "empty"))
            {
                let what = format!(
                    "{}, {} bans: over the empty program",
                    case.title(),
                    bans.addresses
                );
                report.target(what, own - empty, "ns", Limit::AtMost(8.0));
            }
        }
        // The targets beside other designs are for tables that do not fit into the caches.
        _ if bans.addresses < Bans::LARGE.addresses => {}
        Case::CleanV4 | Case::CleanV6 => {
            compare("of hash, then trie", "hash_trie", 1.0 / 6.0);
            compare("of parsing alone", "parse", 3.5);
        }
        Case::BannedV4 | Case::BannedV6 => compare("of a bare hash hit", "hash", 1.15),
        Case::NetworkV4 | Case::NetworkV6 | Case::Allowed => {}
    }
}

fn best(measured: &[Measured], program: &str) -> Option<f64> {
    let one = measured.iter().find(|one| one.program == program)?;
    Some(one.best)
}

/// Keeps the calling thread on one CPU, if there is such a one.
fn on_one_cpu() -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(CPU)?;
    if let Err(errno) = sched_setaffinity(Pid::from_raw(0), &cpus) {
        eprintln!("measuring on any CPU, not on CPU {CPU} alone: {errno}");
    }
    Ok(())
}
