//! Lines of the project's corpora in which a client's own words are known: the account and the recipient.

use std::{fs, path::Path, sync::OnceLock};

/// Shorter ones stand in words of the program too.
const SHORTEST: usize = 3;

/// A block of a corpus, with one line that holds words of a client.
#[derive(Debug)]
pub struct Seed {
    before: Vec<Vec<u8>>,
    /// The line, cut where the words stood.
    parts: Vec<Vec<u8>>,
    after: Vec<Vec<u8>>,
}

impl Seed {
    /// All of a dialect.
    pub fn of(dialect: &str) -> &'static [Self] {
        static SEEDS: OnceLock<Vec<(String, Vec<Seed>)>> = OnceLock::new();
        let seeds = SEEDS.get_or_init(|| {
            let name = |dialect: &&mailwall::dialect::Dialect| dialect.name.to_owned();
            let names = mailwall::dialect::DIALECTS.iter().map(name);
            names.map(|name| (name.clone(), read(&name))).collect()
        });
        let found = seeds.iter().find(|(name, _)| name == dialect);
        found.map_or(&[], |(_, seeds)| seeds)
    }

    /// The block, with other words in the place of the client's.
    pub fn with(&self, words: &[u8]) -> Vec<Vec<u8>> {
        let line = self.parts.join(words);
        let mut lines = self.before.clone();
        lines.push(line);
        lines.extend_from_slice(&self.after);
        lines
    }
}

fn read(dialect: &str) -> Vec<Seed> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let text = fs::read_to_string(corpora.join(format!("{dialect}.txt"))).unwrap_or_default();
    text.split("\n\n").flat_map(of_block).collect()
}

fn of_block(block: &str) -> Vec<Seed> {
    let lines: Vec<&str> = block
        .lines()
        .filter(|line| *line != "#" && !line.starts_with("# "))
        .collect();
    let logged: Vec<&str> = lines.iter().step_by(2).copied().collect();
    let expected = lines.iter().skip(1).step_by(2);
    let mut seeds = Vec::new();
    for (number, expected) in expected.enumerate() {
        for field in [" account=", " recipient="] {
            let Some((_, words)) = expected.split_once(field) else {
                continue;
            };
            let words = words.split(" recipient=").next().unwrap_or_default();
            let parts = cut(logged[number], words);
            if words.len() >= SHORTEST && parts.len() > 1 {
                let bytes =
                    |lines: &[&str]| lines.iter().map(|line| line.as_bytes().to_vec()).collect();
                seeds.push(Seed {
                    before: bytes(&logged[..number]),
                    parts,
                    after: bytes(&logged[number + 1..]),
                });
            }
        }
    }
    seeds
}

/// Cuts a line where `words` stand alone, not as a part of others.
fn cut(line: &str, words: &str) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = vec![Vec::new()];
    let mut rest = line;
    while let Some(place) = rest.find(words).filter(|_| !words.is_empty()) {
        let (before, found) = rest.split_at(place);
        let after = &found[words.len()..];
        let joins = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let last = parts.last_mut().expect("there is a part");
        last.extend_from_slice(before.as_bytes());
        if joins(before.bytes().last()) || joins(after.bytes().next()) {
            last.extend_from_slice(words.as_bytes());
        } else {
            parts.push(Vec::new());
        }
        rest = after;
    }
    parts
        .last_mut()
        .expect("there is a part")
        .extend_from_slice(rest.as_bytes());
    parts
}
