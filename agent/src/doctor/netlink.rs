//! Questions to the kernel by netlink, as far as [`crate::filter`] does not ask them anyway.

use std::io;

pub(super) use crate::netlink::{NLM_F_ACK, NLM_F_DUMP};
use crate::netlink::{exchange, request};

/// Without the bits for nesting and byte order.
const NLA_TYPE_MASK: u16 = 0x3fff;
/// Most answers to one question; a host with more interfaces or rules is looked at in part.
const ANSWERS_MAX: usize = 65_536;

/// Asks, and waits for all answers. `flags` must hold [`NLM_F_DUMP`] or [`NLM_F_ACK`], so that there is an end.
///
/// # Errors
/// When the kernel does not know the question, or refuses to answer.
pub(super) fn ask(
    protocol: isize,
    kind: u16,
    flags: u16,
    question: &[u8],
) -> io::Result<Vec<Vec<u8>>> {
    let mut answers = Vec::new();
    exchange(protocol, &request(kind, flags, question), |answer| {
        if answers.len() < ANSWERS_MAX {
            answers.push(answer.to_owned());
        }
    })?;
    Ok(answers)
}

/// An attribute, for a question.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = (4 + value.len()) as u16;
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The attributes in `bytes`, each with its type. What is cut short ends them.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, kind) = (half(rest)?, half(rest.get(2..)?)?);
        let value = rest.get(4..usize::from(length))?;
        let next = usize::from(length).next_multiple_of(4);
        rest = rest.get(next..).unwrap_or_default();
        Some((kind & NLA_TYPE_MASK, value))
    })
}

/// The value of the first attribute of that type.
pub(super) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

/// The 16 bits at the start, in this machine's byte order.
pub(super) fn half(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.first_chunk()?))
}

/// The 32 bits at the start, in this machine's byte order.
pub(super) fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.first_chunk()?))
}

/// The text up to the first NUL.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let text = bytes.get(..end.unwrap_or(bytes.len()))?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_are_written() {
        let bytes = [
            attribute(3, b"eth0\0"),
            attribute(4 | 0x8000, &7_u32.to_ne_bytes()),
        ]
        .concat();
        assert_eq!(bytes.len(), 12 + 8);
        assert_eq!(find(&bytes, 3).and_then(text).as_deref(), Some("eth0"));
        assert_eq!(find(&bytes, 4).and_then(number), Some(7));
        assert_eq!(find(&bytes, 5), None);
    }

    #[test]
    fn what_is_cut_short_ends_the_attributes() {
        let bytes = [attribute(3, b"eth0\0"), attribute(4, &[1; 8])].concat();
        for length in 0..bytes.len() {
            assert!(attributes(&bytes[..length]).count() <= 1, "{length}");
        }
        // A length that does not even hold itself.
        assert_eq!(attributes(&[0; 64]).count(), 0);
    }
}
