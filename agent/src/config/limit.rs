//! `[[limit]]`: how many connections a source, or a network, may open.

use super::{
    document::{Field, Section},
    error::ConfigError,
    filter::network,
};
use crate::limit::{Counts, LIMITS_MAX, LimitRule, SOURCE_PREFIX_V6};
use ipnet::IpNet;

/// Most connections a minute that can be a limit: beyond it, intervals are shorter than the filter's clock tells apart.
pub const PER_MINUTE_MAX: u32 = 10_000;
/// Most open connections that can be a limit.
pub const CONCURRENT_MAX: u32 = 1_000_000;

const LIMIT_KEYS: [&str; 4] = ["network", "per_minute", "concurrent", "counts"];

/// All `[[limit]]` of a document.
pub(super) fn read(top: &Section<'_>) -> Result<Vec<LimitRule>, ConfigError> {
    let sections = top.tables("limit", &LIMIT_KEYS)?.unwrap_or_default();
    if let Some(section) = sections.get(LIMITS_MAX) {
        return Err(section.mistake(format!("at most {LIMITS_MAX} [[limit]]")));
    }
    let mut limits: Vec<LimitRule> = Vec::new();
    let mut first = std::collections::HashMap::new();
    for section in &sections {
        let limit = limit(section)?;
        if let Some(line) = first.insert(limit.network, section.line()) {
            return Err(section.mistake(match limit.network {
                Some(network) => format!("a second limit for {network}; the first is on line {line}"),
                None => format!(
                    "a second limit without a network, which is the one for everybody else; the first is on line {line}"
                ),
            }));
        }
        limits.push(limit);
    }
    // Without a default limit there is one that limits nothing; it takes a place as well.
    if limits.len() == LIMITS_MAX && !first.contains_key(&None) {
        return Err(top.mistake(format!(
            "at most {} [[limit]] with a network",
            LIMITS_MAX - 1
        )));
    }
    Ok(limits)
}

fn limit(section: &Section<'_>) -> Result<LimitRule, ConfigError> {
    let network = match section.field("network") {
        Some(field) => Some(limited(&field)?),
        None => None,
    };
    let per_minute = section.field("per_minute");
    let concurrent = section.field("concurrent");
    if per_minute.is_none() && concurrent.is_none() {
        return Err(section.mistake(
            "[[limit]] lacks \"per_minute\" and \"concurrent\"; name at least one, 0 for no limit",
        ));
    }
    let number = |field: Option<Field<'_>>, most| match field {
        Some(field) => field.number(0..=most),
        None => Ok(0),
    };
    let limit = LimitRule {
        network,
        per_minute: number(per_minute, PER_MINUTE_MAX)?,
        concurrent: number(concurrent, CONCURRENT_MAX)?,
        counts: match section.field("counts") {
            Some(field) => counts(&field, network)?,
            None => Counts::Address,
        },
    };
    if network.is_none() && !limit.limits_anything() {
        return Err(section.mistake("this [[limit]] has no network and no limit: leave it out"));
    }
    Ok(limit)
}

fn limited(field: &Field<'_>) -> Result<IpNet, ConfigError> {
    let network = network(field)?;
    if let IpNet::V6(v6) = network
        && v6.prefix_len() > SOURCE_PREFIX_V6
    {
        let wide = ipnet::Ipv6Net::new(v6.addr(), SOURCE_PREFIX_V6).map(|net| net.trunc());
        return Err(field.mistake(match wide {
            Ok(wide) => format!(
                "{network} is narrower than an IPv6 source, which is a /{SOURCE_PREFIX_V6}; write \"{wide}\""
            ),
            Err(_) => format!("{network} is narrower than a /{SOURCE_PREFIX_V6}"),
        }));
    }
    Ok(network)
}

fn counts(field: &Field<'_>, network: Option<IpNet>) -> Result<Counts, ConfigError> {
    let counts = field.choice("way to count", Counts::ALL, Counts::as_str)?;
    if counts == Counts::Network && network.is_none() {
        return Err(field.mistake(
            "counts = \"network\" needs a network: this would count all of the world as one source",
        ));
    }
    Ok(counts)
}
