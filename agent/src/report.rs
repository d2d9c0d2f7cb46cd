//! The report as people read it: text in 80 columns, and one page of HTML. What stands in it came from logs, so each form escapes it.

mod html;
mod text;

pub use self::{html::html, text::text};

use crate::control::protocol::{Offender, ReportBy};

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
    let who = offender.who.as_str();
    who.strip_suffix("/32")
        .filter(|host| host.contains('.'))
        .unwrap_or(who)
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
