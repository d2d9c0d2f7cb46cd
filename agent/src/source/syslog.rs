//! A socket that syslog daemons send to: Unix datagrams, Unix streams, UDP. One datagram is one line, whatever is in it.

mod socket;
mod stream;

use std::{io, time::Duration};

use tokio::{
    io::{Interest, unix::AsyncFd},
    time::sleep,
};
use tracing::warn;

use self::socket::{Datagrams, Received};
use super::{
    BATCH_LINES_MAX, Listen, SourceState,
    outlet::{Gone, Lines, Outlet},
};
use crate::line::{LINE_MAX, RECORD_MAX};

/// About as many bytes make a batch too.
const BATCH_BYTES_MAX: u64 = 256 * 1024;
/// How often it is tried to listen where that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Listens until nobody listens to it any more.
pub(super) async fn follow(listen: &Listen, mut outlet: Outlet) {
    loop {
        let failure = match run(listen, &mut outlet).await {
            Ok(error) => format!("cannot be listened on: {error}"),
            Err(Gone) => return,
        };
        if outlet.tell(SourceState::Failed(failure)).await.is_err() {
            return;
        }
        tokio::select! {
            () = sleep(AGAIN_AFTER) => {}
            () = outlet.closed() => return,
        }
    }
}

/// Listens until that fails, and tells why.
async fn run(listen: &Listen, outlet: &mut Outlet) -> Result<io::Error, Gone> {
    if let Listen::Unix {
        path,
        is_stream: true,
        group,
    } = listen
    {
        return stream::run(path, group.as_deref(), outlet).await;
    }
    let opened = socket::open(listen).and_then(|socket| {
        // SAFETY: the socket owns its descriptor, tells the same one each time, and lives in the `AsyncFd`.
        let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        Ok(registered?)
    });
    let socket = match opened {
        Ok(socket) => socket,
        Err(error) => return Ok(error),
    };
    outlet.tell(SourceState::Following).await?;
    let mut datagrams = Datagrams::default();
    let mut position = 0;
    loop {
        let ready = tokio::select! {
            ready = socket.readable() => ready,
            () = outlet.closed() => return Err(Gone),
        };
        let mut ready = match ready {
            Ok(ready) => ready,
            Err(error) => return Ok(error),
        };
        let mut batch = Lines {
            lag_bytes: Some(0),
            ..Lines::default()
        };
        let start = position;
        while batch.lines.len() < BATCH_LINES_MAX && position - start < BATCH_BYTES_MAX {
            match datagrams.receive(socket.get_ref()) {
                Ok(Received { text, is_whole }) => {
                    position += text.len() as u64;
                    let line = line_of(text);
                    batch.cut += u64::from(!is_whole || line.len() < trimmed(text).len());
                    batch.lines.push(line);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(error),
            }
        }
        batch.lost = datagrams.take_lost();
        if batch.lost > 0 {
            warn!(lost = batch.lost, %listen, "the kernel dropped datagrams, as its queue was full");
        }
        batch.position = position;
        if !batch.lines.is_empty() || batch.lost > 0 {
            outlet.hand_over(batch).await?;
        }
    }
}

/// A datagram without what ends a line.
fn trimmed(text: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
    let end = text.iter().rposition(|byte| !is_end(byte));
    &text[..end.map_or(0, |end| end + 1)]
}

/// The line that a datagram is.
fn line_of(text: &[u8]) -> &[u8] {
    let text = trimmed(text);
    let max = if text.starts_with(b"{") {
        RECORD_MAX
    } else {
        LINE_MAX
    };
    &text[..text.len().min(max)]
}

#[cfg(test)]
mod tests;
