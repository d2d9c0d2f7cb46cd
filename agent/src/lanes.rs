//! Looks at sixteen bytes of a text at once: what is asked of each is compiled into instructions for all of them, and no branch
//! depends on how long a word is.

const LANES: usize = 16;

/// How many of the first bytes of `text` `is_in` holds for, at most `max`. It must not hold for NUL, and should be made of
/// comparisons alone, joined by `|`.
#[inline(always)]
pub(crate) fn run(text: &[u8], max: usize, is_in: impl Fn(u8) -> bool) -> usize {
    let text = &text[..text.len().min(max)];
    let (chunks, rest) = text.as_chunks::<LANES>();
    for (number, chunk) in chunks.iter().enumerate() {
        let length = within(chunk, &is_in);
        if length < LANES {
            return number * LANES + length;
        }
    }
    let length = match text.last_chunk() {
        // What was looked at before is looked at again, and then left out.
        Some(last) if !rest.is_empty() => {
            let marks = marks(last, &is_in) >> (u8::BITS as usize * (LANES - rest.len()));
            first(marks).min(rest.len())
        }
        _ => rest.iter().take_while(|&&byte| is_in(byte)).count(),
    };
    chunks.len() * LANES + length
}

#[inline(always)]
fn within(chunk: &[u8; LANES], is_in: impl Fn(u8) -> bool) -> usize {
    first(marks(chunk, is_in))
}

/// All ones in place of each byte that `is_in` does not hold for.
#[inline(always)]
fn marks(chunk: &[u8; LANES], is_in: impl Fn(u8) -> bool) -> u128 {
    let mut marks = [0; LANES];
    for (mark, &byte) in marks.iter_mut().zip(chunk) {
        *mark = if is_in(byte) { 0 } else { u8::MAX };
    }
    u128::from_le_bytes(marks)
}

/// How many bytes there are before the first mark.
#[inline(always)]
fn first(marks: u128) -> usize {
    // Of no mark there are 128 zeros: sixteen bytes.
    (marks.trailing_zeros() / u8::BITS) as usize
}

/// Whether a byte lies in a range, without a branch.
#[inline(always)]
pub(crate) const fn between(byte: u8, first: u8, last: u8) -> bool {
    byte.wrapping_sub(first) <= last - first
}

/// Whether a byte is a letter or a digit of ASCII, without a branch.
#[inline(always)]
pub(crate) const fn is_alphanumeric(byte: u8) -> bool {
    between(byte, b'0', b'9') | between(byte | 0x20, b'a', b'z')
}

/// Whether all bytes of `text` are printable ASCII.
pub(crate) fn is_plain(text: &[u8]) -> bool {
    let (chunks, rest) = text.as_chunks::<LANES>();
    let is_plain = |byte: u8| between(byte, b' ', b'~');
    let are_plain = |bytes: &[u8]| bytes.iter().fold(true, |all, &byte| all & is_plain(byte));
    chunks.iter().all(|chunk| are_plain(chunk)) && are_plain(rest)
}

#[cfg(test)]
mod tests {
    use super::{between, is_alphanumeric, is_plain, run};

    #[test]
    fn a_run_ends_where_a_loop_over_bytes_ends() {
        let text: Vec<u8> = (0..100).map(|n| b"abc-9Z_"[n % 7]).collect();
        for end in 0..100 {
            let mut text = text.clone();
            text[end] = b' ';
            for max in [0, 1, 15, 16, 17, 64, 255] {
                assert_eq!(run(&text, max, |byte| byte > b' '), end.min(max));
                assert_eq!(run(&text[..end], max, |byte| byte > b' '), end.min(max));
            }
        }
    }

    #[test]
    fn bytes_are_told_apart_as_the_standard_library_does() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_alphanumeric(byte), byte.is_ascii_alphanumeric());
            assert_eq!(between(byte, b'a', b'f'), (b'a'..=b'f').contains(&byte));
            let text = [[b'x'; 20].as_slice(), &[byte]].concat();
            assert_eq!(is_plain(&text), matches!(byte, b' '..=b'~'));
        }
    }
}
