//! The configuration: read, checked and complete. Nothing here is applied; whether an interface or a group exists is found
//! out by those who use it.

mod account_rule;
mod clemency;
pub mod contradiction;
mod document;
mod error;
mod filter;
mod for_host;
mod limit;
mod metrics;
mod notify;
mod pattern;
mod policy;
mod preset;
mod report;
pub mod reset;
mod rule;
mod source;
mod store;
mod text;
mod then;

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use ipnet::IpNet;

use self::document::{Document, Section};
pub use self::{
    clemency::{ClemencyConfig, read_providers},
    error::{ConfigError, Mistake},
    filter::{Attach, ControlConfig, FilterConfig, Interfaces, Mode},
    limit::{CONCURRENT_MAX, PER_MINUTE_MAX},
    metrics::MetricsConfig,
    pattern::{PatternsConfig, SHIPPED_PATTERNS, ShippedPatterns},
    policy::PolicyConfig,
    preset::{PRESETS, Preset},
    report::DailyReport,
    source::{Log, SourceConfig},
    store::StoreConfig,
};
pub use crate::rule::GROUPS;
use crate::{
    limit::LimitRule,
    notify::NotifierSettings,
    rule::{Penalty, RuleSettings},
};

/// Where the configuration is when nothing else is said; the only file that may be missing.
pub const DEFAULT_PATH: &str = "/etc/mailwall/mailwall.toml";
/// Most bytes of a configuration.
pub const CONFIG_MAX: u64 = 1 << 20;

/// The configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// `[filter]`: what the kernel half guards, and how.
    pub filter: FilterConfig,
    /// `[allow]`: networks that are never banned, beside the built-in ones.
    pub allow: Vec<IpNet>,
    /// `[spare]`, `[breaker]`, `[honeypot]` and the providers of `[allow]`: what spares real mail.
    pub clemency: ClemencyConfig,
    /// `[[source]]`: the logs.
    pub sources: Vec<SourceConfig>,
    /// `[patterns]` and `[[pattern]]`: lines of programs that no dialect knows.
    pub patterns: PatternsConfig,
    /// `[rules]` and `[[rule]]`.
    pub rules: RulesConfig,
    /// `[ban]`: how long bans are where the rule does not say.
    pub ban: Penalty,
    /// `[control]`: who may ask the agent for things.
    pub control: ControlConfig,
    /// `[[limit]]`: how many connections may be opened; each network once, at most one for everybody else.
    pub limits: Vec<LimitRule>,
    /// `[policy]`: the policy service for Postfix.
    pub policy: PolicyConfig,
    /// `[[notify]]`: who is told of decisions.
    pub notifiers: Vec<NotifierSettings>,
    /// `[report]`: the report of the day by e-mail.
    pub report: Option<DailyReport>,
    /// `[store]`: what the database may take.
    pub store: StoreConfig,
    /// `[metrics]`: where metrics are served.
    pub metrics: MetricsConfig,
}

/// The rules: a preset, and what the configuration adds to it or puts in place of its rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RulesConfig {
    /// Name of the preset, one of [`PRESETS`].
    pub preset: String,
    /// All rules in force, in the order they are tried.
    pub rules: Vec<(RuleSettings, RuleOrigin)>,
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleOrigin {
    /// The preset.
    Preset,
    /// The configuration.
    Config,
}

impl RuleOrigin {
    /// Lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Config => "config",
        }
    }
}

impl Config {
    /// Reads the configuration at `path`; a missing file at [`DEFAULT_PATH`] means the defaults.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or anything in it is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(file) => file.take(CONFIG_MAX + 1).read_to_end(&mut bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_default(path) => {
                return Ok(Self::default());
            }
            Err(error) => Err(error),
        }
        .map_err(unreadable)?;
        if bytes.len() as u64 > CONFIG_MAX {
            return Err(ConfigError::TooLong {
                path: path.to_owned(),
            });
        }
        let name = path.display().to_string();
        match str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text, &name),
            Err(error) => {
                let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                Err(Document::new(&name, &valid).mistake(valid.len(), "not UTF-8"))
            }
        }
    }

    /// The same with the rules of `preset` in place of those of its own; its `[[rule]]` hold.
    ///
    /// # Errors
    ///
    /// Never with a preset of [`PRESETS`], which a test reads.
    pub fn with_preset(self, preset: &Preset) -> Result<Self, ConfigError> {
        let own = self.rules.rules.into_iter();
        let own = own.filter(|(_, origin)| *origin == RuleOrigin::Config);
        let own = own.map(|(rule, _)| rule).collect();
        Ok(Self {
            rules: RulesConfig {
                preset: preset.name.to_owned(),
                rules: rule::merge(preset.rules(self.ban)?, own),
            },
            ..self
        })
    }

    /// Reads a configuration from its text; `name` stands for the file in what is wrong with it.
    ///
    /// # Errors
    ///
    /// At the first mistake found.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        let document = Document::new(name, text);
        let root = document.parse()?;
        let top = Section::top(
            &document,
            &root,
            &[
                "filter", "allow", "spare", "breaker", "honeypot", "source", "patterns", "pattern",
                "rules", "rule", "ban", "control", "limit", "policy", "report", "notify",
                "control", "limit", "metrics", "store",
            ],
        )?;
        let ban = then::read_ban(&top)?;
        let preset = preset(&top)?;
        let of_preset = preset.rules(ban)?;
        let own = rule::read(&top, ban, &of_preset)?;
        Ok(Self {
            filter: filter::read(&top)?,
            allow: filter::read_allow(&top)?,
            clemency: clemency::read(&top)?,
            sources: source::read(&top)?,
            patterns: pattern::read(&top)?,
            rules: RulesConfig {
                preset: preset.name.to_owned(),
                rules: rule::merge(of_preset, own),
            },
            ban,
            control: filter::read_control(&top)?,
            limits: limit::read(&top)?,
            policy: policy::read(&top)?,
            notifiers: notify::read(&top)?,
            report: report::read(&top)?,
            store: store::read(&top)?,
            metrics: metrics::read(&top)?,
        })
    }

    /// All that are told of something: `[[notify]]`, and who gets the report.
    pub fn all_notifiers(&self) -> Vec<NotifierSettings> {
        let report = self.report.iter().map(|report| &report.notifier);
        self.notifiers.iter().chain(report).cloned().collect()
    }

    /// A configuration with every setting at its default, each with its explanation.
    pub const fn default_text() -> &'static str {
        include_str!("config/default.toml")
    }

    /// The configuration in full: [`Config::parse`] reads the same back. The preset's rules stand there as comments.
    pub fn to_toml(&self) -> String {
        text::write(self)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::parse("", "the defaults").expect("the presets are read in a test")
    }
}

fn is_default(path: &Path) -> bool {
    path == Path::new(DEFAULT_PATH)
}

/// The preset that `[rules]` names, or the default one.
fn preset(top: &Section<'_>) -> Result<Preset, ConfigError> {
    match top.table("rules", &["preset"])? {
        Some(section) => match section.field("preset") {
            Some(field) => field.choice("preset", PRESETS, |preset| preset.name),
            None => Ok(PRESETS[0]),
        },
        None => Ok(PRESETS[0]),
    }
}

#[cfg(test)]
mod tests;
