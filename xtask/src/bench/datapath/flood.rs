//! A flood of SYNs from banned addresses over a veth cable, against mailwall and the other ways to refuse them. Sender and
//! receiver have a CPU each; every contender has a cable, a namespace and the same bans of its own, and they take turns.

mod contender;
mod generator;
mod honest;
mod netfilter;
mod nft_counter;
mod road;
mod syn;
mod xdp;
mod xdp_filter;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use mailwall_tests::POSTFIX;
use nix::unistd::gettid;

use self::{
    contender::Contender,
    generator::Generator,
    netfilter::Hook,
    road::Priority,
    xdp::{DROP_ALL, MAILWALL},
};
use super::{bans::Bans, scene::Scene};
use crate::{
    apt,
    bench::report::{Cell, Limit, Report, Table},
    command, roots,
};

/// With how many bans.
const FEW: u32 = 4_096;
const MANY: u32 = 1_000_000;
/// The share of the frames received that a contender's counter may miss, or count of other packets.
const TOLERANCE: f64 = 0.001;
/// What counts as netfilter in the targets.
const NETFILTER: [&str; 5] = [
    "nftables, ingress",
    "nftables, raw",
    "nftables, input",
    "ipset, raw (iptables-nft)",
    "ipset, raw (iptables-legacy)",
];

/// One turn of a contender.
struct Turn {
    /// Millions of frames that it dropped in a second.
    dropped: f64,
    /// Millions of frames that were sent in a second.
    sent: f64,
    /// The share of the time in which the receiver's thread had its CPU.
    busy: f64,
    /// Nanoseconds of that for each frame.
    cost: f64,
}

/// Measures the flood with few bans and with many, and with many an honest client beside it.
///
/// # Errors
/// When frames cannot be sent, or a contender does not drop what it should.
pub fn run(quick: bool, report: &mut Report) -> Result<()> {
    apt::ensure(&apt::ETHTOOL)?;
    for program in &apt::FLOOD {
        if let Err(error) = apt::ensure(std::slice::from_ref(program)) {
            report.skip(program.name, format!("{error:#}"));
        }
    }
    // Found out now, and not after minutes of measuring.
    let has_postfix = match roots::ensure_one(&POSTFIX) {
        Ok(_) => true,
        Err(error) => {
            report.skip("an honest client in the flood", format!("{error:#}"));
            false
        }
    };
    let rounds = if quick { 3 } else { 7 };
    let frames = if quick { 1_000_000 } else { 3_000_000 };
    let mut table = Table::new(
        "flood",
        "A flood of banned SYNs over veth, sender and receiver on a CPU each (medians)",
        &[
            ("bans", "BANS"),
            ("contender", "CONTENDER"),
            ("dropped_mpps", "DROPPED M/S"),
            ("worst_mpps", "WORST"),
            ("best_mpps", "BEST"),
            ("of_drop_all", "OF DROP EVERYTHING"),
            ("sent_mpps", "SENT M/S"),
            ("receiver_busy", "RECEIVER BUSY"),
            ("receiver_ns", "RECEIVER NS/FRAME"),
        ],
    );
    for bans in [FEW, MANY] {
        eprintln!("{bans} bans");
        let scene = Scene::new(Bans::singles(bans))?;
        let generator = Generator::new(&scene, bans)?;
        let contenders = contenders(scene, report)?;
        set_priority(&contenders, Priority::High)?;
        let mut turns: BTreeMap<&str, Vec<Turn>> = BTreeMap::new();
        let before = counters(&contenders)?;
        for round in 0..=rounds {
            eprintln!("round {round} of {rounds}");
            for contender in &contenders {
                let turn = flood(contender, &generator, frames)?;
                // The first round is there to warm up.
                if round > 0 {
                    turns.entry(contender.name).or_default().push(turn);
                }
            }
        }
        set_priority(&contenders, Priority::Ordinary)?;
        let after = counters(&contenders)?;
        for ((contender, before), after) in contenders.iter().zip(before).zip(after) {
            check(contender, before, after)?;
        }
        let medians = tabulate(&mut table, bans, &contenders, &turns);
        judge(report, bans, &medians);
        if bans == MANY
            && has_postfix
            && let Some(mailwall) = contenders.iter().find(|one| one.name == MAILWALL)
        {
            eprintln!("an honest client");
            honest::run(mailwall, &generator, if quick { 20 } else { 200 }, report)?;
        }
    }
    report.table(table);
    Ok(())
}

