//! Lists that are texts: one bounded line after another, or all of it.

use std::io::{self, BufRead, Read as _};

use super::WHOLE_MAX;

/// Most bytes of a line.
pub const LINE_MAX: usize = 64 << 10;

/// A line of a list.
pub(super) enum Line<'a> {
    /// Without its end.
    Text(&'a [u8]),
    /// One that is longer than [`LINE_MAX`]; it was passed over.
    TooLong,
}

/// Shows `each` every line with its number, from 1; how many there are.
pub(super) fn lines(
    input: &mut dyn BufRead,
    mut each: impl FnMut(u64, Line<'_>),
) -> io::Result<u64> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = (&mut *input)
            .take(LINE_MAX as u64 + 2)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(number);
        }
        number += 1;
        let ends = line.ends_with(b"\n");
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.len() <= LINE_MAX && (ends || read < LINE_MAX + 2) {
            let text = match number {
                1 => text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text),
                _ => text,
            };
            each(number, Line::Text(text));
            continue;
        }
        if !ends {
            pass_over(input)?;
        }
        each(number, Line::TooLong);
    }
}

/// Reads to the end of a line and forgets it.
fn pass_over(input: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let (used, is_done) = match memchr::memchr(b'\n', buffer) {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        input.consume(used);
        if is_done {
            return Ok(());
        }
    }
}

/// All of a list.
///
/// # Errors
///
/// When it cannot be read, or is longer than [`WHOLE_MAX`].
pub(super) fn whole(input: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    (&mut *input).take(WHOLE_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > WHOLE_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {WHOLE_MAX} bytes"),
        ));
    }
    Ok(text)
}

/// The first word of a text, and what follows it, without space around.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(|c: char| c.is_ascii_whitespace()) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}
