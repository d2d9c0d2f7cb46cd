//! What the filter takes: instructions that the verifier walked through, and memory, in the kernel and in the agent.

use std::{fs, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result};
use aya::{
    EbpfLoader,
    maps::MapData,
    programs::{Program, ProgramError, ProgramInfo},
};
use mailwall::filter::Filter;
use mailwall_common::{MAPS, choose_clock};
use mailwall_tests::{Testbed, filter_kernel};

use super::{
    bans::Bans,
    loader::{agent_dir, agent_pin},
    scene::GUARDED,
};
use crate::bench::report::{Cell, Report, Table};

/// How many single bans the memory is measured with.
const STEPS: [u32; 3] = [0, 100_000, 1_000_000];

/// Measures both.
///
/// # Errors
/// When the kernel refuses the object, or does not tell.
pub fn run(report: &mut Report) -> Result<()> {
    let bed = Testbed::new()?;
    let mut filter = Filter::open(&agent_dir(&bed.bpffs()))?;
    filter.configure(&GUARDED, false)?;
    report.table(instructions(&bed)?);
    let mut table = Table::new(
        "memory",
        "Memory: of all maps, and of the agent's bookkeeping beside them",
        &[
            ("bans", "BANS"),
            ("kernel_mb", "MAPS MB"),
            ("agent_mb", "AGENT MB"),
            ("kernel_bytes_per_ban", "MAPS BYTES/BAN"),
            ("agent_bytes_per_ban", "AGENT BYTES/BAN"),
        ],
    );
    let mut empty = None;
    for bans in STEPS {
        filter.replace_all(&Bans::singles(bans).all(), &[])?;
        let kernel = map_bytes(&bed)?.iter().map(|(_, bytes)| bytes).sum::<u64>() as f64;
        let agent = private_bytes()? as f64;
        let (kernel_before, agent_before) = *empty.get_or_insert((kernel, agent));
        let per_ban = |bytes: f64| match bans {
            0 => Cell::None,
            bans => Cell::Number(bytes / f64::from(bans), 0),
        };
        table.row(vec![
            Cell::count(u64::from(bans)),
            Cell::Number(kernel / 1e6, 1),
            Cell::Number(agent / 1e6, 1),
            per_ban(kernel - kernel_before),
            per_ban(agent - agent_before),
        ]);
    }
    report.table(table);
    let mut maps = Table::new(
        "maps",
        "Memory of each map, with a million single IPv4 bans",
        &[("map", "MAP"), ("kb", "KB")],
    );
    for (name, bytes) in map_bytes(&bed)? {
        maps.row(vec![Cell::text_of(name), Cell::count(bytes / 1024)]);
    }
    report.table(maps);
    Ok(())
}

/// Loads every program of the agent's objects over the maps of the agent. The second object is for `--trace-packets`: nothing of
/// it is in the first, so that tracing costs nothing while it is off.
fn instructions(bed: &Testbed) -> Result<Table> {
    let mut table = Table::new(
        "programs",
        "Programs of the agent, without and with the tracing of packets",
        &[
            ("program", "PROGRAM"),
            ("tracing", "TRACING"),
            ("verified_instructions", "VERIFIED INSTRUCTIONS"),
            ("bytes", "BYTES, TRANSLATED"),
            ("jited_bytes", "BYTES, COMPILED"),
        ],
    );
    for (tracing, object) in [
        ("off", filter_kernel::OBJECT),
        ("on", filter_kernel::TRACING_OBJECT),
    ] {
        programs(bed, object, tracing)?
            .into_iter()
            .for_each(|row| table.row(row));
    }
    Ok(table)
}

fn programs(bed: &Testbed, object: &[u8], tracing: &str) -> Result<Vec<Vec<Cell>>> {
    let mut loader = EbpfLoader::new();
    choose_clock(&mut loader);
    for shape in &MAPS {
        loader.map_pin_path(shape.name, agent_pin(&bed.bpffs(), shape.name));
    }
    let mut ebpf = loader
        .load(object)
        .context("load the maps of the agent's object")?;
    let mut rows = Vec::new();
    for (name, program) in ebpf.programs_mut() {
        let info = load(program).with_context(|| format!("load the program {name}"))?;
        let number = |number: Option<u32>| number.map_or(Cell::None, |n| Cell::count(n.into()));
        rows.push((
            name.to_owned(),
            vec![
                Cell::text_of(name),
                Cell::text_of(tracing),
                number(info.verified_instruction_count()),
                number(info.size_translated()),
                Cell::count(info.size_jitted().into()),
            ],
        ));
    }
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn load(program: &mut Program) -> Result<ProgramInfo, ProgramError> {
    match program {
        Program::Xdp(program) => program.load()?,
        Program::SchedClassifier(program) => program.load()?,
        Program::TracePoint(program) => program.load()?,
        // There is none of another type; `info` says so if there is.
        _ => {}
    }
    program.info()
}

/// What each map takes, as the kernel reckons.
fn map_bytes(bed: &Testbed) -> Result<Vec<(&'static str, u64)>> {
    MAPS.iter()
        .map(|shape| {
            let map = MapData::from_pin(agent_pin(&bed.bpffs(), shape.name))
                .with_context(|| format!("open the pinned map {}", shape.name))?;
            let fd = std::os::fd::AsFd::as_fd(map.fd()).as_raw_fd();
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}"))?;
            let bytes = info
                .lines()
                .find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok())
                .with_context(|| format!("read the memory of {}", shape.name))?;
            Ok((shape.name, bytes))
        })
        .collect()
}

/// Memory of this process alone: that of the maps it has mapped is counted with the maps.
fn private_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kb: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"))
        .context("read the memory of this process")?
        .trim()
        .parse()?;
    Ok(kb * 1024)
}
