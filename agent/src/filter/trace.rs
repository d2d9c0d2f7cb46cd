//! Tracing of packets: a line for each SYN to a guarded port, and for what else is dropped. The programs that tell are an object of
//! their own, loaded only when asked for; the ones that are in force otherwise have nothing of it.
//!
//! What the kernel tells goes through a ring of fixed size, which drops what finds no room. A thread reads it, and writes no more
//! than so many lines; it says how many packets went by untold. A flood costs neither the agent's loop nor the disk.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use aya::maps::{Map, MapData, PerCpuArray};
use aya_log::EbpfLogger;
use mailwall_common::{Family, Verdict, map_name};

use super::{error::FilterError, maps::failed};

mod account;
mod line;

use account::Account;
use line::Lines;

/// Whether single packets are told of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tracing {
    /// No, and at no cost.
    #[default]
    Off,
    /// Each SYN to a guarded port, and what else is dropped.
    Packets,
}

/// A running trace. It ends when this is dropped.
#[derive(Debug)]
pub struct Trace {
    stop: Arc<AtomicBool>,
}

impl Trace {
    /// Logs what the programs tell that were loaded with the one of this number, and count in the map pinned at `totals`.
    ///
    /// # Errors
    /// When the program tells nothing, or its maps cannot be read.
    pub fn start(program_id: u32, totals: &Path) -> Result<Self, FilterError> {
        let totals = Totals::open(totals)?;
        let account = Account::new(totals.traced()?);
        let stop = Arc::new(AtomicBool::new(false));
        let lines = Lines::new(totals, account, Arc::clone(&stop));
        let mut logger = EbpfLogger::init_from_id_with_logger(program_id, lines.clone())
            .map_err(FilterError::Trace)?;
        let stopped = Arc::clone(&stop);
        thread::Builder::new()
            .name("packet-trace".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    lines.caught_up(|| logger.flush());
                }
            })
            .map_err(FilterError::TraceThread)?;
        Ok(Self { stop })
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // Nobody waits for the thread: in a flood the ring is never found empty.
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The counters of what is traced.
struct Totals(PerCpuArray<MapData, u64>);

impl Totals {
    fn open(pin: &Path) -> Result<Self, FilterError> {
        let map = MapData::from_pin(pin)
            .and_then(Map::from_map_data)
            .and_then(PerCpuArray::try_from);
        Ok(Self(map.map_err(failed("open", map_name::TOTALS))?))
    }

    /// Packets so far that are told of, or should be.
    fn traced(&self) -> Result<u64, FilterError> {
        let traced = Verdict::ALL
            .into_iter()
            .filter(|verdict| verdict.is_traced());
        let indices =
            traced.flat_map(|verdict| Family::ALL.map(|family| verdict.total_index(family)));
        let mut sum = 0;
        for index in indices {
            let per_cpu = self.0.get(&index, 0);
            let per_cpu = per_cpu.map_err(failed("read", map_name::TOTALS))?;
            sum += per_cpu.iter().sum::<u64>();
        }
        Ok(sum)
    }
}
