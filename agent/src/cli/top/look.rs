//! Colours, where there are any. Whatever they say is said in words too.

use ratatui::style::{Color, Modifier, Style};

use crate::cli::paint::{Paint, Tone};

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    has_colour: bool,
}

impl Look {
    pub(super) fn of(paint: Paint) -> Self {
        let has_colour = paint == Paint::Colour;
        // The caller's choice counts, which NO_COLOR was part of.
        ratatui::crossterm::style::force_color_output(has_colour);
        Self { has_colour }
    }

    pub(super) fn tone(self, tone: Tone) -> Style {
        let style = Style::new();
        match (tone, self.has_colour) {
            (Tone::Normal, _) => style,
            (Tone::Strong, _) => style.add_modifier(Modifier::BOLD),
            (Tone::Good, true) => style.fg(Color::Green),
            (Tone::Odd, true) => style.fg(Color::Yellow),
            (Tone::Bad, true) => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            (Tone::Bad | Tone::Odd, false) => style.add_modifier(Modifier::BOLD),
            (Tone::Good, false) => style,
        }
    }

    /// What is less important.
    pub(super) fn faint(self) -> Style {
        if self.has_colour {
            Style::new().fg(Color::DarkGray)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }

    /// Headers of tables.
    pub(super) fn header(self) -> Style {
        if self.has_colour {
            Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::BOLD)
        }
    }

    /// The row that keys are about.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The curve of drops.
    pub(super) fn curve(self) -> Style {
        if self.has_colour {
            Style::new().fg(Color::Magenta)
        } else {
            Style::new()
        }
    }
}
