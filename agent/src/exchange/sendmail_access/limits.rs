//! `ClientRate:` and `ClientConn:`, which Sendmail looks up each for itself, as limits that say both.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{
    super::{
        Imported,
        imported::{Place, shown},
    },
    key::Subject,
    tag::Tag,
};
use crate::{
    config::{CONCURRENT_MAX, PER_MINUTE_MAX},
    limit::{Counts, LIMITS_MAX, LimitRule},
};

/// What the map says; the default has no net.
#[derive(Debug, Default)]
pub(super) struct Limits {
    rates: BTreeMap<Option<IpNet>, u32>,
    open: BTreeMap<Option<IpNet>, u32>,
}

impl Limits {
    /// One more entry.
    ///
    /// # Errors
    ///
    /// When its value is none.
    pub(super) fn add(&mut self, tag: Tag, subject: Subject, value: &str) -> Result<(), String> {
        let (table, most) = match tag {
            Tag::ClientRate => (&mut self.rates, PER_MINUTE_MAX),
            _ => (&mut self.open, CONCURRENT_MAX),
        };
        let number = value.parse::<u32>();
        let number = number.map_err(|_| format!("{} is no number", shown(value.as_bytes())))?;
        if number > most {
            return Err(format!(
                "{number} is more than {most}, the most that can be a limit"
            ));
        }
        let net = match subject {
            Subject::Net(net) => Some(net),
            Subject::Everybody | Subject::Name(_) => None,
        };
        table.insert(net, number);
        Ok(())
    }

    /// One limit for each net that either of them names: of each the longest prefix around it counts.
    pub(super) fn finish(self, into: &mut Imported) {
        let nets = self.rates.keys().chain(self.open.keys());
        let nets: std::collections::BTreeSet<Option<IpNet>> = nets.copied().collect();
        for network in nets {
            let limit = LimitRule {
                network,
                per_minute: around(&self.rates, network),
                concurrent: around(&self.open, network),
                counts: Counts::Address,
            };
            // Without a default nobody is limited who is in no network.
            if network.is_some() || limit.limits_anything() {
                into.limits.push(limit);
            }
        }
        if into.limits.len() >= LIMITS_MAX {
            into.mistake(
                Place::All,
                format!(
                    "{} limits on connections, of which the filter takes {}",
                    into.limits.len(),
                    LIMITS_MAX - 1
                ),
            );
        }
    }
}

fn around(table: &BTreeMap<Option<IpNet>, u32>, net: Option<IpNet>) -> u32 {
    let mut net = net;
    while let Some(here) = net {
        if let Some(number) = table.get(&net) {
            return *number;
        }
        net = here.supernet();
    }
    table.get(&None).copied().unwrap_or(0)
}
