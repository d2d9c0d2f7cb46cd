//! The words of a ruleset.

/// A word, with the line it stands on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) line: u64,
    pub(super) kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind<'a> {
    /// As it stands.
    Word(&'a str),
    /// What stood in quotes.
    Quoted(&'a str),
    /// One of `{ } , = ;`.
    Sign(char),
    /// The end of a line.
    End,
}

/// The words of `text` in their order.
pub(super) struct Tokens<'a> {
    rest: &'a str,
    line: u64,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
        let line = self.line;
        let first = self.rest.chars().next()?;
        let (kind, length) = match first {
            '\n' => {
                self.line += 1;
                (Kind::End, 1)
            }
            '#' => {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.rest = &self.rest[end..];
                return self.next();
            }
            '{' | '}' | ',' | '=' | ';' => (Kind::Sign(first), 1),
            '"' => {
                let inside = &self.rest[1..];
                let end = inside.find(['"', '\n']).unwrap_or(inside.len());
                let has_end = inside[end..].starts_with('"');
                (Kind::Quoted(&inside[..end]), 1 + end + usize::from(has_end))
            }
            _ => {
                let ends =
                    |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '=' | ';' | '"');
                let end = self.rest.find(ends).unwrap_or(self.rest.len());
                // A space of another alphabet ends a word, and is one of its own.
                let end = if end == 0 { first.len_utf8() } else { end };
                (Kind::Word(&self.rest[..end]), end)
            }
        };
        self.rest = &self.rest[length..];
        Some(Token { line, kind })
    }
}
