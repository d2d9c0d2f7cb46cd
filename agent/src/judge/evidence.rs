//! The newest log lines of hosts that misbehave, kept raw and short until a ban wants them.
//!
//! There are so many places, all alike. A host has at most [`EVIDENCE_MAX`] of them, in a ring; its next line takes the place of
//! its oldest. When all are taken, the line that was kept longest of all gives way.

use std::time::SystemTime;

use foldhash::quality::RandomState;
use ipnet::IpNet;

use super::sentence::Act;
use crate::{
    ban::{EVIDENCE_MAX, EVIDENCE_TEXT_MAX, Evidence},
    event::EventKind,
    line::escaped,
    rule::{Index, NONE, NetKey, hash_of, network},
};

/// Most bytes of log lines that are kept as evidence over all hosts.
pub const EVIDENCE_BYTES_MAX: usize = 8 << 20;
/// How many lines that is.
const PIECES_MAX: usize = EVIDENCE_BYTES_MAX / (EVIDENCE_TEXT_MAX + size_of::<Piece>());
/// Most pieces of a network that are looked at for a ban.
const IN_NETWORK_MAX: usize = 256;

/// Pieces of evidence.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// [`EVIDENCE_TEXT_MAX`] bytes for each piece.
    texts: Vec<u8>,
    /// The newest piece of each host.
    newest_of: Index,
    /// The newest piece of each network, of those that were kept for one.
    newest_in: Index,
    hasher: RandomState,
    oldest: u32,
    newest: u32,
    /// How many were kept so far.
    kept: u64,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    at: SystemTime,
    kind: EventKind,
    host: IpNet,
    /// Hash of the host.
    hash: u32,
    length: u16,
    /// How many the host has, as far as this is its newest.
    count: u8,
    /// The next of its host; of its newest, the oldest.
    next: u32,
    /// What was kept before it and after it, of all hosts.
    older: u32,
    newer: u32,
    /// Its number among all that were ever kept.
    number: u64,
    /// The one before it in its network, if it was kept for that, as far as that has a lower number: else its place was taken.
    before: u32,
    /// Whether its network may name it as its newest.
    is_in_network: bool,
}

impl Pieces {
    pub(super) fn new() -> Self {
        Self {
            pieces: Vec::new(),
            texts: Vec::new(),
            newest_of: Index::default(),
            newest_in: Index::default(),
            kept: 0,
            hasher: RandomState::default(),
            oldest: NONE,
            newest: NONE,
        }
    }

    /// Keeps the line that an act of `host` was read from; for bans of its network, too, if that is wanted.
    pub(super) fn keep(&mut self, act: Act, host: IpNet, text: &[u8], for_network: bool) {
        let hash = self.hash(&host);
        let known = self.newest_hashed(&host, hash);
        let mut has_given_way = false;
        let is_full = |newest: u32| usize::from(self.pieces[newest as usize].count) >= EVIDENCE_MAX;
        let index = match known {
            Some(newest) if is_full(newest) => {
                let oldest = self.pieces[newest as usize].next;
                self.unlink(oldest);
                oldest
            }
            _ if self.pieces.len() < PIECES_MAX => self.add_place(),
            _ => {
                has_given_way = self.pieces[self.oldest as usize].host == host;
                self.give_way()
            }
        };
        let known = match has_given_way {
            // It may have been the only one of this host.
            true => self.newest_hashed(&host, hash),
            false => known,
        };
        let (count, next) = match known {
            // Its ring turns: the oldest becomes the newest, and the one after it the oldest.
            Some(newest) if self.pieces[newest as usize].next == index => {
                (EVIDENCE_MAX as u8, self.pieces[index as usize].next)
            }
            Some(newest) => {
                let newest = &mut self.pieces[newest as usize];
                (newest.count + 1, std::mem::replace(&mut newest.next, index))
            }
            None => (1, index),
        };
        // Its network may still name the place as its newest.
        let before = &self.pieces[index as usize];
        let was_in_network = before.is_in_network && before.host == host;
        let text = &text[..text.len().min(EVIDENCE_TEXT_MAX)];
        self.pieces[index as usize] = Piece {
            at: act.at,
            kind: act.cause.kind,
            host,
            hash,
            length: text.len() as u16,
            count,
            next,
            older: NONE,
            newer: NONE,
            number: self.kept,
            before: NONE,
            is_in_network: for_network || was_in_network,
        };
        self.kept += 1;
        let start = index as usize * EVIDENCE_TEXT_MAX;
        self.texts[start..start + text.len()].copy_from_slice(text);
        self.link_newest(index);
        self.set_newest_of(known, index);
        if for_network {
            self.set_newest_in(network(host.addr()), index);
        }
    }

