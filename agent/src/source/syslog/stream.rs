//! Connections of syslog daemons: a line each, ended by a line end, or with its length before it (RFC 6587).

use std::{io, os::unix::net, path::Path};

use tokio::{
    io::AsyncReadExt as _,
    net::{UnixListener, UnixStream},
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinSet,
};

use super::socket;
use crate::source::{
    SourceState,
    lines::{LineAssembly, Taken},
    outlet::{Gone, Lines, Outlet},
};

/// Most connections at once: one syslog daemon has one.
const CONNECTIONS_MAX: usize = 16;
/// Batches of all connections that may wait.
const BATCHES_MAX: usize = 4;
/// Bytes read at once.
const CHUNK: usize = 32 * 1024;
/// Longest length before a line.
const DIGITS_MAX: usize = 7;

/// Takes connections until that fails, and tells why.
pub(super) async fn run(
    path: &Path,
    group: Option<&str>,
    outlet: &mut Outlet,
) -> Result<io::Error, Gone> {
    let opened = socket::open_stream(path, group)
        .and_then(|socket| UnixListener::from_std(net::UnixListener::from(socket)));
    let listener = match opened {
        Ok(listener) => listener,
        Err(error) => return Ok(error),
    };
    outlet.tell(SourceState::Following).await?;
    let (batches_in, mut batches): (Sender<Taken>, Receiver<Taken>) = channel(BATCHES_MAX);
    let mut connections = JoinSet::new();
    let mut position = 0;
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((connection, _)) => {
                    connections.spawn(read(connection, batches_in.clone()));
                }
                Err(error) => return Ok(error),
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
            Some(taken) = batches.recv() => {
                position += taken.bytes as u64;
                let lines = Lines {
                    lines: taken.lines,
                    cut: taken.cut,
                    position,
                    lag_bytes: Some(0),
                    ..Lines::default()
                };
                outlet.hand_over(lines).await?;
            }
            () = outlet.closed() => return Err(Gone),
        }
    }
}

/// Reads one connection to its end.
async fn read(mut connection: UnixStream, batches: Sender<Taken>) {
    let mut framing = Framing::default();
    let mut chunk = vec![0; CHUNK];
    while let Ok(read) = connection.read(&mut chunk).await {
        if read == 0 {
            return;
        }
        let mut rest = &chunk[..read];
        while !rest.is_empty() {
            let taken = framing.take(rest);
            rest = &rest[taken.bytes..];
            if !taken.lines.is_empty() && batches.send(taken).await.is_err() {
                return;
            }
        }
    }
}

/// Takes a connection's bytes apart.
#[derive(Default)]
pub(super) struct Framing {
    assembly: LineAssembly,
    /// Digits at the start of a line, which may be its length.
    digits: Vec<u8>,
    /// Bytes of a counted line that are still to come.
    counted: usize,
}

impl Framing {
    /// Takes `bytes`, or as many of them as make a full batch or a counted line.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Taken {
        if self.counted > 0 {
            return self.take_counted(bytes);
        }
        if self.assembly.len() > 0 {
            // Up to the line's end: the next one may be counted.
            let end = bytes.iter().position(|&byte| byte == b'\n');
            return self
                .assembly
                .take(&bytes[..end.map_or(bytes.len(), |end| end + 1)]);
        }
        let mut used = 0;
        for &byte in bytes {
            match byte {
                b'0'..=b'9' if self.digits.len() < DIGITS_MAX => self.digits.push(byte),
                b' ' if !self.digits.is_empty() => {
                    let digits = std::mem::take(&mut self.digits);
                    let text = str::from_utf8(&digits).unwrap_or_default();
                    self.counted = text.parse().unwrap_or_default();
                    let bytes = used + 1;
                    return Taken {
                        bytes,
                        ..Taken::default()
                    };
                }
                _ => {
                    // No length: the digits begin a line.
                    let digits = std::mem::take(&mut self.digits);
                    self.assembly.take(&digits);
                    let rest = &bytes[used..];
                    let end = rest.iter().position(|&byte| byte == b'\n');
                    let mut taken = self
                        .assembly
                        .take(&rest[..end.map_or(rest.len(), |end| end + 1)]);
                    taken.bytes += used;
                    return taken;
                }
            }
            used += 1;
        }
        Taken {
            bytes: used,
            ..Taken::default()
        }
    }

    fn take_counted(&mut self, bytes: &[u8]) -> Taken {
        let part = &bytes[..bytes.len().min(self.counted)];
        // Line ends within are no ends of lines.
        for piece in part.split_inclusive(|&byte| byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(piece) => {
                    self.assembly.take(piece);
                    self.assembly.take(b" ");
                }
                None => {
                    self.assembly.take(piece);
                }
            }
        }
        self.counted -= part.len();
        let mut taken = match self.counted {
            0 => self.assembly.take(b"\n"),
            _ => Taken::default(),
        };
        taken.bytes = part.len();
        taken
    }
}
