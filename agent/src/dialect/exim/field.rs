//! What follows a client: `I=[192.0.2.1]:25 X=TLS1.3:... CV=no F=<a@b> A=plain:joe`.

use super::super::text::{find, number, rfind, until};

/// Most fields that are read, so that fields which do not end cost no more than the line is long.
const FIELDS_MAX: usize = 24;

/// The fields that matter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Fields<'a> {
    /// The sender, without its `<>`.
    pub(super) sender: Option<&'a [u8]>,
    /// The authenticator and what it set as id, if the client logged in.
    pub(super) login: Option<&'a [u8]>,
    /// Bytes of the message.
    pub(super) size: Option<u64>,
}

impl<'a> Fields<'a> {
    /// Reads fields up to what is none, and gives that back.
    pub(super) fn read(text: &'a [u8]) -> (Self, &'a [u8]) {
        let mut fields = Self::default();
        let mut rest = text;
        for _ in 0..FIELDS_MAX {
            let Some((key, value, after)) = field(rest) else {
                break;
            };
            match key {
                // A client's ident (`U=`) stands before these. It may be anything, but no login that Exim took.
                b"F" | b"P" => fields.login = None,
                b"A" => fields.login = Some(value),
                b"S" => fields.size = number(value),
                _ => {}
            }
            if key == b"F" {
                fields.sender = Some(value);
            }
            rest = after;
        }
        (fields, rest)
    }

    /// How many recipients `rest`, which follows the fields of a message, names: ` from <SENDER> for A B`, with
    /// `log_selector = +received_recipients`. The sender may hold anything but a blank, and recipients hold none.
    pub(super) fn recipients(rest: &[u8]) -> Option<u32> {
        let named = &rest[rfind(rest, b" for ")? + b" for ".len()..];
        let recipients = named
            .split(|&byte| byte == b' ')
            .filter(|name| !name.is_empty());
        u32::try_from(recipients.count())
            .ok()
            .filter(|&count| count > 0)
    }

    /// The account that a client logged in with, if its authenticator tells.
    pub(super) fn account(&self) -> Option<&'a [u8]> {
        let login = self.login?;
        find(login, b":").map(|colon| &login[colon + 1..])
    }
}

/// ` KEY=VALUE`, or a flag such as ` L` or ` K`.
fn field(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let rest = text.strip_prefix(b" ")?;
    let key = rest
        .iter()
        .take(4)
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let (key, value) = rest.split_at(key);
    let Some(value) = value.strip_prefix(b"=") else {
        return flag(rest).map(|(flag, after)| (flag, b"".as_slice(), after));
    };
    if let Some((inside, after)) = value
        .strip_prefix(b"<")
        .and_then(|value| until(value, b'>'))
    {
        return Some((key, inside, after));
    }
    if let Some((inside, after)) = value.strip_prefix(b"\"").and_then(quoted) {
        return Some((key, inside, after));
    }
    let end = memchr::memchr(b' ', value).unwrap_or(value.len());
    // `I=[192.0.2.1]:25: 535 ...`
    let end = match value[..end].strip_suffix(b":") {
        Some(value) => value.len(),
        None => end,
    };
    Some((key, &value[..end], &value[end..]))
}

/// `L`, `K` and the like, and what follows them: a blank.
fn flag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (flag, _) = text.split_at(memchr::memchr(b' ', &text[..text.len().min(5)])?);
    matches!(flag, b"L" | b"K" | b"TFO" | b"TFO*" | b"DS").then_some((flag, &text[flag.len()..]))
}

/// What stands before the next `"` that is not escaped, and what follows it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Fields;

    #[test]
    fn fields_are_read_up_to_what_is_none() {
        let text = br#" I=[192.0.2.1]:25 L X=TLS1.3:A:256 CV=no DN="CN=a, O=\"b\" A=c:d" F=<"x> y"@example.net> A=plain:joe rejected RCPT <z>: no"#;
        let (fields, rest) = Fields::read(text);
        assert_eq!(fields.sender, Some(br#""x> y"@example.net"#.as_slice()));
        assert_eq!(fields.account(), Some(b"joe".as_slice()));
        assert_eq!(rest, b" rejected RCPT <z>: no");
        let (_, rest) = Fields::read(b" I=[192.0.2.1]:25: 535 no");
        assert_eq!(rest, b": 535 no");
        assert_eq!(Fields::read(b" F=<a").1, b"");
    }
}
