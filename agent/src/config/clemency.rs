//! `[spare]`, `[breaker]`, `[honeypot]`, and the providers of `[allow]`: what spares real mail, and what only bots do.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;

use super::{
    document::{Field, Section},
    error::ConfigError,
};
use crate::{
    honeypot::{BAITS_MAX, Baits},
    judge::{BreakerSettings, Judge},
    providers::Providers,
    regular::{DAYS_REMEMBERED, SpareSettings},
};

/// Keys of `[spare]`.
const SPARE_KEYS: &[&str] = &["days", "patience", "early_talkers"];
/// Most networks whose hosts may talk early: each such event is compared with all of them.
const EARLY_TALKERS_MAX: usize = 1000;
/// Longest time that the breaker looks back on, or that bans pause for.
const BREAKER_MAX: Duration = Duration::from_secs(86_400);
/// Most bytes of a list of providers.
const PROVIDERS_BYTES_MAX: u64 = 4 << 20;
/// Most characters of a bait.
const BAIT_MAX: usize = 320;

/// What spares real mail.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClemencyConfig {
    /// `[spare]`: who is a regular.
    pub spare: SpareSettings,
    /// `[spare] early_talkers`: who may talk before the greeting, and it does not count.
    pub early_talkers: Vec<IpNet>,
    /// `[breaker]`: when bans pause.
    pub breaker: BreakerSettings,
    /// `[honeypot]`: what only bots use.
    pub baits: Baits,
    /// `[allow] providers`: whether large providers are banned for guessing logins only.
    pub providers: bool,
    /// `[allow] provider_file`: a list of their networks in place of the shipped one.
    pub provider_file: Option<PathBuf>,
}

impl ClemencyConfig {
    /// Makes `judge` judge by it, with the shipped list of providers: what stands in a file is for [`read_providers`].
    pub fn put_in_force(&self, judge: &mut Judge) {
        judge.set_spare(self.spare);
        judge.set_early_talkers(self.early_talkers.clone());
        judge.set_breaker(self.breaker);
        judge.set_baits(self.baits.clone());
        judge.set_providers(match self.providers {
            true => Providers::shipped(),
            false => Providers::default(),
        });
    }
}

/// Reads a list of providers.
///
/// # Errors
/// With what is wrong with it.
pub fn read_providers(path: &Path) -> Result<Providers, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > PROVIDERS_BYTES_MAX {
        return Err(format!("more than {PROVIDERS_BYTES_MAX} bytes"));
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let providers = Providers::parse(&text).map_err(|mistake| mistake.to_string())?;
    match providers.is_empty() {
        true => Err("no network in it".to_owned()),
        false => Ok(providers),
    }
}

pub(super) fn read(top: &Section<'_>) -> Result<ClemencyConfig, ConfigError> {
    let allow = top.table("allow", super::filter::ALLOW_KEYS)?;
    let allow = |key| allow.as_ref().and_then(|section| section.field(key));
    Ok(ClemencyConfig {
        spare: spare(top)?,
        early_talkers: early_talkers(top)?,
        breaker: breaker(top)?,
        baits: baits(top)?,
        providers: match allow("providers") {
            Some(field) => field.boolean()?,
            None => true,
        },
        provider_file: match allow("provider_file") {
            Some(field) => Some(absolute(&field)?),
            None => None,
        },
    })
}

fn spare(top: &Section<'_>) -> Result<SpareSettings, ConfigError> {
    let mut settings = SpareSettings::default();
    if let Some(section) = top.table("spare", SPARE_KEYS)? {
        if let Some(field) = section.field("days") {
            settings.days = field.number(0..=u8::try_from(DAYS_REMEMBERED).unwrap_or(u8::MAX))?;
        }
        if let Some(field) = section.field("patience") {
            settings.patience = field.number(1..=1_000_000)?;
        }
    }
    Ok(settings)
}

fn early_talkers(top: &Section<'_>) -> Result<Vec<IpNet>, ConfigError> {
    let section = top.table("spare", SPARE_KEYS)?;
    let Some(field) = section
        .as_ref()
        .and_then(|section| section.field("early_talkers"))
    else {
        return Ok(Vec::new());
    };
    let items = field.list()?;
    if items.len() > EARLY_TALKERS_MAX {
        return Err(field.mistake(format!("at most {EARLY_TALKERS_MAX} networks")));
    }
    let mut nets = Vec::new();
    for item in &items {
        let net = super::filter::network(item)?;
        if nets.contains(&net) {
            return Err(item.mistake(format!("{net} is named twice")));
        }
        nets.push(net);
    }
    Ok(nets)
}

fn breaker(top: &Section<'_>) -> Result<BreakerSettings, ConfigError> {
    let mut settings = BreakerSettings::default();
    let keys = ["enabled", "hosts", "share", "bans", "within", "pause"];
    let Some(section) = top.table("breaker", &keys)? else {
        return Ok(settings);
    };
    if let Some(field) = section.field("enabled") {
        settings.enabled = field.boolean()?;
    }
    if let Some(field) = section.field("hosts") {
        settings.hosts = field.number(1..=1_000_000)?;
    }
    if let Some(field) = section.field("share") {
        settings.share = field.number(1..=100)?;
    }
    if let Some(field) = section.field("bans") {
        settings.bans = field.number(1..=1_000_000)?;
    }
    if let Some(field) = section.field("within") {
        settings.within = length(&field)?;
    }
    if let Some(field) = section.field("pause") {
        settings.pause = length(&field)?;
    }
    Ok(settings)
}

fn length(field: &Field<'_>) -> Result<Duration, ConfigError> {
    let length = field.duration()?;
    if length > BREAKER_MAX {
        return Err(field.mistake(format!("{} must be at most a day", field.name())));
    }
    Ok(length)
}

fn baits(top: &Section<'_>) -> Result<Baits, ConfigError> {
    let mut baits = Baits::default();
    let Some(section) = top.table("honeypot", &["accounts", "recipients", "helo"])? else {
        return Ok(baits);
    };
    let places = [
        ("accounts", &mut baits.accounts),
        ("recipients", &mut baits.recipients),
        ("helo", &mut baits.helo),
    ];
    for (key, names) in places {
        if let Some(field) = section.field(key) {
            *names = names_of(&field)?;
        }
    }
    Ok(baits)
}

fn names_of(field: &Field<'_>) -> Result<BTreeSet<Box<str>>, ConfigError> {
    let mut names = BTreeSet::new();
    for item in field.list()? {
        let name = item.text()?;
        let fits = (1..=BAIT_MAX).contains(&name.len())
            && !name.chars().any(|c| c.is_control() || c.is_whitespace());
        if !fits {
            return Err(item.mistake(format!(
                "{name:?} is no name: 1 to {BAIT_MAX} characters without blanks"
            )));
        }
        // HELO names are compared as they are written.
        names.insert(match field.name() {
            "\"helo\"" | "helo" => name.into(),
            _ => name.to_ascii_lowercase().into(),
        });
        if names.len() > BAITS_MAX {
            return Err(item.mistake(format!("at most {BAITS_MAX} names")));
        }
    }
    Ok(names)
}

fn absolute(field: &Field<'_>) -> Result<PathBuf, ConfigError> {
    let path = PathBuf::from(field.text()?);
    match path.is_absolute() {
        true => Ok(path),
        false => Err(field.mistake(format!(
            "{:?} must begin with /: the agent has no directory of its own",
            path.display().to_string()
        ))),
    }
}
