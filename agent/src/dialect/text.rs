//! Searching in the text of a line.

/// What is searched for. Letters, digits and blanks are everywhere in a log, colons and commas in most places: the search is for the
/// rarest byte of it, and only there is the rest compared.
#[derive(Clone, Copy)]
pub(super) struct Needle<'a> {
    text: &'a [u8],
    rarest: usize,
}

impl<'a> Needle<'a> {
    /// Of a literal this is done by the compiler.
    #[inline(always)]
    pub(super) const fn new(text: &'a [u8]) -> Self {
        let mut rarest = 0;
        let mut at = 1;
        while at < text.len() {
            if FREQUENCIES[text[at] as usize] < FREQUENCIES[text[rarest] as usize] {
                rarest = at;
            }
            at += 1;
        }
        Self { text, rarest }
    }

    /// Where it first is in `text`.
    pub(super) fn find(self, text: &[u8]) -> Option<usize> {
        let &rarest = self.text.get(self.rarest)?;
        let last = text.len().checked_sub(self.text.len())?;
        let mut from = 0;
        while from <= last {
            from += memchr::memchr(rarest, &text[from + self.rarest..=last + self.rarest])?;
            if text[from..].starts_with(self.text) {
                return Some(from);
            }
            from += 1;
        }
        None
    }

    /// Where it last is in `text`.
    pub(super) fn rfind(self, text: &[u8]) -> Option<usize> {
        let &rarest = self.text.get(self.rarest)?;
        let mut end = text.len().checked_sub(self.text.len())? + 1;
        while let Some(at) = memchr::memrchr(rarest, &text[self.rarest..end + self.rarest]) {
            if text[at..].starts_with(self.text) {
                return Some(at);
            }
            end = at;
        }
        None
    }

    /// What follows it, if it is in `text`.
    pub(super) fn after(self, text: &[u8]) -> Option<&[u8]> {
        self.find(text).map(|at| &text[at + self.text.len()..])
    }
}

/// How common each byte is in a log, roughly.
const FREQUENCIES: [u8; 256] = {
    let mut frequencies = [0; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        frequencies[byte as usize] = match byte {
            b' ' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => 2,
            b':' | b',' | b'.' => 1,
            _ => 0,
        };
        byte += 1;
    }
    frequencies
};

/// Where `needle` first is.
#[inline(always)]
pub(super) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    Needle::new(needle).find(text)
}

/// Where `needle` last is.
#[inline(always)]
pub(super) fn rfind(text: &[u8], needle: &[u8]) -> Option<usize> {
    Needle::new(needle).rfind(text)
}

/// The number that `text` is, in decimal digits.
pub(super) fn number<T: TryFrom<u64>>(text: &[u8]) -> Option<T> {
    if text.is_empty() {
        return None;
    }
    let value = text.iter().try_fold(0_u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    T::try_from(value).ok()
}

/// What follows `separator`, if it is in `text`.
#[inline(always)]
pub(super) fn after<'a>(text: &'a [u8], separator: &[u8]) -> Option<&'a [u8]> {
    find(text, separator).map(|at| &text[at + separator.len()..])
}

/// What stands before the last `separator`, and what follows it.
#[inline(always)]
pub(super) fn split_last<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    rfind(text, separator).map(|at| (&text[..at], &text[at + separator.len()..]))
}

/// What stands before `separator`, and what follows it, if it is in `text` just once.
pub(super) fn split_only<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(text, separator)?;
    let (head, tail) = (&text[..at], &text[at + separator.len()..]);
    find(&text[at + 1..], separator)
        .is_none()
        .then_some((head, tail))
}

/// What stands before `separator`; all of it if that is not in `text`.
#[inline(always)]
pub(super) fn before<'a>(text: &'a [u8], separator: &[u8]) -> &'a [u8] {
    find(text, separator).map_or(text, |at| &text[..at])
}

