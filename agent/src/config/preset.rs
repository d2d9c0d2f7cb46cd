//! Presets: rules that are shipped, as data, in the syntax of a configuration.

use super::{
    document::{Document, Section},
    error::ConfigError,
    rule,
};
use crate::rule::{Penalty, RuleSettings};

/// A set of rules with a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Kebab-case name.
    pub name: &'static str,
    /// Its rules, `[[rule]]` as in a configuration.
    pub text: &'static str,
}

/// Every preset; the first is the default.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "balanced",
        text: include_str!("../../presets/balanced.toml"),
    },
    Preset {
        name: "strict",
        text: include_str!("../../presets/strict.toml"),
    },
    Preset {
        name: "imail",
        text: include_str!("../../presets/imail.toml"),
    },
    Preset {
        name: "smartermail-relaxed",
        text: include_str!("../../presets/smartermail-relaxed.toml"),
    },
    Preset {
        name: "smartermail-strict",
        text: include_str!("../../presets/smartermail-strict.toml"),
    },
    Preset {
        name: "stop-spammers",
        text: include_str!("../../presets/stop-spammers.toml"),
    },
    Preset {
        name: "blockcracking",
        text: include_str!("../../presets/blockcracking.toml"),
    },
];

impl Preset {
    /// The rules; bans are as long as `ban` says where a rule does not.
    pub(super) fn rules(&self, ban: Penalty) -> Result<Vec<RuleSettings>, ConfigError> {
        let name = format!("preset {}", self.name);
        let document = Document::new(&name, self.text);
        let root = document.parse()?;
        rule::read(&Section::top(&document, &root, &["rule"])?, ban, &[])
    }
}
