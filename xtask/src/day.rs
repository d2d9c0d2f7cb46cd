//! `cargo xtask day`: a made-up day of a mail host with good and abusive hosts, judged by the default rules. It tells who was
//! banned, and how soon.

mod abusive;
mod good;
mod names;
mod programs;
mod replay;
mod scene;
mod smtpd;
mod tally;
#[cfg(test)]
mod tests;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use mailwall::config::{Config, PRESETS};

use self::{
    scene::{Day, Scene},
    tally::Tally,
};

/// Seeds whose days are looked at: by the test in small, by this command whole.
const SEEDS: [u64; 5] = [1, 2, 3, 20_260_302, 4_294_967_291];

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// Makes the day of this seed [default: those of all kept seeds, one after the other]
    #[arg(long)]
    seed: Option<u64>,
    /// Makes about so many hosts of each sort, good and abusive
    #[arg(long, default_value_t = 2_000)]
    hosts: u64,
    /// Judges by this preset in place of the default one
    #[arg(long)]
    preset: Option<String>,
    /// Print one JSON object in place of tables
    #[arg(long)]
    json: bool,
    /// Writes the log to this file in place of judging it; the first seed's, if none is named
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Names up to so many hosts that met the wrong fate
    #[arg(long, default_value_t = 10)]
    wrong: usize,
}

/// Runs the command.
///
/// # Errors
/// When a good host was banned, or too few of the abusive ones.
pub fn run(options: &Options) -> Result<()> {
    let seeds = options.seed.map_or(SEEDS.to_vec(), |seed| vec![seed]);
    if let Some(file) = &options.write {
        let day = day(seeds[0], options.hosts);
        let text = day.lines.join("\n") + "\n";
        return fs::write(file, text).with_context(|| format!("write {}", file.display()));
    }
    let config = config(options.preset.as_deref())?;
    let mut tally = Tally::default();
    for seed in seeds {
        let day = day(seed, options.hosts);
        tally.add(seed, &day, &replay::judge(&day, &config));
    }
    tally.print(options.json, options.wrong);
    ensure!(tally.is_reached(), "a number was not reached");
    Ok(())
}

/// The day of a seed, with about so many good and so many abusive hosts.
fn day(seed: u64, hosts: u64) -> Day {
    let mut scene = Scene::new(seed);
    good::play(&mut scene, hosts);
    abusive::play(&mut scene, hosts);
    scene.finish()
}

/// What holds where nothing is configured, or nothing but the preset.
fn config(preset: Option<&str>) -> Result<Config> {
    let config = Config::parse("", "default")?;
    let Some(name) = preset else {
        return Ok(config);
    };
    let preset = PRESETS.iter().find(|preset| preset.name == name);
    Ok(config.with_preset(preset.with_context(|| format!("no preset {name:?}"))?)?)
}
