//! Lines a second through the library, as `analyze` runs it: the line is in memory, read, and what it says judged.

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use jiff::tz::TimeZone;
use mailwall::{
    allowlist::Allowlist,
    config::Config,
    decision::Decision,
    dialect::{Reader, Reading},
    envelope,
    judge::{Judge, JudgeSettings},
};

use super::{
    effort::Effort,
    mix::{self, Hosts, Log, Program},
};
use crate::bench::report::{Cell, Limit, Report, Table};

/// Lines a second that reading and judging should reach.
pub const TARGET: f64 = 3e6;

const MIXES: [(&str, Program, Hosts); 5] = [
    ("postfix, 1,200 bad hosts", Program::Postfix, Hosts::Few),
    (
        "postfix, ever new bad hosts",
        Program::Postfix,
        Hosts::EverNew,
    ),
    ("dovecot, 1,200 bad hosts", Program::Dovecot, Hosts::Few),
    ("exim, 1,200 bad hosts", Program::Exim, Hosts::Few),
    (
        "all three, ever new bad hosts",
        Program::All,
        Hosts::EverNew,
    ),
];

/// What came of a log.
#[derive(Clone, Copy, Default)]
struct Outcome {
    events: u64,
    offences: u64,
    bans: u64,
}

/// Measures.
///
/// # Errors
/// When the default configuration is broken.
pub fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let mut table = Table::new(
        "pipeline",
        "Lines through the library, one core (nanoseconds a line; best of the turns)",
        &[
            ("mix", "MIX"),
            ("bytes", "BYTES/LINE"),
            ("bad", "BAD"),
            ("envelope_ns", "ENVELOPE"),
            ("read_ns", "+ DIALECT"),
            ("judge_ns", "+ JUDGE"),
            ("lines_per_s", "LINES/S"),
            ("events", "EVENTS"),
            ("offences", "OFFENCES"),
            ("bans", "BANS"),
        ],
    );
    for (name, program, hosts) in MIXES {
        let log = mix::log(program, hosts, effort.lines);
        let lines = log.lines().len() as f64;
        let (envelope, _) = effort.best(|| envelopes(&log));
        let (read, _) = effort.best(|| reading(&log));
        let settings = settings()?;
        let (judged, outcome) = effort.best(|| judging(&log, &settings));
        let ns = |time: Duration| Cell::Number(time.as_secs_f64() * 1e9 / lines, 0);
        let per_second = lines / judged.as_secs_f64();
        table.row(vec![
            Cell::text_of(name),
            Cell::Number(log.mean_length(), 0),
            Cell::Number(log.bad as f64 / lines, 2),
            ns(envelope),
            ns(read),
            ns(judged),
            Cell::Number(per_second, 0),
            Cell::count(outcome.events),
            Cell::count(outcome.offences),
            Cell::count(outcome.bans),
        ]);
        if program != Program::All {
            let what = format!("parse and judge, {name}");
            report.target(
                what,
                per_second / 1e6,
                "million lines/s",
                Limit::AtLeast(TARGET / 1e6),
            );
        }
    }
    report.table(table);
    Ok(())
}

/// What a judge judges by where nothing is configured.
pub fn settings() -> Result<JudgeSettings> {
    let config = Config::parse("", "default")?;
    Ok(JudgeSettings {
        rules: config
            .rules
            .rules
            .into_iter()
            .map(|(rule, _)| rule)
            .collect(),
        ipv6_prefix: config.filter.ipv6_prefix,
    })
}

/// When the made-up logs end.
pub fn end() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000)
}

fn envelopes(log: &Log) -> usize {
    log.lines()
        .filter(|line| envelope::read(black_box(line)).is_some())
        .count()
}

fn reading(log: &Log) -> u64 {
    let mut reader = Reader::new(TimeZone::UTC);
    let now = end();
    let mut events = 0;
    for line in log.lines() {
        events += u64::from(matches!(
            reader.read(black_box(line), now),
            Reading::Event(_)
        ));
    }
    events
}

fn judging(log: &Log, settings: &JudgeSettings) -> Outcome {
    let mut judge = Judge::new(settings.clone(), Allowlist::default());
    let mut reader = Reader::new(TimeZone::UTC);
    let now = end();
    let mut outcome = Outcome::default();
    for line in log.lines() {
        let Reading::Event(event) = reader.read(black_box(line), now) else {
            continue;
        };
        outcome.events += 1;
        outcome.offences += u64::from(event.is_offence());
        if judge.poll_timeout().is_some_and(|due| due <= event.at) {
            judge.handle_timeout(event.at);
        }
        judge.handle_event(&event, line);
        while let Some(decision) = judge.next_decision() {
            outcome.bans += u64::from(matches!(decision, Decision::Ban(_)));
        }
    }
    outcome
}
