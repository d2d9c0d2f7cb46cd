//! What `mailwall analyze` writes: each ban when it is decided, so that memory does not grow with the log.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use ipnet::IpNet;
use serde::Serialize;

use super::{Totals, apply::Applied, closing::Closing, rfc3339};
use crate::{
    ban::{Ban, End},
    cli::{
        console::{Console, Format, Volume},
        failure::Failure,
        number::{count, grouped},
        table::{Cell, Table},
        time,
    },
    control::protocol::SCHEMA,
    duration,
};

const COLUMNS: &[&str] = &["TIME", "NET", "RULE", "FOR", "OFFENCES", "REASON"];
/// Widths that nearly everything fits in, so that lines written one by one stand in columns.
const WIDTHS: &[usize] = &[19, 18, 15, 5, 8, 6];

/// The report of a replay, as far as it is written.
pub(super) struct Report {
    bans: usize,
}

/// A ban as JSON has it.
#[derive(Serialize)]
struct BanRecord<'a> {
    at: Option<String>,
    net: IpNet,
    action: &'static str,
    rule: String,
    for_s: Option<u64>,
    count: u32,
    level: u8,
    reason: &'a str,
    evidence: Vec<&'a str>,
}

impl Report {
    pub(super) fn begin(console: &mut Console) -> Result<Self, Failure> {
        match console.format {
            Format::Json => write!(console.out(), "{{\"schema\":{SCHEMA},\"decisions\":[")?,
            Format::Plain | Format::Human => {}
        }
        Ok(Self { bans: 0 })
    }

    pub(super) fn ban(&mut self, ban: &Ban, console: &mut Console) -> Result<(), Failure> {
        let is_first = self.bans == 0;
        self.bans += 1;
        if console.format == Format::Json {
            if !is_first {
                write!(console.out(), ",")?;
            }
            serde_json::to_writer(console.out(), &record(ban)).map_err(io::Error::from)?;
            return Ok(());
        }
        let paint = console.paint;
        let mut table = Table::with_widths(COLUMNS, WIDTHS);
        if is_first && console.format == Format::Human {
            table.write_human(console.out(), paint)?;
        }
        table.push(row(ban));
        if console.format == Format::Plain {
            table.write_plain(console.out())?;
            return Ok(());
        }
        table.write_rows(console.out(), paint)?;
        if console.volume > Volume::Normal {
            for piece in &ban.evidence {
                console.line(&format!("    {}", piece.text))?;
            }
        }
        if console.is_terminal() {
            console.flush()?;
        }
        Ok(())
    }

    /// Writes what is known only at the end; `still` bans would be in force now.
    pub(super) fn end(
        &self,
        totals: &Totals,
        still: usize,
        closing: &Closing,
        applied: Option<&Applied>,
        console: &mut Console,
    ) -> Result<(), Failure> {
        match console.format {
            Format::Json => {
                let Totals { lines, events } = totals;
                write!(console.out(), "],\"lines\":{lines},\"events\":{events}")?;
                closing.write_json(console)?;
                if let Some(Applied { banned, refused }) = applied {
                    write!(console.out(), ",\"applied\":{banned},\"refused\":{refused}")?;
                }
                console.line("}")
            }
            Format::Plain => Ok(()),
            Format::Human => {
                self.say(totals, still, closing, applied, console)?;
                match console.volume {
                    Volume::Quiet => Ok(()),
                    _ => closing.say(console),
                }
            }
        }
    }

    fn say(
        &self,
        totals: &Totals,
        still: usize,
        closing: &Closing,
        applied: Option<&Applied>,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let mut bans = count(self.bans, "ban", "bans");
        if self.bans > 0 {
            let by_rule: Vec<String> = closing
                .rules
                .bans()
                .map(|(rule, bans)| format!("{rule} {}", grouped(bans)))
                .collect();
            bans.push_str(&format!(" ({})", by_rule.join(", ")));
            bans.push_str(&format!(
                ", {} would be in force now",
                grouped(still as u64)
            ));
        }
        console.line(&format!(
            "{} lines, {} events: {bans}",
            grouped(totals.lines),
            grouped(totals.events),
        ))?;
        match applied {
            Some(applied) => console.line(&applied.sentence()),
            None => Ok(()),
        }
    }
}

fn record(ban: &Ban) -> BanRecord<'_> {
    BanRecord {
        at: rfc3339(ban.since),
        net: ban.net,
        action: "ban",
        rule: ban.origin.to_string(),
        for_s: length(ban).map(|length| length.as_secs()),
        count: ban.offences,
        level: ban.level,
        reason: &ban.reason,
        evidence: ban.evidence.iter().map(|piece| &*piece.text).collect(),
    }
}

fn row(ban: &Ban) -> Vec<Cell> {
    let at = rfc3339(ban.since).unwrap_or_default();
    let length = length(ban).map_or_else(Cell::absent, |length| {
        Cell::both(duration::format(length), length.as_secs().to_string())
    });
    vec![
        Cell::text(&at).with_human(time::local(&at)),
        Cell::net(&ban.net),
        Cell::text(&ban.origin.to_string()),
        length,
        Cell::number(u64::from(ban.offences)),
        Cell::text(&ban.reason),
    ]
}

fn length(ban: &Ban) -> Option<Duration> {
    match ban.end {
        End::At(end) => end.duration_since(ban.since).ok(),
        End::Never => None,
    }
}
