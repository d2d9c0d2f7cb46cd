//! The head of the screen: how the agent is, and the curve of drops.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
    widgets::{Paragraph, Sparkline},
};

use super::{
    super::{app::App, look::Look},
    shown,
};
use crate::{
    cli::{
        number::{count, grouped, rate},
        paint::Tone,
        time,
    },
    clock::kernel_now,
    control::protocol::{Interface, Status},
};

/// Widest that the curve of drops gets.
const CURVE_WIDTH: u16 = 60;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, look: Look) {
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
        .map_or_else(kernel_now, |snapshot| snapshot.at);
    kernel_now().saturating_sub(heard).as_secs()
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
    let one = |interface: &Interface| {
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
