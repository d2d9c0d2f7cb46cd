//! Draws the screen. Everything from the agent was escaped when it became a row; what is not in rows is escaped here.

mod foot;
mod head;
mod page;
mod window;

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    text::Line,
};

use super::{
    app::{App, Over},
    look::Look,
};
use crate::{cli::net, line};

/// Most characters of a text that is shown whole.
const TEXT_MAX: usize = 2000;

pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App, look: Look) {
    let [head, tabs, body, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    head::draw(frame, head, app, look);
    page::draw_tabs(frame, tabs, app, look);
    page::draw_rows(frame, body, app, look);
    foot::draw(frame, foot, app, look);
    match &app.over {
        Over::Nothing | Over::Prompt(_) | Over::Confirm(_) => {}
        Over::Help => window::help(frame, look),
        Over::Evidence { net, found, scroll } => {
            let lines = match found.as_ref() {
                Ok(check) => window::evidence(check, net, look),
                Err(why) => vec![Line::from(shown(why))],
            };
            window::draw(
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
