//! The report as people read it: text in 80 columns, and one page of HTML. What stands in it came from logs, so each form escapes it.

mod html;
mod text;

pub use self::{html::html, text::text};

use crate::control::protocol::{NearView, Offender, Report, ReportBy};

/// A title for a list of offenders.
fn title(by: ReportBy) -> &'static str {
    match by {
        ReportBy::Address => "Worst addresses (IPv6: /64)",
        ReportBy::Network => "Worst networks (IPv4 /24, IPv6 /48)",
        ReportBy::Account => "Accounts tried the most",
    }
}

/// Whom a line is about: hosts without their length.
fn who(offender: &Offender) -> &str {
    host(&offender.who)
}

fn near_who(miss: &NearView) -> &str {
    match miss.is_account {
        true => &miss.who,
        false => host(&miss.who),
    }
}

fn host(net: &str) -> &str {
    net.strip_suffix("/32")
        .filter(|host| host.contains('.'))
        .unwrap_or(net)
}

/// A title for those who came near a limit.
fn near_title(report: &Report) -> String {
    let near = &report.near;
    let title = format!("Near a limit, and not at it{}", since_the_start(report));
    match near.total {
        total if total > near.shown.len() => {
            format!("{title}: {} of {total}", near.shown.len())
        }
        _ => title,
    }
}

/// A title for those who were spared.
fn spared_title(report: &Report) -> String {
    format!("Spared, though they misbehave{}", since_the_start(report))
}

/// What the agent does not keep over a restart says so.
fn since_the_start(report: &Report) -> String {
    match &report.remembered_from {
        Some(from) => format!(" (since {} UTC)", hour(from)),
        None => String::new(),
    }
}

/// The kinds of offences with their counts, the most frequent first.
fn kinds(offender: &Offender) -> String {
    let kinds = offender
        .kinds
        .iter()
        .map(|kind| format!("{} {}", kind.count, kind.kind));
    kinds.collect::<Vec<_>>().join(", ")
}

/// An hour without what nobody reads: `2026-08-22 08:00`.
fn hour(rfc3339: &str) -> String {
    let minutes = rfc3339.get(..16).unwrap_or(rfc3339);
    minutes.replace('T', " ")
}

#[cfg(test)]
mod tests;