    /// What there is against `net` of the kinds that count, since `from`: the newest [`EVIDENCE_MAX`], the oldest first.
    pub(super) fn against(
        &self,
        net: IpNet,
        host: IpNet,
        kinds: &[EventKind],
        from: SystemTime,
    ) -> Vec<Evidence> {
        let fits = |piece: &Piece| kinds.contains(&piece.kind) && piece.at >= from;
        let mut found: Vec<u32> = if net == host {
            self.of_host(&host)
                .filter(|&index| fits(&self.pieces[index as usize]))
                .collect()
        } else {
            let mut newest: Vec<u32> = self
                .in_network(&network(net.addr()))
                .take(IN_NETWORK_MAX)
                .filter(|&index| {
                    let piece = &self.pieces[index as usize];
                    net.contains(&piece.host) && fits(piece)
                })
                .take(EVIDENCE_MAX)
                .collect();
            newest.reverse();
            newest
        };
        found.sort_by_key(|&index| self.pieces[index as usize].at);
        found
            .into_iter()
            .map(|index| {
                let piece = &self.pieces[index as usize];
                let start = index as usize * EVIDENCE_TEXT_MAX;
                let text = &self.texts[start..start + usize::from(piece.length)];
                Evidence {
                    at: piece.at,
                    text: escaped(text, EVIDENCE_TEXT_MAX - '…'.len_utf8()),
                }
            })
            .collect()
    }

    /// Bytes kept.
    pub(super) fn bytes(&self) -> usize {
        self.texts.len() + self.pieces.len() * size_of::<Piece>()
    }

    /// The pieces of a host, the oldest first.
    fn of_host(&self, host: &IpNet) -> impl Iterator<Item = u32> {
        let newest = self.newest_of(host);
        let oldest = newest.map(|newest| self.pieces[newest as usize].next);
        std::iter::successors(oldest, move |&index| {
            let next = self.pieces[index as usize].next;
            (Some(index) != newest).then_some(next)
        })
    }

    /// The pieces of a network, the newest first. When a host takes the place of an older line of its own, what comes after
    /// that is lost; there are [`EVIDENCE_MAX`] newer ones then.
    fn in_network(&self, wide: &IpNet) -> impl Iterator<Item = u32> {
        let hash = self.hash(wide);
        let is_it = |index: u32| network(self.pieces[index as usize].host.addr()) == *wide;
        let newest = self.newest_in.find(hash, is_it);
        std::iter::successors(newest, |&index| {
            let Piece { before, number, .. } = self.pieces[index as usize];
            let is_there = before != NONE && self.pieces[before as usize].number < number;
            is_there.then_some(before)
        })
    }

    fn add_place(&mut self) -> u32 {
        let index = self.pieces.len();
        self.pieces.push(Piece {
            at: SystemTime::UNIX_EPOCH,
            kind: EventKind::Connect,
            host: IpNet::default(),
            hash: 0,
            length: 0,
            count: 0,
            next: NONE,
            older: NONE,
            newer: NONE,
            number: 0,
            before: NONE,
            is_in_network: false,
        });
        self.texts.resize(self.texts.len() + EVIDENCE_TEXT_MAX, 0);
        // There are fewer than 2^32.
        index as u32
    }

    /// Takes the place of the oldest piece.
    fn give_way(&mut self) -> u32 {
        let index = self.oldest;
        let Piece {
            host, hash, next, ..
        } = self.pieces[index as usize];
        self.unlink(index);
        if self.pieces[index as usize].is_in_network {
            let hash = self.hash(&network(host.addr()));
            self.newest_in.remove(hash, index);
        }
        // Its only one?
        if next == index {
            self.newest_of.remove(hash, index);
            return index;
        }
        if let Some(newest) = self.newest_hashed(&host, hash) {
            // What is oldest of all is oldest of its host.
            let newest = &mut self.pieces[newest as usize];
            newest.next = next;
            newest.count -= 1;
        }
        index
    }

    fn newest_of(&self, host: &IpNet) -> Option<u32> {
        self.newest_hashed(host, self.hash(host))
    }

    fn newest_hashed(&self, host: &IpNet, hash: u32) -> Option<u32> {
        let is_it = |index: u32| self.pieces[index as usize].host == *host;
        self.newest_of.find(hash, is_it)
    }

    /// Makes the piece at `index` its host's newest, in place of the one before.
    fn set_newest_of(&mut self, before: Option<u32>, index: u32) {
        let hash = self.pieces[index as usize].hash;
        let has_taken_over =
            before.is_some_and(|before| self.newest_of.replace(hash, before, index));
        if !has_taken_over {
            self.newest_of.insert(hash, index);
        }
    }

    /// Makes the piece at `index` the newest of `wide`.
    fn set_newest_in(&mut self, wide: IpNet, index: u32) {
        let hash = self.hash(&wide);
        let is_it = |index: u32| network(self.pieces[index as usize].host.addr()) == wide;
        let before = self.newest_in.find(hash, is_it);
        match before {
            Some(before) => {
                self.newest_in.replace(hash, before, index);
            }
            None => self.newest_in.insert(hash, index),
        }
        self.pieces[index as usize].before = before.unwrap_or(NONE);
    }

    fn hash(&self, net: &IpNet) -> u32 {
        hash_of(&self.hasher, &NetKey(*net))
    }

    fn unlink(&mut self, index: u32) {
        let Piece { older, newer, .. } = self.pieces[index as usize];
        match older {
            NONE => self.oldest = newer,
            older => self.pieces[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.pieces[newer as usize].older = older,
        }
    }

    fn link_newest(&mut self, index: u32) {
        self.pieces[index as usize].older = self.newest;
        match self.newest {
            NONE => self.oldest = index,
            newest => self.pieces[newest as usize].newer = index,
        }
        self.newest = index;
    }
}

const _: () = assert!(EVIDENCE_MAX <= u8::MAX as usize && EVIDENCE_TEXT_MAX <= u16::MAX as usize);
