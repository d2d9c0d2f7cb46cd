//! Lines in one piece of memory: there are thousands a second, and each is looked at once.

/// Lines in their order, without line ends.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LineList {
    text: Vec<u8>,
    /// Where each ends in it.
    ends: Vec<usize>,
}

impl LineList {
    /// Makes room for so many bytes.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.text.reserve(bytes);
    }

    pub(super) fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.ends.push(self.text.len());
    }

    /// Takes out the first one, if there is any.
    pub(super) fn remove_first(&mut self) {
        if self.ends.is_empty() {
            return;
        }
        let length = self.ends.remove(0);
        self.text.drain(..length);
        for end in &mut self.ends {
            *end -= length;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        let start = |number: usize| match number.checked_sub(1) {
            Some(before) => self.ends[before],
            None => 0,
        };
        let lines = self.ends.iter().enumerate();
        lines.map(move |(number, &end)| &self.text[start(number)..end])
    }
}

#[cfg(test)]
mod tests {
    use super::LineList;

    #[test]
    fn lines_are_as_they_were_put_in() {
        let mut list = LineList::default();
        list.reserve(4);
        list.remove_first();
        for line in ["", "ab", "", "cde"] {
            list.push(line.as_bytes());
        }
        let all = |list: &LineList| -> Vec<Vec<u8>> { list.iter().map(<[u8]>::to_vec).collect() };
        assert_eq!(all(&list), ["", "ab", "", "cde"].map(str::as_bytes));
        list.remove_first();
        list.remove_first();
        assert_eq!(all(&list), ["", "cde"].map(str::as_bytes));
        assert_eq!((list.len(), list.is_empty()), (2, false));
        assert_eq!(list.iter().next_back(), Some(&b"cde"[..]));
    }
}
