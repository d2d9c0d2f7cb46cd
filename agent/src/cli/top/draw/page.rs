//! A page: its tab among the others, and its rows.

use ratatui::{
    Frame,
    layout::{Alignment, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Wrap},
};

use super::{
    super::{
        app::App,
        list::{self, Column, Row},
        look::Look,
        pages::Tab,
    },
    shown,
};
use crate::{
    cli::{number::grouped, paint::Tone},
    line,
};

/// The names of all pages, and what is shown of this one.
pub(super) fn draw_tabs(frame: &mut Frame<'_>, area: Rect, app: &App, look: Look) {
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

/// The rows of the page, or why there are none.
pub(super) fn draw_rows(frame: &mut Frame<'_>, area: Rect, app: &mut App, look: Look) {
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
