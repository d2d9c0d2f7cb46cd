//! A plain list: a network a line, `#` starts a comment.

use std::io::{self, BufRead};

use super::{
    Entry, Imported,
    imported::shown,
    net,
    text::{Line, lines},
};

/// Reads a list of networks, each to be banned for `reason`.
///
/// # Errors
///
/// When it cannot be read.
pub fn read(input: &mut dyn BufRead, reason: &str, into: &mut Imported) -> io::Result<()> {
    into.lines = lines(input, |number, line| {
        let text = match line {
            Line::TooLong => return into.mistake(number, "a line of too many bytes"),
            Line::Text(text) => text,
        };
        let text = text.split(|byte| *byte == b'#').next().unwrap_or_default();
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        let nets = match str::from_utf8(text) {
            Ok(text) => net::parse(text),
            Err(_) => Err(net::NetError::Syntax),
        };
        match nets {
            Ok(net) => into.ban(Entry::new(net, reason), number),
            Err(error) => {
                let text = format!("{}: {error}", shown(text));
                into.mistake_with(number, text, error.hint());
            }
        }
    })?;
    Ok(())
}