/// Sets everybody up; those that do not work here are skipped by name.
fn contenders(scene: Scene, report: &mut Report) -> Result<Vec<Contender>> {
    let bans = scene.bans;
    let mut contenders = vec![
        xdp::drop_all(&scene)?,
        xdp::drop_syns(&scene)?,
        xdp::mailwall(scene)?,
    ];
    let mut add = |name: &str, contender: Result<Contender>| match contender {
        Ok(contender) => {
            eprintln!("{name} is set up");
            contenders.push(contender);
        }
        Err(error) => report.skip(
            format!("{name} with {} bans", bans.addresses),
            format!("{error:#}"),
        ),
    };
    if bans.addresses <= xdp_filter::BANS_MAX {
        add("xdp-filter", xdp_filter::set_up(bans));
    }
    for hook in [Hook::Ingress, Hook::Raw, Hook::Input] {
        add(hook.name(), netfilter::nftables(hook, bans));
    }
    for (name, iptables) in [
        ("ipset, raw (iptables-nft)", "iptables-nft"),
        ("ipset, raw (iptables-legacy)", "iptables-legacy"),
    ] {
        if command::is_installed(iptables) {
            add(name, netfilter::ipset(name, iptables, bans));
        }
    }
    Ok(contenders)
}

/// For the senders, which are threads that this one starts, and the receivers.
fn set_priority(contenders: &[Contender], priority: Priority) -> Result<()> {
    road::renice(gettid(), priority)?;
    for contender in contenders {
        contender.road.hurry(priority)?;
    }
    Ok(())
}

/// Frames that each received, and that each says it dropped. These are compared over all turns.
fn counters(contenders: &[Contender]) -> Result<Vec<(u64, u64)>> {
    contenders
        .iter()
        .map(|contender| Ok((contender.road.received()?.frames, contender.dropped()?)))
        .collect()
}

/// Whether a contender dropped what it received, by its own counter.
fn check(contender: &Contender, before: (u64, u64), after: (u64, u64)) -> Result<()> {
    let (received, dropped) = (after.0 - before.0, after.1 - before.1);
    ensure!(
        received.abs_diff(dropped) as f64 <= TOLERANCE * received as f64,
        "{} received {received} frames and dropped {dropped}: its numbers are worth nothing",
        contender.name
    );
    Ok(())
}

fn flood(contender: &Contender, generator: &Generator, frames: u32) -> Result<Turn> {
    let road = &contender.road;
    let before = road.received()?;
    let took = generator.send(road, frames)?.as_secs_f64();
    let after = road.received()?;
    let received = (after.frames - before.frames) as f64;
    ensure!(
        received <= f64::from(frames) * (1.0 + TOLERANCE),
        "{} received {received} of {frames} frames",
        contender.name
    );
    let cpu = road.receiving_cpu()?;
    ensure!(
        cpu == road::RECEIVING_CPU,
        "{} received frames on CPU {cpu}",
        contender.name
    );
    let busy = (after.busy - before.busy).as_secs_f64();
    Ok(Turn {
        dropped: received / took / 1e6,
        sent: f64::from(frames) / took / 1e6,
        busy: busy / took,
        cost: busy * 1e9 / received,
    })
}

/// Adds rows to the table, and tells the median of each contender.
fn tabulate(
    table: &mut Table,
    bans: u32,
    contenders: &[Contender],
    turns: &BTreeMap<&'static str, Vec<Turn>>,
) -> BTreeMap<&'static str, f64> {
    let median_of = |name: &str, value: fn(&Turn) -> f64| {
        let mut values: Vec<f64> = turns[name].iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        (
            values[0],
            values[values.len() / 2],
            values[values.len() - 1],
        )
    };
    let (_, drop_all, _) = median_of(DROP_ALL, |turn| turn.dropped);
    let mut medians = BTreeMap::new();
    for contender in contenders {
        let name = contender.name;
        let (worst, median, best) = median_of(name, |turn| turn.dropped);
        let (_, sent, _) = median_of(name, |turn| turn.sent);
        let (_, busy, _) = median_of(name, |turn| turn.busy);
        let (_, cost, _) = median_of(name, |turn| turn.cost);
        medians.insert(name, median);
        table.row(vec![
            Cell::count(bans.into()),
            Cell::text_of(name),
            Cell::Number(median, 3),
            Cell::Number(worst, 3),
            Cell::Number(best, 3),
            Cell::Number(median / drop_all, 2),
            Cell::Number(sent, 3),
            Cell::Number(busy, 2),
            Cell::Number(cost, 0),
        ]);
    }
    medians
}

fn judge(report: &mut Report, bans: u32, medians: &BTreeMap<&'static str, f64>) {
    let Some(mailwall) = medians.get(MAILWALL) else {
        return;
    };
    let mut compare = |what: &str, other: Option<f64>, limit: f64| {
        if let Some(other) = other {
            let what = format!("flood, {bans} bans: of {what}");
            report.target(what, mailwall / other, "times", Limit::AtLeast(limit));
        }
    };
    let netfilter = NETFILTER.iter().filter_map(|name| medians.get(name));
    let netfilter = netfilter.copied().max_by(f64::total_cmp);
    if bans == FEW {
        compare("dropping everything", medians.get(DROP_ALL).copied(), 0.9);
        compare("xdp-filter", medians.get("xdp-filter").copied(), 1.0);
        compare("the best of nftables and ipset", netfilter, 4.0);
    } else {
        compare("the best of nftables and ipset", netfilter, 3.0);
    }
}
