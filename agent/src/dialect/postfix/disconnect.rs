//! `ehlo=1 mail=1 rcpt=0/2 quit=1 commands=3/5`: what a session tried, as smtpd sums it up at its end (since 3.0).

/// Commands of a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    pub(super) auth: Count,
    pub(super) rcpt: Count,
    /// DATA and BDAT.
    pub(super) data: Count,
    pub(super) starttls: Count,
    /// All others.
    pub(super) other: Count,
}

/// How many of one command.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Count {
    /// Accepted.
    pub(super) ok: u32,
    /// Refused.
    pub(super) refused: u32,
}

impl Tally {
    /// Reads what follows the client. What is not a counter is passed over.
    pub(super) fn read(text: &[u8]) -> Self {
        let mut tally = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let is_name = |byte: &&u8| !matches!(byte, b'=' | b' ');
            let (name, after) = rest.split_at(rest.iter().take_while(is_name).count());
            rest = match after {
                [b'=', after @ ..] => {
                    let (count, rest) = Count::read(after);
                    if let Some(count) = count {
                        tally.add(name, count);
                    }
                    rest
                }
                [_, after @ ..] => after,
                [] => after,
            };
        }
        tally
    }

    fn add(&mut self, name: &[u8], count: Count) {
        let of = match name {
            b"commands" => return,
            b"auth" => &mut self.auth,
            b"rcpt" => &mut self.rcpt,
            b"data" | b"bdat" => &mut self.data,
            b"starttls" => &mut self.starttls,
            _ => &mut self.other,
        };
        of.ok = of.ok.saturating_add(count.ok);
        of.refused = of.refused.saturating_add(count.refused);
    }
}

impl Count {
    /// `1` or `0/1`: accepted, and of how many; and what follows the word. `None` if that is no count.
    fn read(text: &[u8]) -> (Option<Self>, &[u8]) {
        let (ok, rest) = number(text);
        let (total, rest) = match rest {
            [b'/', rest @ ..] => number(rest),
            rest => (ok, rest),
        };
        match (ok, total, rest) {
            (Some(ok), Some(total), [] | [b' ', ..]) => {
                let refused = total.saturating_sub(ok);
                (Some(Self { ok, refused }), rest)
            }
            _ => {
                let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
                (None, &rest[end..])
            }
        }
    }

    /// Tried, and never accepted.
    pub(super) fn only_refused(self) -> bool {
        self.ok == 0 && self.refused > 0
    }
}

/// The number that `text` begins with, if it is one that fits, and what follows its digits.
fn number(text: &[u8]) -> (Option<u32>, &[u8]) {
    let mut value = Some(0_u32);
    let mut rest = text;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        let digit = u32::from(digit - b'0');
        value = value.and_then(|value| value.checked_mul(10)?.checked_add(digit));
        rest = after;
    }
    (value.filter(|_| rest.len() < text.len()), rest)
}

#[cfg(test)]
mod tests {
    use super::{Count, Tally};

    #[test]
    fn counters_are_read_and_the_rest_is_passed_over() {
        let text = b" ehlo=2 auth=0/3 mail=1 rcpt=1/4 bdat=2 data=0/1 unknown=0/2 x= =1 y=-1 z=9999999999 commands=7/16 notes=bare_lf";
        let count = |ok, refused| Count { ok, refused };
        let expected = Tally {
            auth: count(0, 3),
            rcpt: count(1, 3),
            data: count(2, 1),
            starttls: count(0, 0),
            other: count(4, 2),
        };
        // `=1` has an empty name, which is one of the others.
        assert_eq!(Tally::read(text), expected);
        assert_eq!(Tally::read(b""), Tally::default());
    }
}
