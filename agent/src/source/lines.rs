//! Takes bytes apart into lines, with a cap on what is remembered of an unfinished one.

use super::{BATCH_LINES_MAX, LineList};
use crate::line::{LINE_MAX, RECORD_MAX};

/// The unfinished line at the end of what was read.
#[derive(Debug, Default)]
pub(super) struct LineAssembly {
    /// Its first bytes, at most [`LINE_MAX`], or [`RECORD_MAX`] of a record.
    text: Vec<u8>,
    /// All its bytes, those beyond the cap too.
    len: u64,
}

/// What became of some bytes.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Lines that were finished.
    pub(super) lines: LineList,
    /// How many of them are cut.
    pub(super) cut: u64,
    /// How many bytes were taken.
    pub(super) bytes: usize,
}

impl LineAssembly {
    /// Takes `bytes`, or as many of them as make a full batch.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Taken {
        let mut taken = Taken::default();
        while taken.lines.len() < BATCH_LINES_MAX {
            let rest = &bytes[taken.bytes..];
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.append(rest);
                taken.bytes = bytes.len();
                break;
            };
            if taken.lines.is_empty() {
                taken.lines.reserve(self.text.len() + rest.len());
            }
            let line = &rest[..end];
            taken.bytes += end + 1;
            if self.len == 0 && is_plain(line) {
                taken.lines.push(without_return(line));
                continue;
            }
            self.append(line);
            taken.cut += u64::from(self.is_cut());
            self.finish(&mut taken.lines);
        }
        taken
    }

    /// Bytes of the unfinished line.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    fn append(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if self.text.is_empty() {
            // A file that was truncated under a writer that goes on at its old offset starts with a hole of NULs.
            let nuls = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes = &bytes[nuls..];
        }
        let room = max_of(self.text.first().or(bytes.first())) + 1 - self.text.len();
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// One byte beyond the cap is kept, to know a line that is cut from one that fits.
    fn is_cut(&self) -> bool {
        let max = max_of(self.text.first());
        self.text.len() > max && !(self.text.len() == max + 1 && self.text.ends_with(b"\r"))
    }

    fn finish(&mut self, lines: &mut LineList) {
        let line = without_return(&self.text);
        lines.push(&line[..line.len().min(max_of(line.first()))]);
        self.text.clear();
        self.len = 0;
    }
}

/// Whether nothing of the line is to be left out but what ends it.
fn is_plain(line: &[u8]) -> bool {
    line.first() != Some(&0) && line.len() <= max_of(line.first())
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Most bytes of a line that begins with `first`.
fn max_of(first: Option<&u8>) -> usize {
    match first {
        Some(b'{') => RECORD_MAX,
        _ => LINE_MAX,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_ends_and_leading_nuls_are_taken_off() {
        let mut assembly = LineAssembly::default();
        let taken = assembly.take(b"a\r\n\n\0\0b\0\xff\r\r\nrest");
        let expected: [&[u8]; 3] = [b"a", b"", b"b\0\xff\r"];
        assert_eq!(taken.lines.iter().collect::<Vec<_>>(), expected);
        assert_eq!((taken.bytes, taken.cut, assembly.len()), (16, 0, 4));
    }

    #[test]
    fn a_long_line_is_cut_and_counted() {
        for (len, end, cut) in [
            (LINE_MAX, "\n", 0),
            (LINE_MAX, "\r\n", 0),
            (LINE_MAX + 1, "\n", 1),
            (10 * LINE_MAX, "\r\n", 1),
        ] {
            let mut assembly = LineAssembly::default();
            let mut taken = Taken::default();
            for piece in format!("{}{end}", "x".repeat(len)).as_bytes().chunks(1000) {
                taken = assembly.take(piece);
                assert!(assembly.text.len() <= LINE_MAX + 1);
            }
            assert_eq!(
                (taken.lines.iter().next().map(<[u8]>::len), taken.cut),
                (Some(LINE_MAX), cut),
                "{len} {end:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_lines(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(0), Just(b'\r'), 0u8..], 0..300),
            piece in 1usize..50,
        ) {
            let mut whole = LineAssembly::default();
            let at_once = whole.take(&text);
            let mut assembly = LineAssembly::default();
            let mut lines = Vec::new();
            for piece in text.chunks(piece) {
                lines.extend(assembly.take(piece).lines.iter().map(<[u8]>::to_vec));
            }
            lines.truncate(at_once.lines.len());
            prop_assert_eq!(lines, at_once.lines.iter().collect::<Vec<_>>());
        }
    }
}
