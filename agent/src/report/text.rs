//! The report as text, for terminals and e-mail: at most 80 columns, but for what is longer than a line.

use super::{hour, kinds, near_title, near_who, spared_title, title, who};
use crate::{
    control::protocol::{NearMisses, NearView, Report, RuleReport, Source, TopOffenders},
    duration, line,
};

/// Most columns.
const WIDTH: usize = 80;
/// Most characters of an offender.
const WHO_MAX: usize = 40;
/// Most characters of a problem.
const PROBLEM_MAX: usize = 1024;

/// The report, line by line.
pub fn text(report: &Report) -> Vec<String> {
    let since = duration::format(std::time::Duration::from_secs(report.since_s));
    let mut lines = vec![
        format!("mailwall on {}: the last {since}", report.host),
        format!("{} to {} UTC", hour(&report.from), hour(&report.to)),
    ];
    section(&mut lines, "Problems", problems(report));
    section(&mut lines, "Totals", totals(report));
    section(&mut lines, "Decisions by rule", rules(&report.rules));
    for top in &report.top {
        let name = match top.total {
            total if total > top.offenders.len() => {
                format!("{}: {} of {total}", title(top.by), top.offenders.len())
            }
            _ => title(top.by).to_owned(),
        };
        section(&mut lines, &name, offenders(top));
    }
    section(&mut lines, &near_title(report), near(&report.near));
    section(&mut lines, &spared_title(report), spared(report));
    section(&mut lines, "Logs", gaps(&report.sources));
    lines
}

fn section(lines: &mut Vec<String>, name: &str, content: Vec<String>) {
    if !content.is_empty() {
        lines.push(String::new());
        lines.push(name.to_owned());
        lines.push("-".repeat(name.chars().count()));
        lines.extend(content);
    }
}

fn problems(report: &Report) -> Vec<String> {
    let problems = report.problems.iter();
    problems
        .map(|problem| line::escaped(problem.as_bytes(), PROBLEM_MAX))
        .collect()
}

fn totals(report: &Report) -> Vec<String> {
    let would = if report.mode == "observe" {
        " would have been"
    } else {
        ""
    };
    let mut lines = vec![
        format!(
            "{:>12}  offences of {} hosts",
            report.offences, report.hosts
        ),
        format!("{:>12}  bans in force now", report.bans),
        format!("{:>12}  bans ended with their time", report.expired),
        format!(
            "{:>12}  packets{would} dropped since the filter was loaded",
            report.dropped
        ),
    ];
    for fill in &report.maps {
        let map = line::escaped(fill.map.as_bytes(), WHO_MAX);
        lines.push(format!(
            "{:>12}  of {} bans that the map of {map} can hold",
            fill.used, fill.capacity
        ));
    }
    if report.limited > 0 {
        lines.push(format!(
            "{:>12}  connections{would} refused over a limit",
            report.limited
        ));
    }
    if report.left_out > 0 {
        lines.push(format!(
            "{:>12}  offences in no list: too many hosts at once",
            report.left_out
        ));
    }
    lines
}

fn rules(rules: &[RuleReport]) -> Vec<String> {
    if rules.is_empty() {
        return vec!["none".to_owned()];
    }
    let row = |name: &str, cells: [String; 7]| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>6}")).collect();
        format!("{name:<31}{}", cells.join(" "))
    };
    let header = ["bans", "would", "now", "delays", "holds", "kicks", "told"];
    let mut lines = vec![row("", header.map(str::to_owned))];
    lines.extend(rules.iter().map(|rule| {
        let counts = [
            rule.bans,
            rule.would_bans,
            rule.in_force,
            rule.delays,
            rule.holds,
            rule.kicks,
            rule.notices,
        ];
        row(
            &line::escaped(rule.rule.as_bytes(), WHO_MAX),
            counts.map(|count| count.to_string()),
        )
    }));
    lines
}

fn offenders(top: &TopOffenders) -> Vec<String> {
    if top.offenders.is_empty() {
        return vec!["none".to_owned()];
    }
    let shown = top
        .offenders
        .iter()
        .map(|one| line::escaped(who(one).as_bytes(), WHO_MAX));
    let width = shown
        .map(|who| who.chars().count())
        .max()
        .unwrap_or_default();
    let line = |one: &crate::control::protocol::Offender| {
        let who = line::escaped(who(one).as_bytes(), WHO_MAX);
        let hosts = match one.hosts {
            Some(hosts) if hosts > 1 => format!(", {hosts} hosts"),
            _ => String::new(),
        };
        let head = format!(
            "{:>9}  {who:<width$}  last {}{hosts}",
            one.offences,
            hour(&one.last)
        );
        let kinds = line::escaped(kinds(one).as_bytes(), WIDTH * 2);
        let one_line = format!("{head}  {kinds}");
        match one_line.chars().count() <= WIDTH {
            true => vec![one_line],
            false => vec![head, format!("{:>11}{kinds}", "")],
        }
    };
    top.offenders.iter().flat_map(line).collect()
}

fn near(near: &NearMisses) -> Vec<String> {
    let name = |miss: &NearView| line::escaped(near_who(miss).as_bytes(), WHO_MAX);
    let shown = near.shown.iter().map(|miss| name(miss).chars().count());
    let width = shown.max().unwrap_or_default();
    let line = |miss: &NearView| {
        let rule = line::escaped(miss.rule.as_bytes(), WHO_MAX);
        format!(
            "{:<width$}  {rule}: {} of {}, last {}",
            name(miss),
            miss.count,
            miss.limit,
            hour(&miss.last)
        )
    };
    near.shown.iter().map(line).collect()
}

fn spared(report: &Report) -> Vec<String> {
    let line = |host: &crate::control::protocol::SparedHost| {
        let net = line::escaped(host.net.as_bytes(), WHO_MAX);
        let what = match &host.rule {
            Some(rule) => format!("reached {rule} {} times", host.breaches),
            None => format!("{} offences", host.offences),
        };
        let because = line::escaped(host.because.as_bytes(), WHO_MAX);
        format!("{net:<22}  {because}: {what}, last {}", hour(&host.last))
    };
    report.spared.iter().map(line).collect()
}

fn gaps(sources: &[Source]) -> Vec<String> {
    let mut lines = Vec::new();
    for source in sources {
        let name = line::escaped(source.name.as_bytes(), PROBLEM_MAX);
        lines.push(name);
        lines.push(format!(
            "{:>12}  lines since the agent started, {} understood",
            source.lines, source.understood
        ));
        for (count, what) in [
            (
                source.unknown,
                "of a mail program in a form that is not known",
            ),
            (
                source.refused,
                "with two candidate addresses, so that neither counts",
            ),
            (source.cut, "cut"),
            (source.lost, "lost before they were read"),
        ] {
            if count > 0 {
                lines.push(format!("{count:>12}  {what}"));
            }
        }
    }
    lines
}
