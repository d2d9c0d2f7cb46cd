//! The last line: what keys do, what was said, what is asked.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    super::{
        app::{App, Over, Said},
        look::Look,
        prompt::{self, Prompt, Question},
    },
    shown,
};
use crate::cli::paint::Tone;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, look: Look) {
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
