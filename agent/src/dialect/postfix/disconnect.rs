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
        for word in text.split(|&byte| byte == b' ') {
            let Some(at) = word.iter().position(|&byte| byte == b'=') else {
                continue;
            };
            let Some(count) = Count::read(&word[at + 1..]) else {
                continue;
            };
            let of = match &word[..at] {
                b"commands" => continue,
                b"auth" => &mut tally.auth,
                b"rcpt" => &mut tally.rcpt,
                b"data" | b"bdat" => &mut tally.data,
                b"starttls" => &mut tally.starttls,
                _ => &mut tally.other,
            };
            of.ok = of.ok.saturating_add(count.ok);
            of.refused = of.refused.saturating_add(count.refused);
        }
        tally
    }
}

impl Count {
    /// `1` or `0/1`: accepted, and of how many.
    fn read(text: &[u8]) -> Option<Self> {
        let slash = text.iter().position(|&byte| byte == b'/');
        let (ok, total) = match slash {
            Some(at) => (number(&text[..at])?, number(&text[at + 1..])?),
            None => {
                let ok = number(text)?;
                (ok, ok)
            }
        };
        Some(Self {
            ok,
            refused: total.saturating_sub(ok),
        })
    }

    /// Tried, and never accepted.
    pub(super) fn only_refused(self) -> bool {
        self.ok == 0 && self.refused > 0
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
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
