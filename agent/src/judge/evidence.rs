//! The newest log lines of hosts that misbehave, kept raw and short until a ban wants them.

use std::{collections::VecDeque, sync::Arc, time::SystemTime};

use ipnet::IpNet;

use crate::{
    ban::{EVIDENCE_MAX, EVIDENCE_TEXT_MAX, Evidence},
    event::{Event, EventKind},
    line::escaped,
    rule::{Moment, Tracked, network},
};

/// Most bytes of log lines that are kept as evidence over all hosts; the host longest without an offence is forgotten.
pub const EVIDENCE_BYTES_MAX: usize = 8 << 20;
/// What a piece takes beside its text.
const PIECE_OVERHEAD: usize = 128;

/// Pieces of evidence by host, and by network for bans of networks.
#[derive(Debug)]
pub(super) struct Pieces {
    by_net: Tracked<IpNet, VecDeque<Piece>>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Piece {
    at: SystemTime,
    kind: EventKind,
    host: IpNet,
    text: Arc<[u8]>,
}

impl Pieces {
    pub(super) fn new() -> Self {
        Self {
            by_net: Tracked::new(EVIDENCE_BYTES_MAX / PIECE_OVERHEAD),
            bytes: 0,
        }
    }

    /// Keeps the line that `event` of `host` was read from.
    pub(super) fn keep(&mut self, event: &Event, host: IpNet, text: &[u8]) {
        let piece = Piece {
            at: event.at,
            kind: event.kind,
            host,
            text: text[..text.len().min(EVIDENCE_TEXT_MAX)].into(),
        };
        let wide = network(host.addr());
        if wide != host {
            self.keep_under(wide, piece.clone());
        }
        self.keep_under(host, piece);
        while self.bytes > EVIDENCE_BYTES_MAX {
            let Some(pieces) = self.by_net.pop_oldest() else {
                break;
            };
            self.bytes -= size(&pieces);
        }
    }

    /// What there is against `net` of the kinds that count, since `from`: the oldest first.
    pub(super) fn against(
        &self,
        net: IpNet,
        kinds: &[EventKind],
        from: SystemTime,
    ) -> Vec<Evidence> {
        let pieces = self
            .by_net
            .get(&net)
            .or_else(|| self.by_net.get(&network(net.addr())));
        let mut pieces: Vec<&Piece> = pieces
            .into_iter()
            .flatten()
            .filter(|piece| {
                net.contains(&piece.host) && kinds.contains(&piece.kind) && piece.at >= from
            })
            .collect();
        pieces.sort_by_key(|piece| piece.at);
        pieces
            .into_iter()
            .map(|piece| Evidence {
                at: piece.at,
                text: escaped(&piece.text, EVIDENCE_TEXT_MAX - '…'.len_utf8()),
            })
            .collect()
    }

    /// Bytes kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn keep_under(&mut self, net: IpNet, piece: Piece) {
        let at = Moment::from(piece.at);
        let (pieces, displaced) = self.by_net.touch(net, at, || VecDeque::with_capacity(1));
        if pieces.len() == EVIDENCE_MAX
            && let Some(oldest) = pieces.pop_front()
        {
            self.bytes -= oldest.size();
        }
        self.bytes += piece.size();
        pieces.push_back(piece);
        self.bytes -= displaced.map_or(0, |pieces| size(&pieces));
    }
}

impl Piece {
    fn size(&self) -> usize {
        self.text.len() + PIECE_OVERHEAD
    }
}

fn size(pieces: &VecDeque<Piece>) -> usize {
    pieces.iter().map(Piece::size).sum()
}
