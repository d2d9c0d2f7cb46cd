//! Which dialects speak for a program, remembered: a log has few programs, and there are many dialects.

use super::{DIALECTS, sessions::Key};

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
    /// Whether that of this index is one.
    pub(super) fn holds(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

impl Speakers {
    /// Those of [`DIALECTS`] that speak for `program`.
    pub(super) fn of(&mut self, program: &[u8]) -> Speaking {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let place = &mut self.places[Key::new(&[program]).place(PLACES)];
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
