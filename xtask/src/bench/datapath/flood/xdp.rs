//! XDP programs in the flood: one that drops everything, one that drops every SYN to a guarded port, and mailwall's.

use anyhow::{Context as _, Result, anyhow};
use aya::programs::XdpMode;
use mailwall::filter::{AttachChoice, AttachMode, Filter};
use mailwall_tests::Testbed;

use super::{
    contender::{Contender, Drops},
    road::{MAIL, Road, tool},
};
use crate::bench::datapath::{
    loader::{Programs, Sources},
    scene::Scene,
};

/// The name of the program that drops everything.
pub const DROP_ALL: &str = "drop everything (XDP)";
/// The name of the program that drops every SYN to a guarded port.
pub const DROP_SYNS: &str = "drop every SYN (XDP)";
/// The name of the project's own filter.
pub const MAILWALL: &str = "mailwall";

/// An XDP program that does nothing but drop.
///
/// # Errors
/// When it cannot be attached.
pub fn drop_all(scene: &Scene) -> Result<Contender> {
    plain(scene, DROP_ALL, "drop_all")
}

/// An XDP program that does nothing but read the headers and drop.
///
/// # Errors
/// When it cannot be attached.
pub fn drop_syns(scene: &Scene) -> Result<Contender> {
    plain(scene, DROP_SYNS, "drop_syns")
}

fn plain(scene: &Scene, name: &'static str, program: &str) -> Result<Contender> {
    let road = Road::new(Testbed::new()?)?;
    let mut programs = scene.programs(Sources::Fixed)?;
    let program = programs.program_mut(program)?;
    road.bed.server().enter(|| {
        program
            .attach(MAIL, XdpMode::Driver)
            .with_context(|| format!("attach the program that is to {name}"))?;
        Ok(())
    })?;
    Ok(Contender {
        name,
        road,
        filter: Box::new(Plain {
            _programs: programs,
        }),
    })
}

/// Attached for as long as the object is loaded; it has no counter, but the interface has.
struct Plain {
    _programs: Programs,
}

impl Drops for Plain {
    fn dropped(&self, road: &Road) -> Result<u64> {
        let said = tool(road.bed.server(), &["ethtool", "--statistics", MAIL])?;
        said.lines()
            .find_map(|line| line.trim().strip_prefix("rx_queue_0_xdp_drops:"))
            .context("ethtool tells of no rx_queue_0_xdp_drops")?
            .trim()
            .parse()
            .context("read rx_queue_0_xdp_drops")
    }
}

/// The filter itself, attached by the agent's library over the maps that it filled.
///
/// # Errors
/// When it cannot be attached in native mode.
pub fn mailwall(scene: Scene) -> Result<Contender> {
    let mut filter = scene.filter;
    let road = Road::new(scene.bed)?;
    road.bed.server().enter(
        || match filter.attach(&[MAIL.to_owned()], AttachChoice::Native) {
            [one] if one.mode == Some(AttachMode::Native) => Ok(()),
            other => Err(anyhow!("mailwall is not attached natively: {other:?}")),
        },
    )?;
    Ok(Contender {
        name: MAILWALL,
        road,
        filter: Box::new(filter),
    })
}

impl Drops for Filter {
    fn dropped(&self, _road: &Road) -> Result<u64> {
        let totals = self.totals()?;
        let drops = totals.iter().filter(|(verdict, ..)| verdict.is_drop());
        Ok(drops.map(|(_, _, packets)| packets).sum())
    }
}
