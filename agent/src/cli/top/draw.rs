//! Draws the screen. Everything from the agent was escaped when it became a row; what is not in rows is escaped here.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Sparkline, Wrap},
};

use super::{
    app::{App, Over, Said},
    list::{self, Column, Row},
    look::Look,
    pages::Tab,
    prompt::{self, Prompt, Question},
};
use crate::{
    cli::{
        net,
        number::{count, grouped, rate},
        paint::Tone,
        time,
    },
    control::protocol::{BanCheck, BanView, Status},
    line,
};

/// Most characters of a text that is shown whole.
const TEXT_MAX: usize = 2000;
/// Widest that the curve of drops gets.
const CURVE_WIDTH: u16 = 60;

const HELP: &[(&str, &str)] = &[
    ("up down j k", "another row; PgUp PgDn Home End further"),
    ("Tab left right 1-6", "another page"),
    ("s", "another order of the rows"),
    ("/", "only rows that hold a text; Esc shows all again"),
    (
        "Enter",
        "why a network is banned: the log lines that led to it",
    ),
    ("b", "ban a network, for a time or for ever"),
    ("B", "the same with all of the /24 around it (IPv6: /48)"),
    ("u", "end a ban"),
    ("a", "put a network on the allowlist: it is never banned"),
    ("? F1", "this"),
    ("q Ctrl-C", "leave"),
];

pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App, look: Look) {
    let [head, tabs, body, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_head(frame, head, app, look);
    draw_tabs(frame, tabs, app, look);
    draw_body(frame, body, app, look);
    draw_foot(frame, foot, app, look);
    match &app.over {
        Over::Nothing | Over::Prompt(_) | Over::Confirm(_) => {}
        Over::Help => draw_help(frame, look),
        Over::Evidence { net, found, scroll } => {
            let lines = match found.as_ref() {
                Ok(check) => evidence(check, net, look),
                Err(why) => vec![Line::from(shown(why))],
            };
            draw_window(
                frame,
                &format!(" {} ", net::shown(net)),
                lines,
                *scroll,
                look,
            );
        }
    }
}

fn shown(text: &str) -> String {
    line::escaped(text.as_bytes(), TEXT_MAX)
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, app: &App, look: Look) {
    let strong = look.tone(Tone::Strong);
    let Some(snapshot) = &app.snapshot else {
        frame.render_widget(Line::styled("mailwall", strong), area);
        return;
    };
    let status = &snapshot.status;
    let curve_width = CURVE_WIDTH.min(area.width.saturating_sub(56));
    let [words, curve] =
        Layout::horizontal([Constraint::Min(1), Constraint::Length(curve_width)]).areas(area);
    let mode_tone = if status.mode == "enforce" {
        Tone::Good
    } else {
        Tone::Odd
    };
    let first = Line::from(vec![
        Span::styled("mailwall ", strong),
        Span::raw(shown(&status.version)),
        Span::raw("  "),
        Span::styled(shown(&status.mode), look.tone(mode_tone)),
        Span::raw(format!("  up {}  ", time::coarse(status.uptime_s))),
        Span::styled(interfaces(status), look.faint()),
    ]);
    let drops = app.drops_per_s.unwrap_or(status.drops_per_s);
    let second = Line::from(vec![
        Span::styled(grouped(status.bans as u64), strong),
        Span::raw(if status.bans == 1 {
            " ban  "
        } else {
            " bans  "
        }),
        Span::styled(rate(drops), strong),
        Span::raw(" drops/s  "),
        Span::styled(grouped(status.dropped), strong),
        Span::raw(" dropped  "),
        Span::styled(grouped(status.tracked as u64), strong),
        Span::raw(" tracked"),
    ]);
    let third = match (&app.unreachable, status.problems.first()) {
        (Some(why), _) => Line::styled(
            format!("no news for {}: {}", time::coarse(silence(app)), shown(why)),
            look.tone(Tone::Bad),
        ),
        (None, Some(first)) => Line::styled(
            format!(
                "{}: {}",
                count(status.problems.len(), "problem", "problems"),
                shown(first)
            ),
            look.tone(Tone::Bad),
        ),
        (None, None) => Line::styled("no problems", look.faint()),
    };
    // A problem has the whole line; the curve stands beside the others.
    let bottom = Rect {
        y: area.y + area.height.saturating_sub(1),
        height: area.height.min(1),
        ..area
    };
    let [words, curve] = [words, curve].map(|area| Rect {
        height: area.height.min(2),
        ..area
    });
    frame.render_widget(Paragraph::new(vec![first, second]), words);
    frame.render_widget(third, bottom);
    draw_curve(frame, curve, app, look);
}

/// For how long nothing was heard of the agent.
fn silence(app: &App) -> u64 {
    let heard = app
        .snapshot
        .as_ref()
        .map_or_else(crate::clock::kernel_now, |snapshot| snapshot.at);
    crate::clock::kernel_now().saturating_sub(heard).as_secs()
}

fn draw_curve(frame: &mut Frame<'_>, area: Rect, app: &App, look: Look) {
    if area.width < 10 {
        return;
    }
    let skip = app.curve.len().saturating_sub(usize::from(area.width));
    let points: Vec<u64> = app.curve.iter().skip(skip).copied().collect();
    // From the right: the newest is where the curve ends.
    let width = u16::try_from(points.len())
        .unwrap_or(area.width)
        .min(area.width);
    let area = Rect {
        x: area.right() - width,
        width,
        ..area
    };
    frame.render_widget(Sparkline::default().data(points).style(look.curve()), area);
}

fn interfaces(status: &Status) -> String {
    let one = |interface: &crate::control::protocol::Interface| {
        let mode = interface.mode.as_deref().unwrap_or("not attached");
        format!("{} {mode}", interface.name)
    };
    let all: Vec<String> = status.interfaces.iter().map(one).collect();
    let all = if all.is_empty() {
        "no interface".to_owned()
    } else {
        all.join(", ")
    };
    shown(&all)
}

fn draw_tabs(frame: &mut Frame<'_>, area: Rect, app: &App, look: Look) {
    let mut spans = Vec::new();
    for (i, tab) in Tab::ALL.into_iter().enumerate() {
        let style = if tab == app.tab {
            look.selected()
        } else {
            Style::new()
        };
        spans.push(Span::styled(format!(" {} {} ", i + 1, tab.title()), style));
    }
    let (left, all) = app.list().counts();
    let total = app.snapshot.as_deref().and_then(Tab::total);
    let of = total.filter(|total| *total > all).map_or_else(
        || {
            if left == all {
                String::new()
            } else {
                format!(" of {}", grouped(all as u64))
            }
        },
        |total| format!(" of {}", grouped(total as u64)),
    );
    let used: u16 = Tab::ALL
        .iter()
        .map(|tab| tab.title().len() as u16 + 4)
        .sum();
    let room = Rect {
        x: area.x + used.min(area.width),
        width: area.width.saturating_sub(used),
        ..area
    };
    let count = format!("{}{of}", grouped(left as u64));
    let filter = match app.filter.as_str() {
        "" => String::new(),
        filter => format!(" with \"{}\"", line::escaped(filter.as_bytes(), 30)),
    };
    let order = match app.tab.orders().len() {
        ..=1 => String::new(),
        _ => format!(" by {}", app.order()),
    };
    let mut right = format!("{count}{order}{filter}");
    if right.len() > usize::from(room.width) {
        // The order is what one has chosen oneself, and sees in the rows.
        right = format!("{count}{filter}");
    }
    frame.render_widget(Line::from(spans), area);
    frame.render_widget(
        Line::styled(right, look.faint()).alignment(Alignment::Right),
        room,
    );
}

fn draw_body(frame: &mut Frame<'_>, area: Rect, app: &mut App, look: Look) {
    if app.snapshot.is_none() {
        let why = app.unreachable.as_deref().unwrap_or("asking the agent");
        let lines = match &app.unreachable {
            None => vec![Line::from(""), Line::from(shown(why))],
            Some(_) => vec![
                Line::from(""),
                Line::styled(shown(why), look.tone(Tone::Bad)),
                Line::from(""),
                Line::from(
                    "It is asked again and again; to start it: systemctl start mailwall, or mailwall run",
                ),
            ],
        };
        let text = Paragraph::new(lines)
            .wrap(Wrap { trim: true })
            .alignment(Alignment::Center);
        frame.render_widget(text, area);
        return;
    }
    let columns = app.tab.columns();
    let tab = app.tab;
    let has_filter = !app.filter.is_empty();
    let list = app.list_mut();
    let fitted = list::fit(columns, &list.rows, area.width);
    let height = usize::from(area.height.saturating_sub(1));
    let place = list.place().unwrap_or_default();
    // The selected row is on the screen, with as little scrolling as that takes.
    list.offset = list
        .offset
        .clamp(place.saturating_sub(height.saturating_sub(1)), place);
    list.offset = list.offset.min(list.rows.len().saturating_sub(height));
    let titles = columns.iter().map(|column| column.title.to_owned());
    let header = Row::new(String::new(), titles);
    let mut lines = vec![Line::styled(
        row_text(columns, &fitted, &header),
        look.header(),
    )];
    if list.rows.is_empty() {
        let none = match (has_filter, tab) {
            (true, _) => "nothing with that text; Esc shows all".to_owned(),
            (false, tab) => format!("no {}", tab.title().to_lowercase()),
        };
        lines.push(Line::styled(none, look.faint()));
    }
    for (i, row) in list.rows.iter().enumerate().skip(list.offset).take(height) {
        let mut text = row_text(columns, &fitted, row);
        let mut style = look.tone(row.tone);
        if i == place {
            let missing = usize::from(area.width).saturating_sub(text.chars().count());
            text.push_str(&" ".repeat(missing));
            style = style.patch(look.selected());
        }
        lines.push(Line::styled(text, style));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// A row as a line: columns two blanks apart, what is too long cut with an ellipsis.
fn row_text(columns: &[Column], fitted: &[(usize, u16)], row: &Row) -> String {
    let mut text = String::new();
    for (n, (index, width)) in fitted.iter().enumerate() {
        let width = usize::from(*width);
        let cell = row.cells.get(*index).map_or("", String::as_str);
        let cell = cut(cell, width);
        if n > 0 {
            text.push_str("  ");
        }
        if columns[*index].is_right {
            text.push_str(&format!("{cell:>width$}"));
        } else {
            text.push_str(&format!("{cell:<width$}"));
        }
    }
    text
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, app: &App, look: Look) {
    let strong = look.tone(Tone::Strong);
    let line = match &app.over {
        Over::Prompt(prompt) => {
            draw_prompt(frame, area, prompt, look);
            return;
        }
        Over::Confirm(change) => Line::from(vec![
            Span::styled(
                format!("{}?", prompt::in_words(change)),
                look.tone(Tone::Odd),
            ),
            Span::raw("  y yes  n no"),
        ]),
        Over::Help | Over::Evidence { .. } => Line::from("any other key goes back"),
        Over::Nothing => match &app.said {
            Said::Good(text) => Line::styled(shown(text), look.tone(Tone::Good)),
            Said::Bad(text) => Line::styled(shown(text), look.tone(Tone::Bad)),
            Said::Nothing => {
                let mut spans = Vec::new();
                for (key, what) in [
                    ("b", "ban"),
                    ("u", "unban"),
                    ("a", "allow"),
                    ("Enter", "why"),
                    ("/", "filter"),
                    ("s", "sort"),
                    ("Tab", "page"),
                    ("?", "help"),
                    ("q", "quit"),
                ] {
                    spans.push(Span::styled(key, strong));
                    spans.push(Span::raw(format!(" {what}  ")));
                }
                Line::from(spans)
            }
        },
    };
    frame.render_widget(line, area);
}

fn draw_prompt(frame: &mut Frame<'_>, area: Rect, prompt: &Prompt, look: Look) {
    // What is wrong stands where the question did: on a narrow terminal there is no room for both.
    let (question, tone) = match &prompt.wrong {
        Some(wrong) => (format!("{}:", shown(wrong)), Tone::Bad),
        None => (prompt.question.text().to_owned(), Tone::Strong),
    };
    let mut spans = vec![
        Span::styled(format!("{question} "), look.tone(tone)),
        Span::raw(prompt.text.clone()),
    ];
    let typed = question.chars().count() + 1 + prompt.text.chars().count();
    let hint = match prompt.question {
        Question::Filter => "   Enter keeps it, an empty one shows all",
        Question::Ban | Question::Unban | Question::Allow => "   Enter goes on, Esc back",
    };
    spans.push(Span::styled(hint, look.faint()));
    frame.render_widget(Line::from(spans), area);
    let x = u16::try_from(typed)
        .unwrap_or(u16::MAX)
        .min(area.width.saturating_sub(1));
    frame.set_cursor_position((area.x + x, area.y));
}

fn draw_help(frame: &mut Frame<'_>, look: Look) {
    let lines = HELP
        .iter()
        .map(|(key, what)| {
            Line::from(vec![
                Span::styled(format!("{key:<19}"), look.tone(Tone::Strong)),
                Span::raw(*what),
            ])
        })
        .collect();
    draw_window(frame, " keys ", lines, 0, look);
}

/// A window over the page, as high as its text.
fn draw_window(frame: &mut Frame<'_>, title: &str, lines: Vec<Line<'_>>, scroll: u16, look: Look) {
    let all = frame.area();
    let width = all.width.saturating_sub(4).min(110).max(all.width.min(20));
    let inside = usize::from(width.saturating_sub(4)).max(1);
    let needed: usize = lines
        .iter()
        .map(|line| line.width().div_ceil(inside).max(1))
        .sum();
    let height = u16::try_from(needed + 2)
        .unwrap_or(u16::MAX)
        .min(all.height.saturating_sub(4))
        .max(3);
    let area = Rect {
        x: all.x + (all.width - width) / 2,
        y: all.y + (all.height.saturating_sub(height)) / 2,
        width,
        height: height.min(all.height),
    };
    let last = u16::try_from(needed)
        .unwrap_or(u16::MAX)
        .saturating_sub(height.saturating_sub(2));
    let block = Block::bordered()
        .title(Span::styled(shown(title), look.tone(Tone::Strong)))
        .padding(ratatui::widgets::Padding::horizontal(1));
    let text = Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .scroll((scroll.min(last), 0))
        .block(block);
    frame.render_widget(Clear, area);
    frame.render_widget(text, area);
}

fn evidence(check: &BanCheck, net: &ipnet::IpNet, look: Look) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(entry) = &check.allowed {
        let text = format!(
            "allowed by {} ({}): {}",
            net::shown(&entry.net),
            entry.origin,
            entry.reason
        );
        lines.push(Line::styled(shown(&text), look.tone(Tone::Good)));
    }
    if check.bans.is_empty() {
        lines.push(Line::from("not banned"));
    }
    // That of the net itself first, then those around it.
    let (own, around): (Vec<&BanView>, Vec<&BanView>) =
        check.bans.iter().partition(|ban| ban.net == *net);
    for ban in own.into_iter().chain(around) {
        if !lines.is_empty() {
            lines.push(Line::from(""));
        }
        let ends = match (&ban.ends, ban.remaining_s) {
            (Some(at), Some(left)) => {
                format!("{} ({})", time::local_with_zone(at), time::ahead(left))
            }
            (Some(at), None) => time::local_with_zone(at),
            (None, _) => "never".to_owned(),
        };
        let since = format!(
            "{} ({})",
            time::local_with_zone(&ban.since),
            time::ago(ban.age_s)
        );
        for (name, value) in [
            ("NET", net::shown(&ban.net)),
            ("RULE", ban.rule.clone()),
            ("SINCE", since),
            ("ENDS", ends),
            ("OFFENCES", grouped(u64::from(ban.offences))),
            (
                "DROPPED",
                ban.dropped.map_or_else(|| "not known".to_owned(), grouped),
            ),
            ("REASON", ban.reason.clone()),
        ] {
            lines.push(Line::from(vec![
                Span::styled(format!("{name:<10}"), look.header()),
                Span::raw(shown(&value)),
            ]));
        }
        if ban.evidence.is_empty() {
            lines.push(Line::styled("no log lines led to it", look.faint()));
        }
        for evidence in &ban.evidence {
            lines.push(Line::from(vec![
                Span::styled(
                    format!("{}  ", time::local(&evidence.at)),
                    look.faint().remove_modifier(Modifier::BOLD),
                ),
                Span::raw(shown(&evidence.text)),
            ]));
        }
    }
    lines
}
