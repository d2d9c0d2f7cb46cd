//! `[[rule]]`, in configurations and presets alike.

use std::time::Duration;

use super::{
    RuleOrigin, account_rule,
    document::{Field, Section},
    error::ConfigError,
    then,
};
use crate::{
    ban::RuleName,
    duration,
    event::{EventKind, Service},
    rule::{Distinct, GROUPS, LIMIT_MAX, Measure, Mode, Penalty, Per, RuleSettings, WINDOW_MAX},
};

/// Most rules of a configuration, or of a preset.
const RULES_MAX: usize = 64;
/// The window of a rule per session that names none: longer than sessions last.
const SESSION_WINDOW: Duration = Duration::from_secs(86_400);

const RULE_KEYS: [&str; 13] = [
    "name",
    "count",
    "per",
    "distinct",
    "measure",
    "limit",
    "window",
    "service",
    "bad_share",
    "baseline",
    "mode",
    "permanent",
    "then",
];

/// All `[[rule]]` of a document; bans are as long as `ban` says where the rule does not. What is permanent in `preset` stays so.
pub(super) fn read(
    top: &Section<'_>,
    ban: Penalty,
    preset: &[RuleSettings],
) -> Result<Vec<RuleSettings>, ConfigError> {
    let sections = top.tables("rule", &RULE_KEYS)?.unwrap_or_default();
    if let Some(section) = sections.get(RULES_MAX) {
        return Err(section.mistake(format!("at most {RULES_MAX} [[rule]]")));
    }
    let mut rules: Vec<RuleSettings> = Vec::new();
    for section in &sections {
        let rule = rule(section, ban, preset)?;
        if let Some(first) = rules.iter().position(|known| known.name == rule.name) {
            return Err(section.mistake(format!(
                "a second rule \"{}\"; the first is on line {}",
                rule.name,
                sections[first].line()
            )));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// The preset's rules, each replaced by the configuration's of the same name, and then the configuration's others.
pub(super) fn merge(
    preset: Vec<RuleSettings>,
    mut config: Vec<RuleSettings>,
) -> Vec<(RuleSettings, RuleOrigin)> {
    let mut rules = Vec::with_capacity(preset.len() + config.len());
    for rule in preset {
        match config.iter().position(|own| own.name == rule.name) {
            Some(at) => rules.push((config.remove(at), RuleOrigin::Config)),
            None => rules.push((rule, RuleOrigin::Preset)),
        }
    }
    rules.extend(config.into_iter().map(|rule| (rule, RuleOrigin::Config)));
    rules
}

/// The rules of a document that is right, and on which lines they stand.
pub(super) fn lines(top: &Section<'_>) -> Vec<(RuleName, usize)> {
    let sections = top.tables("rule", &RULE_KEYS).ok().flatten();
    let sections = sections.unwrap_or_default();
    let named = sections.iter().filter_map(|section| {
        let name = name(&section.field("name")?).ok()?;
        Some((name, section.line()))
    });
    named.collect()
}

fn rule(
    section: &Section<'_>,
    ban: Penalty,
    preset: &[RuleSettings],
) -> Result<RuleSettings, ConfigError> {
    let required = |key: &str| {
        section
            .field(key)
            .ok_or_else(|| section.mistake(format!("[[rule]] lacks {key:?}")))
    };
    let name = name(&required("name")?)?;
    let count = count(&required("count")?)?;
    let per = required("per")?.choice("per", Per::ALL, Per::as_str)?;
    let distinct = distinct(section, per)?;
    let permanent = permanent(section, &name, preset)?;
    let measure = match section.field("measure") {
        Some(field) => field.choice("measure", Measure::ALL, Measure::as_str)?,
        None => Measure::Count,
    };
    account_rule::check(section, per, &count, distinct, measure)?;
    Ok(RuleSettings {
        baseline: account_rule::baseline(section)?,
        limit: required("limit")?.number(1..=LIMIT_MAX)?,
        window: window(section, per)?,
        service: service(section)?,
        bad_share: match section.field("bad_share") {
            Some(field) => field.number(0..=100)?,
            None => 0,
        },
        mode: mode(section, permanent)?,
        permanent,
        then: then::read(section, per, ban)?,
        name,
        count,
        per,
        distinct,
        measure,
    })
}

/// Whether the rule is permanent: what the preset has as such can be edited, and stays it.
fn permanent(
    section: &Section<'_>,
    name: &RuleName,
    preset: &[RuleSettings],
) -> Result<bool, ConfigError> {
    let is_kept = preset
        .iter()
        .any(|rule| rule.permanent && rule.name == *name);
    let Some(field) = section.field("permanent") else {
        return Ok(is_kept);
    };
    let is_permanent = field.truth()?;
    if is_kept && !is_permanent {
        return Err(field.mistake(format!(
            "\"{name}\" is permanent in the preset: it can be edited, but not be made one that can be deleted; take out this line"
        )));
    }
    Ok(is_permanent)
}

fn mode(section: &Section<'_>, permanent: bool) -> Result<Mode, ConfigError> {
    let Some(field) = section.field("mode") else {
        return Ok(Mode::Enforce);
    };
    let mode = field.choice("mode", Mode::ALL, Mode::as_str)?;
    if permanent && mode == Mode::Observe {
        return Err(field.mistake(
            "a permanent rule cannot be switched off, which mode = \"observe\" would do; edit what follows instead, such as then = { notify = true }",
        ));
    }
    Ok(mode)
}

fn name(field: &Field<'_>) -> Result<RuleName, ConfigError> {
    let text = field.text()?;
    RuleName::new(text).ok_or_else(|| {
        field.mistake(format!(
            "{text:?} cannot be the name of a rule: 1 to 32 lower-case letters, digits and hyphens, and neither \"manual\" nor \"kernel\""
        ))
    })
}

/// Event kinds and groups, in a list, or one of them alone.
fn count(field: &Field<'_>) -> Result<Vec<EventKind>, ConfigError> {
    let names = EventKind::ALL.iter().map(|kind| kind.as_str());
    let groups = GROUPS.iter().map(|(group, _)| *group);
    let mut counted = Vec::new();
    for item in field.items()? {
        let text = item.text()?;
        let kinds = match GROUPS.iter().find(|(group, _)| *group == text) {
            Some((_, kinds)) => *kinds,
            None => EventKind::ALL
                .iter()
                .position(|kind| kind.as_str() == text)
                .map(|at| &EventKind::ALL[at..=at])
                .ok_or_else(|| item.unknown("event", text, groups.clone().chain(names.clone())))?,
        };
        for kind in kinds {
            if !counted.contains(kind) {
                counted.push(*kind);
            }
        }
    }
    if counted.is_empty() {
        return Err(field.mistake("a rule counts at least one kind of event"));
    }
    Ok(counted)
}

fn distinct(section: &Section<'_>, per: Per) -> Result<Option<Distinct>, ConfigError> {
    let Some(field) = section.field("distinct") else {
        return Ok(None);
    };
    let distinct = field.choice("distinct", Distinct::ALL, Distinct::as_str)?;
    if distinct == Distinct::Address && !matches!(per, Per::Network | Per::Account) {
        return Err(field.mistake(
            "distinct = \"address\" needs per = \"network\" or \"account\": all else has one address",
        ));
    }
    Ok(Some(distinct))
}

fn window(section: &Section<'_>, per: Per) -> Result<Duration, ConfigError> {
    let Some(field) = section.field("window") else {
        return match per {
            Per::Session | Per::AccountSession => Ok(SESSION_WINDOW),
            // A day, always.
            Per::Account if section.field("baseline").is_some() => Ok(account_rule::DAY),
            Per::Address | Per::Network | Per::Account => {
                Err(section.mistake("[[rule]] lacks \"window\", such as \"10m\""))
            }
        };
    };
    let window = field.duration()?;
    if window > WINDOW_MAX {
        return Err(field.mistake(format!(
            "{} must be at most {}",
            field.name(),
            duration::format(WINDOW_MAX)
        )));
    }
    Ok(window)
}

fn service(section: &Section<'_>) -> Result<Vec<Service>, ConfigError> {
    let mut services = Vec::new();
    if let Some(field) = section.field("service") {
        for item in field.items()? {
            let service = item.choice("service", Service::ALL, Service::as_str)?;
            if !services.contains(&service) {
                services.push(service);
            }
        }
        if services.is_empty() {
            return Err(field.mistake("\"service\" is empty; leave it out for all services"));
        }
    }
    Ok(services)
}
