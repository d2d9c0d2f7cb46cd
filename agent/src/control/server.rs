//! Serves the control socket: reads one bounded request a connection, hands it to the agent, writes what the agent answers.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    listener::Listener,
    peer::Peer,
    protocol::{Answer, REQUEST_MAX, RefusalKind, Refused, Request},
    reply::{Outgoing, QUEUE_MAX, Reply},
    room::{CONNECTIONS_MAX, Room, Rooms},
};

/// Bytes of a request that need no room of their own.
const SMALL_MAX: usize = 64 << 10;
/// A request must have come in whole by then.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A caller that reads nothing for this long is let go.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Rest after a failed accept: the usual cause, no file descriptors left, passes by itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Most characters of the reason why a request was not understood.
const MALFORMED_MAX: usize = 300;

/// A request, who asks, and the way back.
#[derive(Debug)]
pub struct Call {
    /// What is asked; checked as far as that needs no state.
    pub request: Request,
    /// Who asks; permitted to.
    pub peer: Peer,
    /// Where the answer goes.
    pub reply: Reply,
}

/// Hands what comes in on the socket to `calls`, until its other end is gone.
pub async fn serve(listener: Listener, calls: mpsc::Sender<Call>) {
    let mut connections = JoinSet::new();
    let rooms = Rooms::new();
    loop {
        let accepted = tokio::select! {
            () = calls.closed() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.socket.accept() => accepted,
        };
        let admitted = accepted.and_then(|(stream, _)| {
            let peer = Peer::of(&stream, listener.group)?;
            Ok((stream, peer))
        });
        match admitted {
            Err(error) => {
                warn!("cannot accept a control connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
            Ok((stream, peer)) if !peer.may_change => {
                warn!(
                    uid = peer.uid,
                    pid = peer.pid,
                    "refused on the control socket"
                );
                turn_away(&stream, not_permitted(peer));
            }
            Ok((stream, peer)) => {
                let room = rooms.of(peer);
                match room.enter() {
                    None => turn_away(&stream, too_many()),
                    Some(place) => {
                        let (room, calls) = (room.clone(), calls.clone());
                        connections.spawn(async move {
                            converse(stream, peer, &room, calls).await;
                            drop(place);
                        });
                    }
                }
            }
        }
    }
}

/// Refuses without waiting and without a task: the buffer of a new connection has room for a line.
fn turn_away(stream: &UnixStream, refused: Refused) {
    let _ = stream.try_write(&line(&Answer::Refused(refused)));
}

fn not_permitted(peer: Peer) -> Refused {
    Refused {
        kind: RefusalKind::NotPermitted,
        error: format!("user {} may not use the control socket", peer.uid),
        hint: Some("run it as root, or as a member of the group in [control]".to_owned()),
    }
}

fn too_many() -> Refused {
    Refused::failed(format!(
        "{CONNECTIONS_MAX} callers are being served, and no more can be"
    ))
}

async fn converse(stream: UnixStream, peer: Peer, room: &Room, calls: mpsc::Sender<Call>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let result = match read_request(&mut reader, room).await {
        Ok(Some((request, mut large))) => {
            if large.is_none() && request.has_large_answer() {
                large = Some(room.large().await);
            }
            debug!(
                uid = peer.uid,
                pid = peer.pid,
                "asked on the control socket"
            );
            let result = hand_over(request, peer, &calls, &mut reader, &mut writer).await;
            drop(large);
            result
        }
        // It connected only to see whether somebody listens.
        Ok(None) => Ok(()),
        Err(refused) => write(&mut writer, &Answer::Refused(refused)).await,
    };
    if let Err(error) = result {
        debug!(
            uid = peer.uid,
            pid = peer.pid,
            "lost a control connection: {error}"
        );
    }
}

/// The request, and the room that it takes where it is large; `None` when the caller left without a word.
async fn read_request(
    reader: &mut BufReader<OwnedReadHalf>,
    room: &Room,
) -> Result<Option<(Request, Option<OwnedSemaphorePermit>)>, Refused> {
    let reading = timeout(REQUEST_TIMEOUT, read_line(reader, room));
    let (text, large) = match reading.await {
        Err(_) => {
            let seconds = REQUEST_TIMEOUT.as_secs();
            return Err(Refused::failed(format!(
                "the request was not complete after {seconds} s"
            )));
        }
        Ok(Err(error)) => return Err(malformed(&error)),
        Ok(Ok((text, _))) if text.is_empty() => return Ok(None),
        Ok(Ok((text, _))) if text.len() > REQUEST_MAX => {
            return Err(Refused::failed(format!(
                "the request is longer than {REQUEST_MAX} bytes"
            )));
        }
        Ok(Ok(line)) => line,
    };
    let request: Request = serde_json::from_slice(&text).map_err(|error| malformed(&error))?;
    request.check()?;
    Ok(Some((request, large)))
}

/// A line of at most [`REQUEST_MAX`] bytes, or more than that of a longer one.
async fn read_line(
    reader: &mut BufReader<OwnedReadHalf>,
    room: &Room,
) -> io::Result<(Vec<u8>, Option<OwnedSemaphorePermit>)> {
    let mut text = Vec::new();
    let mut bounded = reader.take(SMALL_MAX as u64);
    bounded.read_until(b'\n', &mut text).await?;
    if text.len() < SMALL_MAX || text.ends_with(b"\n") {
        return Ok((text, None));
    }
    let large = room.large().await;
    bounded.set_limit((REQUEST_MAX + 1 - SMALL_MAX) as u64);
    bounded.read_until(b'\n', &mut text).await?;
    Ok((text, Some(large)))
}

fn malformed(error: &dyn std::error::Error) -> Refused {
    let reason = crate::line::escaped(error.to_string().as_bytes(), MALFORMED_MAX);
    Refused::failed(format!("malformed request: {reason}"))
}

async fn hand_over(
    request: Request,
    peer: Peer,
    calls: &mpsc::Sender<Call>,
    reader: &mut BufReader<OwnedReadHalf>,
    writer: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let (reply, mut outgoing) = Reply::channel();
    let call = Call {
        request,
        peer,
        reply,
    };
    // A call that cannot be handed over drops its reply, and that is answered below.
    let _ = calls.send(call).await;
    // Closing its sending half does not mean that a caller is gone before it got its answer; a follower that does is.
    let mut following = false;
    let mut scrap = [0; 64];
    loop {
        let next = tokio::select! {
            next = outgoing.recv() => next,
            read = reader.read(&mut scrap), if following => match read {
                Ok(0) | Err(_) => return Ok(()),
                Ok(_) => continue,
            },
        };
        match next {
            Some(Outgoing::Next(answer)) => {
                following = true;
                write(writer, &answer).await?;
            }
            Some(Outgoing::Only(answer)) => return write(writer, &answer).await,
            Some(Outgoing::TooSlow) => {
                return write(writer, &Answer::Refused(too_slow())).await;
            }
            None => return write(writer, &Answer::Refused(stopping())).await,
        }
    }
}

fn too_slow() -> Refused {
    Refused::failed(format!(
        "too slow: more than {QUEUE_MAX} events waited to be read"
    ))
}

fn stopping() -> Refused {
    Refused::failed("mailwall is stopping".to_owned())
}

async fn write(writer: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let line = line(answer);
    let mut rest = &line[..];
    while !rest.is_empty() {
        let written = timeout(WRITE_TIMEOUT, writer.write(rest)).await??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
    }
    Ok(())
}

fn line(answer: &Answer) -> Vec<u8> {
    let mut line =
        serde_json::to_vec(answer).expect("answers have string keys and nothing that can fail");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests;
