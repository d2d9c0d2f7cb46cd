//! The screen, drawn on a terminal of text.
