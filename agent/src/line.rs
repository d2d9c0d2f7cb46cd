//! A line of a log, as it came from a source.

use std::fmt::Write as _;

use crate::lanes;

/// Most bytes of a line that are looked at (`research`: no mail program writes longer lines; Postfix caps at 2 KiB a
/// logged value, syslog at 8 KiB a message). What is beyond is cut by the source and counted.
pub const LINE_MAX: usize = 8 * 1024;
/// Most bytes of a line that is a record around a message (JSON): its bytes may be written as four characters each.
pub const RECORD_MAX: usize = 64 * 1024;

/// `bytes` as text that is safe to show and to store: control characters, and bytes that are not UTF-8, are written as
/// `\xNN`; at most `max` characters, and an ellipsis where that cuts.
pub fn escaped(bytes: &[u8], max: usize) -> String {
    // Most text is plain.
    if bytes.len() <= max
        && lanes::is_plain(bytes)
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len().min(max));
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if text.len() >= max {
                text.push('…');
                return text;
            }
            if c.is_control() || is_bidi_control(c) {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(text, "\\x{byte:02x}");
                }
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            if text.len() >= max {
                text.push('…');
                return text;
            }
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Characters that turn the direction of the text after them: they can make a terminal show another address.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn control_characters_and_broken_utf8_are_escaped() {
        assert_eq!(escaped(b"a\x1b[31m\xff\nb", 100), "a\\x1b[31m\\xff\\x0ab");
        assert_eq!(escaped("ü\u{202e}x".as_bytes(), 100), "ü\\xe2\\x80\\xaex");
    }

    #[test]
    fn long_text_is_cut_with_an_ellipsis() {
        assert_eq!(escaped(b"abcdef", 3), "abc…");
    }
}
