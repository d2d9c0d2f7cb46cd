//! The report as one page: no scripts, nothing from elsewhere, light and dark as the reader has it.

use std::fmt::Write as _;

use super::{hour, kinds, near_title, near_who, spared_title, title, who};
use crate::{
    control::protocol::{Report, ReportBy, TopOffenders},
    duration, line,
};

/// Most characters of a piece of text.
const TEXT_MAX: usize = 1024;

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.when { opacity: .75; margin-top: .25rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
th { font-weight: 600; } .number { text-align: right; } td.number, .time { white-space: nowrap; }
.problem { border-left: 4px solid #d33; padding-left: .75rem; overflow-wrap: anywhere; }
code { font: .95em ui-monospace, monospace; } td { overflow-wrap: anywhere; min-width: 4rem; }
td:first-child { min-width: 11rem; }
@media screen and (max-width: 44rem) {
  thead { display: none; }
  tr { display: block; padding: .5rem 0; border-bottom: 1px solid #8884; }
  td { display: flex; justify-content: space-between; gap: 1.5rem; padding: 0; border: 0; text-align: right; }
  .rows td::before { content: attr(data-name); opacity: .75; text-align: left; flex: none; }
  .rows td:first-child { text-align: left; } .rows td:first-child::before { content: none; }
  .rows td.zero, td:empty { display: none; }
  .pairs tr { display: flex; justify-content: space-between; gap: 1.5rem; padding: .3rem 0; }
  .pairs td { justify-content: flex-end; } .pairs td:first-child { text-align: left; justify-content: flex-start; }
}
@media print {
  body { font-size: 10pt; max-width: none; margin: 0; padding: 0; }
  h2 { break-after: avoid; } tr, .problem { break-inside: avoid; }
}
";

/// Between each three digits of a number: narrow, and no place to break a line.
const DIGITS_APART: char = '\u{202f}';

/// The page.
pub fn html(report: &Report) -> String {
    let mut page = String::new();
    let since = duration::format(std::time::Duration::from_secs(report.since_s));
    let host = escaped(&report.host);
    // Nothing is loaded from anywhere, whatever might stand in the page.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>mailwall on {host}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>mailwall on {host}</h1>\n<p class=\"when\">The last {since}: {} to {} UTC</p>\n",
        escaped(&hour(&report.from)),
        escaped(&hour(&report.to))
    );
    if !report.problems.is_empty() {
        page.push_str("<h2>Problems</h2>\n");
        for problem in &report.problems {
            let _ = writeln!(page, "<p class=\"problem\">{}</p>", escaped(problem));
        }
    }
    totals(report, &mut page);
    rules(report, &mut page);
    for top in &report.top {
        offenders(top, &mut page);
    }
    near(report, &mut page);
    spared(report, &mut page);
    sources(report, &mut page);
    page.push_str("</body>\n</html>\n");
    page
}

fn totals(report: &Report, page: &mut String) {
    let dropped = match report.mode.as_str() {
        "observe" => "Packets that would have been dropped since the filter was loaded",
        _ => "Packets dropped since the filter was loaded",
    };
    let rows = [
        ("Offences", report.offences),
        ("Hosts with offences", report.hosts),
        ("Bans in force now", report.bans as u64),
        ("Bans ended with their time", report.expired),
        (dropped, report.dropped),
        ("Connections refused over a limit", report.limited),
        (
            "Offences in no list, for there were too many hosts at once",
            report.left_out,
        ),
    ];
    let rows = rows
        .into_iter()
        .map(|(name, number)| vec![name.to_owned(), number_text(number)]);
    let maps = report.maps.iter().map(|fill| {
        let name = format!(
            "Of {} bans that the map of {} can hold",
            number_text(fill.capacity),
            fill.map
        );
        vec![escaped(&name), number_text(fill.used)]
    });
    let rows = rows.chain(maps);
    table(page, "Totals", &["", "#"], rows);
}

fn rules(report: &Report, page: &mut String) {
    let rows = report.rules.iter().map(|rule| {
        let counts = [
            rule.bans,
            rule.would_bans,
            rule.in_force,
            rule.delays,
            rule.holds,
            rule.kicks,
            rule.notices,
        ];
        let counts = counts.map(number_text);
        [vec![code(&rule.rule)], counts.to_vec()].concat()
    });
    let columns = [
        "Rule",
        "#Bans",
        "#Would have been",
        "#In force now",
        "#Delays",
        "#Holds",
        "#Kicks",
        "#Notices",
    ];
    table(page, "Decisions by rule", &columns, rows);
}

fn offenders(top: &TopOffenders, page: &mut String) {
    let name = match top.total {
        total if total > top.offenders.len() => {
            format!("{}: {} of {total}", title(top.by), top.offenders.len())
        }
        _ => title(top.by).to_owned(),
    };
    let rows = top.offenders.iter().map(|one| {
        vec![
            code(who(one)),
            number_text(one.offences),
            one.hosts.map_or_else(String::new, number_text),
            escaped(&hour(&one.last)),
            escaped(&kinds(one)),
        ]
    });
    let columns = ["Who", "#Offences", "#Hosts", "@Last hour", "What"];
    if top.by == ReportBy::Account {
        // Nobody knows from how many hosts.
        let rows = rows.map(|mut row| {
            row.remove(2);
            row
        });
        let columns = [columns[0], columns[1], columns[3], columns[4]];
        return table(page, &name, &columns, rows);
    }
    table(page, &name, &columns, rows);
}

fn near(report: &Report, page: &mut String) {
    let near = &report.near;
    if near.shown.is_empty() {
        return;
    }
    let rows = near.shown.iter().map(|miss| {
        vec![
            code(near_who(miss)),
            code(&miss.rule),
            miss.count.to_string(),
            miss.limit.to_string(),
            escaped(&hour(&miss.last)),
        ]
    });
    let columns = ["Who", "Rule", "#Came to", "#Limit", "Last hour"];
    table(page, &near_title(report), &columns, rows);
}

fn spared(report: &Report, page: &mut String) {
    if report.spared.is_empty() {
        return;
    }
    let rows = report.spared.iter().map(|host| {
        vec![
            code(&host.net),
            escaped(&host.because),
            number_text(host.offences),
            number_text(host.breaches),
            escaped(host.rule.as_deref().unwrap_or_default()),
            escaped(&hour(&host.last)),
        ]
    });
    let columns = [
        "Who",
        "Why",
        "#Offences",
        "#Limits reached",
        "Rule",
        "@Last hour",
    ];
    table(page, &spared_title(report), &columns, rows);
}

fn sources(report: &Report, page: &mut String) {
    let rows = report.sources.iter().map(|source| {
        let counts = [
            source.lines,
            source.understood,
            source.unknown,
            source.refused,
            source.cut,
            source.lost,
        ];
        let counts = counts.map(number_text);
        [vec![code(&source.name)], counts.to_vec()].concat()
    });
    let columns = [
        "Log",
        "#Lines",
        "#Understood",
        "#Unknown",
        "#Two addresses",
        "#Cut",
        "#Lost",
    ];
    table(page, "Logs since the agent started", &columns, rows);
}

/// A table; columns that begin with # hold numbers, with @ times. Cells are escaped already. On a narrow screen each row is a
/// list of what it holds, with the names of the columns; where there is one column of values only, a pair.
fn table(page: &mut String, name: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let name_of = |column: &str| escaped(column.trim_start_matches(['#', '@']));
    let class = |column: &str| match column.as_bytes().first() {
        Some(b'#') => "number",
        Some(b'@') => "time",
        _ => "text",
    };
    let form = if columns.len() == 2 { "pairs" } else { "rows" };
    let _ = write!(
        page,
        "<h2>{}</h2>\n<table class=\"{form}\">\n",
        escaped(name)
    );
    if form == "rows" {
        page.push_str("<thead><tr>");
        for column in columns {
            let _ = write!(
                page,
                "<th class=\"{}\">{}</th>",
                class(column),
                name_of(column)
            );
        }
        page.push_str("</tr></thead>\n");
    }
    page.push_str("<tbody>\n");
    let mut is_empty = true;
    for row in rows {
        is_empty = false;
        page.push_str("<tr>");
        for (cell, column) in row.iter().zip(columns) {
            let zero = if cell == "0" { " zero" } else { "" };
            let (class, name) = (class(column), name_of(column));
            let _ = match form {
                "rows" => write!(
                    page,
                    "<td class=\"{class}{zero}\" data-name=\"{name}\">{cell}</td>"
                ),
                _ => write!(page, "<td class=\"{class}\">{cell}</td>"),
            };
        }
        page.push_str("</tr>\n");
    }
    if is_empty {
        let _ = writeln!(page, "<tr><td colspan=\"{}\">none</td></tr>", columns.len());
    }
    page.push_str("</tbody>\n</table>\n");
}

fn number_text(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(DIGITS_APART);
        }
        text.push(digit);
    }
    text
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// Text as it can stand anywhere in the page.
fn escaped(text: &str) -> String {
    let text = line::escaped(text.as_bytes(), TEXT_MAX);
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