/// Whether `text` begins with one of `prefixes`.
pub(super) fn starts_with_any(text: &[u8], prefixes: &[&[u8]]) -> bool {
    prefixes.iter().any(|prefix| starts_with(text, prefix))
}

/// Whether `text` begins with `prefix`. The first and the last byte tell most of a table that it does not, which costs no call.
#[inline]
pub(super) fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    let ([first, ..], [.., last]) = (prefix, prefix) else {
        return true;
    };
    text.first() == Some(first)
        && text.get(prefix.len() - 1) == Some(last)
        && text.starts_with(prefix)
}

/// `text` without the blanks it begins with.
pub(super) fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&byte| byte == b' ').count();
    &text[blanks..]
}

/// What stands before the first `end` that is not within quotes, and what follows it. Mail programs take no
/// address whose quotes are not closed.
pub(super) fn until(text: &[u8], end: u8) -> Option<(&[u8], &[u8])> {
    // Most hold neither quotes nor anything escaped.
    let from = memchr::memchr3(end, b'"', b'\\', text)?;
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(from) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if byte == end && !is_quoted => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{find, number, rfind, split_last, split_only, until};

    #[test]
    fn the_first_the_last_and_the_only() {
        assert_eq!(find(b"a rip=b rip=c", b" rip="), Some(1));
        assert_eq!(rfind(b"a rip=b rip=c", b" rip="), Some(7));
        assert_eq!(rfind(b" rip= ri", b" rip="), Some(0));
        assert_eq!(rfind(b"aaa", b"aa"), Some(1));
        for text in [b"".as_slice(), b"rip", b" rip", b" ri p="] {
            assert_eq!(rfind(text, b" rip="), None);
        }
        assert_eq!(
            split_last(b"a - b - c", b" - "),
            Some((b"a - b".as_slice(), b"c".as_slice()))
        );
        assert_eq!(
            split_only(b"a - b", b" - "),
            Some((b"a".as_slice(), b"b".as_slice()))
        );
        assert_eq!(split_only(b"a - b - c", b" - "), None);
        assert_eq!(split_only(b"a", b" - "), None);
    }

    #[test]
    fn numbers_are_all_digits() {
        assert_eq!(number::<u32>(b"090"), Some(90));
        for text in ["", "+1", "1x", "12345678901"] {
            assert_eq!(number::<u32>(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn quotes_hide_the_end() {
        let text = br#"a">\">"b> c"#;
        assert_eq!(
            until(text, b'>'),
            Some((br#"a">\">"b"#.as_slice(), b" c".as_slice()))
        );
        assert_eq!(until(b"\"a>", b'>'), None);
    }

    #[test]
    fn the_first_and_the_last_place_are_found_whatever_the_needle_is_made_of() {
        let naive = |text: &[u8], needle: &[u8]| {
            let mut windows = text.windows(needle.len());
            windows.position(|window| window == needle)
        };
        let naive_last = |text: &[u8], needle: &[u8]| {
            let mut windows = text.windows(needle.len());
            windows.rposition(|window| window == needle)
        };
        let text = b"a to=<b> a: to=<to=<c>: <<>: x  y";
        let needles: [&[u8]; 12] = [
            b"a", b" ", b"  ", b" to=<", b"to=<c", b">: ", b"<<>", b"x  y", b"y", b"z", b"=<d",
            b"<<<",
        ];
        for needle in needles {
            assert_eq!(find(text, needle), naive(text, needle), "{needle:?}");
            assert_eq!(rfind(text, needle), naive_last(text, needle), "{needle:?}");
        }
        assert_eq!((find(b"", b"a"), find(b"a", b"")), (None, None));
        assert_eq!((rfind(b"", b"a"), rfind(b"a", b"")), (None, None));
        assert_eq!((find(b"ab", b"abc"), find(b"ab", b"ab")), (None, Some(0)));
        assert_eq!((rfind(b"ab", b"abc"), rfind(b"ab", b"ab")), (None, Some(0)));
    }
}
