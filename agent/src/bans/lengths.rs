//! Which prefix lengths bans have.

/// How many bans there are of each prefix length, so that only lengths that occur are looked up.
#[derive(Debug)]
pub(super) struct Lengths {
    counts: [u32; 129],
    /// Bit `n` of the word `n / 64`: whether there is one of length `n`.
    present: [u64; 3],
}

impl Default for Lengths {
    fn default() -> Self {
        Self {
            counts: [0; 129],
            present: [0; 3],
        }
    }
}

impl Lengths {
    pub(super) fn add(&mut self, length: u8) {
        self.counts[usize::from(length)] += 1;
        self.present[usize::from(length) / 64] |= 1 << (length % 64);
    }

    pub(super) fn subtract(&mut self, length: u8) {
        let count = &mut self.counts[usize::from(length)];
        *count -= 1;
        if *count == 0 {
            self.present[usize::from(length) / 64] &= !(1 << (length % 64));
        }
    }

    /// Lengths that occur, from `longest` down.
    pub(super) fn up_to(&self, longest: u8) -> impl Iterator<Item = u8> + use<> {
        let mut words = self.present;
        let (word, bit) = (usize::from(longest) / 64, longest % 64);
        words[word] &= u64::MAX >> (63 - bit);
        for beyond in &mut words[word + 1..] {
            *beyond = 0;
        }
        std::iter::from_fn(move || {
            let word = words.iter().rposition(|bits| *bits != 0)?;
            let bit = 63 - words[word].leading_zeros();
            words[word] &= !(1 << bit);
            u8::try_from(word * 64 + bit as usize).ok()
        })
    }
}
