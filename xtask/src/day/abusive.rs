//! Who must be banned. Numbers are those that are told of real attacks (the source stands with each), not those of the rules.

mod guessers;
mod networks;
mod others;

use super::scene::Scene;

/// What is done to a mail server, and by how many of a thousand hosts. Nobody counts that for the whole Internet: the shares
/// are an assumption, and the table shows every kind by itself.
pub const KINDS: &[Kind] = &[
    Kind::new("dictionary", 130, guessers::dictionary),
    Kind::new("dictionary, slow", 50, guessers::dictionary_slow),
    Kind::new("dictionary (exim)", 80, guessers::dictionary_exim),
    Kind::new("logins", 170, guessers::logins),
    Kind::new("logins, slow", 110, guessers::logins_slow),
    Kind::new("logins, one account", 50, guessers::one_account),
    Kind::new("logins, one try", 40, guessers::one_try),
    Kind::new("relay probe", 50, others::relay),
    Kind::new("early talker", 70, others::early_talker),
    Kind::new("http on 25", 40, others::http),
    Kind::new("ylmf-pc", 50, others::ylmf_pc),
    Kind::new("bad sessions", 40, others::bad_sessions),
    Kind::new("dns-listed", 30, others::listed),
    Kind::new("mixed", 60, others::mixed),
    Kind::new("snowshoe /24", 50, networks::snowshoe),
    Kind::new("rotating /24", 40, networks::rotating),
    Kind::new("hopping /48", 10, networks::hopping),
];

/// A kind of abuse.
pub struct Kind {
    pub name: &'static str,
    /// Of a thousand hosts.
    share: u64,
    /// Makes about so many of them.
    play: fn(&mut Scene, &'static str, u64),
}

impl Kind {
    const fn new(name: &'static str, share: u64, play: fn(&mut Scene, &'static str, u64)) -> Self {
        Self { name, share, play }
    }
}

/// About `hosts` of them, a few of each kind at least.
pub fn play(scene: &mut Scene, hosts: u64) {
    let all: u64 = KINDS.iter().map(|kind| kind.share).sum();
    for kind in KINDS {
        let count = (hosts * kind.share / all).max(2);
        (kind.play)(scene, kind.name, count);
    }
}
