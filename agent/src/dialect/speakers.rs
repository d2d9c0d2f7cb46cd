//! Which dialects speak for a program, remembered: a log has few programs, and there are many dialects.

use super::DIALECTS;

/// Programs that are remembered; of two in one place the last.
const PLACES: usize = 64;
const _: () = assert!(DIALECTS.len() <= u32::BITS as usize);

/// See the module.
#[derive(Default)]
pub(super) struct Speakers {
    places: Vec<Option<(Box<[u8]>, Speaking)>>,
}

/// Indices of dialects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Speaking(u32);

impl Speaking {
    /// The first one alone.
    pub(super) const FIRST: Self = Self(1);

    /// Whether that of this index is one.
    #[cfg(test)]
    fn holds(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }

    /// The index of the only one.
    pub(super) fn sole(self) -> Option<usize> {
        self.0
            .is_power_of_two()
            .then(|| self.0.trailing_zeros() as usize)
    }

    /// The indices of all, the lowest first.
    pub(super) fn indices(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let index = left.checked_ilog2().map(|_| left.trailing_zeros())?;
            left &= left - 1;
            Some(index as usize)
        })
    }
}

impl Speakers {
    /// Those of [`DIALECTS`] that speak for `program`.
    pub(super) fn of(&mut self, program: &[u8]) -> Speaking {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let place = &mut self.places[place(program)];
        match place {
            Some((known, speaking)) if **known == *program => *speaking,
            _ => {
                let mut bits = 0;
                for (index, dialect) in DIALECTS.iter().enumerate() {
                    bits |= u32::from((dialect.speaks)(program)) << index;
                }
                place.insert((program.into(), Speaking(bits))).1
            }
        }
    }
}

/// One of [`PLACES`]: what tells programs of one suite apart stands at the end of their tags.
fn place(program: &[u8]) -> usize {
    let end = match program.last_chunk::<8>() {
        Some(end) => u64::from_le_bytes(*end),
        None => program
            .iter()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    let hash = (end ^ program.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The upper six bits.
    (hash >> (u64::BITS - PLACES.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use super::{DIALECTS, Speakers};

    #[test]
    fn it_remembers_what_dialects_say() {
        let mut speakers = Speakers::default();
        let others: Vec<String> = (0..200).map(|number| format!("program{number}")).collect();
        let programs = ["postfix/smtpd", "imapd", "exim", "sshd", "imap", ""];
        for _ in 0..2 {
            for program in programs
                .into_iter()
                .chain(others.iter().map(String::as_str))
            {
                let speaking = speakers.of(program.as_bytes());
                for (index, dialect) in DIALECTS.iter().enumerate() {
                    let speaks = (dialect.speaks)(program.as_bytes());
                    assert_eq!(speaking.holds(index), speaks, "{program} {}", dialect.name);
                }
            }
        }
    }
}
