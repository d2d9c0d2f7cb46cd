//! Windows over the page: help, and why a network is banned.

use ipnet::IpNet;
use ratatui::{
    Frame,
    layout::Rect,
    style::Modifier,
    text::{Line, Span},
    widgets::{Block, Clear, Padding, Paragraph, Wrap},
};

use super::{super::look::Look, shown};
use crate::{
    cli::{net, number::grouped, paint::Tone, time},
    control::protocol::{BanCheck, BanView},
};

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

pub(super) fn help(frame: &mut Frame<'_>, look: Look) {
    let lines = HELP
        .iter()
        .map(|(key, what)| {
            Line::from(vec![
                Span::styled(format!("{key:<19}"), look.tone(Tone::Strong)),
                Span::raw(*what),
            ])
        })
        .collect();
    draw(frame, " keys ", lines, 0, look);
}

/// A window over the page, as high as its text.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    title: &str,
    lines: Vec<Line<'_>>,
    scroll: u16,
    look: Look,
) {
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
        .padding(Padding::horizontal(1));
    let text = Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .scroll((scroll.min(last), 0))
        .block(block);
    frame.render_widget(Clear, area);
    frame.render_widget(text, area);
}

/// Why a network is banned: the log lines that led to it.
pub(super) fn evidence(check: &BanCheck, net: &IpNet, look: Look) -> Vec<Line<'static>> {
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
