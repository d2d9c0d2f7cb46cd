//! `NAME=VALUE NAME="VALUE"`, as `logfmt.c` writes them.

/// The fields of a line, from the left; what is not of the form ends them and is left.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next name and value. Quotes within a value stay escaped.
    pub(super) fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let text = self.0;
        let length = text.iter().take_while(|byte| is_name(byte)).count();
        let (name, rest) = text.split_at(length);
        let rest = rest.strip_prefix(b"=")?;
        let (value, rest) = match rest {
            [b'"', inside @ ..] => {
                let end = end_of_quoted(inside)?;
                (&inside[..end], &inside[end + 1..])
            }
            _ => {
                let end = rest.iter().position(|&byte| byte == b' ');
                rest.split_at(end.unwrap_or(rest.len()))
            }
        };
        self.0 = match rest {
            [] => rest,
            [b' ', rest @ ..] => rest,
            _ => return None,
        };
        Some((name, value))
    }
}

fn end_of_quoted(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    text.iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

#[cfg(test)]
mod tests {
    use super::Fields;

    #[test]
    fn fields_end_where_the_form_does() {
        let mut fields = Fields(br#"event=login.bad r.clienthost="a [192.0.2.1]" u="x\" y=z" e="#);
        assert_eq!(
            fields.next(),
            Some((b"event".as_slice(), b"login.bad".as_slice()))
        );
        assert_eq!(
            fields.next(),
            Some((b"r.clienthost".as_slice(), b"a [192.0.2.1]".as_slice()))
        );
        assert_eq!(
            fields.next(),
            Some((b"u".as_slice(), br#"x\" y=z"#.as_slice()))
        );
        assert_eq!(fields.next(), Some((b"e".as_slice(), b"".as_slice())));
        assert_eq!(fields.next(), None);
        let mut fields = Fields(br#"a="b"c"#);
        assert_eq!(fields.next(), None);
        assert!(!fields.0.is_empty());
    }
}
