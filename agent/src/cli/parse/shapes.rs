//! What is not understood, grouped: lines that differ only in names and numbers are of one shape.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

use super::{Format, SHOWN_MAX};
use crate::{dialect::Reading, envelope, line::escaped};

/// Most shapes that are told apart.
const SHAPES_MAX: usize = 1000;
/// Most bytes of a shape.
const SHAPE_MAX: usize = 120;

#[derive(Default)]
pub(super) struct Shapes {
    lines: u64,
    unknown: u64,
    /// Lines of shapes beyond [`SHAPES_MAX`].
    more: u64,
    seen: BTreeMap<Vec<u8>, Seen>,
}

struct Seen {
    count: u64,
    program: String,
    example: String,
}

#[derive(Serialize)]
struct Shape<'a> {
    count: u64,
    program: &'a str,
    shape: String,
    example: &'a str,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    lines: u64,
    unknown: u64,
    shapes: Vec<Shape<'a>>,
    more: u64,
}

impl Shapes {
    pub(super) fn note(&mut self, reading: &Reading, line: &[u8]) {
        self.lines += 1;
        if *reading != Reading::Unknown {
            return;
        }
        self.unknown += 1;
        let (program, message) = match envelope::read(line) {
            Some((envelope, _)) => (envelope.program, envelope.message),
            None => (b"".as_slice(), line),
        };
        let key = [program, b"\0", &shape(message)].concat();
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.count += 1;
        } else if self.seen.len() < SHAPES_MAX {
            let seen = Seen {
                count: 1,
                program: escaped(program, SHOWN_MAX),
                example: escaped(message, SHOWN_MAX),
            };
            self.seen.insert(key, seen);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn write(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        let mut shapes: Vec<_> = self
            .seen
            .iter()
            .map(|(key, seen)| shown(key, seen))
            .collect();
        shapes.sort_by_key(|shape| std::cmp::Reverse(shape.count));
        match format {
            Format::Json => {
                let answer = Answer {
                    schema: crate::control::protocol::SCHEMA,
                    lines: self.lines,
                    unknown: self.unknown,
                    shapes,
                    more: self.more,
                };
                serde_json::to_writer(&mut *out, &answer)?;
                out.write_all(b"\n")
            }
            Format::Plain => shapes.iter().try_for_each(|shape| {
                let Shape {
                    count,
                    program,
                    shape,
                    example,
                } = shape;
                writeln!(out, "{count}\t{program}\t{shape}\t{example}")
            }),
            Format::Human => {
                if !shapes.is_empty() {
                    writeln!(out, "{:>7}  {:<24}  SHAPE", "LINES", "PROGRAM")?;
                }
                for Shape {
                    count,
                    program,
                    shape,
                    example,
                } in &shapes
                {
                    writeln!(out, "{count:>7}  {program:<24}  {shape}")?;
                    writeln!(out, "{:>7}  {:<24}  such as: {example}", "", "")?;
                }
                if self.more > 0 {
                    writeln!(out, "{:>7}  of other shapes", self.more)?;
                }
                writeln!(
                    out,
                    "{} of {} lines not understood",
                    self.unknown, self.lines
                )
            }
        }
    }
}

fn shown<'a>(key: &[u8], seen: &'a Seen) -> Shape<'a> {
    let shape = key.split(|&byte| byte == 0).nth(1).unwrap_or_default();
    Shape {
        count: seen.count,
        program: &seen.program,
        shape: escaped(shape, SHAPE_MAX),
        example: &seen.example,
    }
}

/// A message with its numbers, its brackets' and quotes' contents and its queue ids left out.
fn shape(message: &[u8]) -> Vec<u8> {
    let mut shape = Vec::with_capacity(SHAPE_MAX);
    let mut rest = message;
    while let [byte, after @ ..] = rest
        && shape.len() < SHAPE_MAX
    {
        let closing = match byte {
            b'[' => Some(b']'),
            b'<' => Some(b'>'),
            b'"' => Some(b'"'),
            b'\'' => Some(b'\''),
            _ => None,
        };
        if let Some(closing) = closing
            && let Some(end) = after.iter().position(|&byte| byte == closing)
        {
            if *byte == b'[' {
                // The name of a host before its address.
                while shape.last().is_some_and(|byte| is_name_byte(*byte)) {
                    shape.pop();
                }
            }
            shape.extend_from_slice(&[*byte, b'*', closing]);
            rest = &after[end + 1..];
        } else if byte.is_ascii_alphanumeric() {
            let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric());
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            if word.iter().any(u8::is_ascii_digit) {
                shape.push(b'#');
            } else {
                shape.extend_from_slice(word);
            }
            rest = after;
        } else {
            shape.push(if *byte == 0 { b' ' } else { *byte });
            rest = after;
        }
    }
    shape.truncate(SHAPE_MAX);
    shape
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'#')
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(
            String::from_utf8(shape(message.as_bytes())).unwrap(),
            expected
        );
    }

    #[test]
    fn names_and_numbers_are_left_out() {
        check(
            "00ADB3C0899: odd thing 17 of a-1.example[192.0.2.1]: <x@y> \"z\" ' [",
            "#: odd thing # of [*]: <*> \"*\" ' [",
        );
        check("", "");
        check(&"x".repeat(5000), &"x".repeat(120));
    }
}
