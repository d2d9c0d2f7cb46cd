//! Serves scrapes: one bounded request a connection, one answer.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    http::{self, Asked, HEAD_MAX},
    listener::{Listener, Socket},
};

/// Connections served at once; further ones are closed.
pub const CONNECTIONS_MAX: usize = 8;
/// A scrape must be over by then, from the first byte of the request to the last of the answer.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// Rest after a failed accept: the usual cause, no file descriptors left, passes by itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Somebody wants the metrics.
#[derive(Debug)]
pub struct Scrape {
    /// Where they go.
    pub reply: oneshot::Sender<String>,
}

/// Hands what is asked on the socket to `scrapes`, until its other end is gone.
pub async fn serve(listener: Listener, scrapes: mpsc::Sender<Scrape>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = scrapes.closed() => return,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener.socket) => accepted,
        };
        match accepted {
            Ok(stream) if connections.len() < CONNECTIONS_MAX => {
                let scrapes = scrapes.clone();
                connections.spawn(async move {
                    if timeout(SCRAPE_TIMEOUT, converse(stream, scrapes))
                        .await
                        .is_err()
                    {
                        debug!("a scrape of the metrics took too long");
                    }
                });
            }
            Ok(_) => debug!("too many scrapes of the metrics at once"),
            Err(err) => {
                warn!("cannot accept a connection for metrics: {err}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn accept(socket: &Socket) -> std::io::Result<Box<dyn Stream>> {
    Ok(match socket {
        Socket::Unix(socket) => Box::new(socket.accept().await?.0),
        Socket::Tcp(socket) => Box::new(socket.accept().await?.0),
    })
}

async fn converse(mut stream: Box<dyn Stream>, scrapes: mpsc::Sender<Scrape>) {
    let answer = match read_head(&mut stream).await {
        // It connected only to see whether somebody listens.
        Ok(head) if head.is_empty() => return,
        Ok(head) if head.len() >= HEAD_MAX => http::refusal("431 Request Header Fields Too Large"),
        Ok(head) => match http::read(&head) {
            Asked::Metrics => scrape(&scrapes).await,
            Asked::Else(status) => http::refusal(status),
        },
        Err(err) => {
            debug!("lost a scrape of the metrics: {err}");
            return;
        }
    };
    if let Err(err) = write(&mut stream, answer.as_bytes()).await {
        debug!("lost a scrape of the metrics: {err}");
    }
}

async fn read_head(stream: &mut Box<dyn Stream>) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(512);
    while !http::is_whole(&head) && head.len() < HEAD_MAX {
        let mut bounded = stream.take((HEAD_MAX - head.len()) as u64);
        if bounded.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

async fn scrape(scrapes: &mpsc::Sender<Scrape>) -> String {
    let (reply, text) = oneshot::channel();
    // A scrape that cannot be handed over drops its reply, and that is answered below.
    let _ = scrapes.send(Scrape { reply }).await;
    match text.await {
        Ok(text) => http::metrics(&text),
        Err(_) => http::refusal("503 Service Unavailable"),
    }
}

async fn write(stream: &mut Box<dyn Stream>, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{SocketAddr, TcpStream},
        thread,
    };

    use tokio::sync::mpsc;

    use super::{super::Listen, CONNECTIONS_MAX, serve};
    use crate::metrics::listener::{Socket, listen};

    /// A server that answers scrapes with "x 1".
    fn server() -> SocketAddr {
        let (send, address) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let listener = listen(&Listen::Inet("127.0.0.1:0".parse().unwrap())).unwrap();
                let Socket::Tcp(socket) = &listener.socket else {
                    panic!()
                };
                send.send(socket.local_addr().unwrap()).unwrap();
                let (scrapes_in, mut scrapes) = mpsc::channel(1);
                tokio::spawn(serve(listener, scrapes_in));
                while let Some(super::Scrape { reply }) = scrapes.recv().await {
                    let _ = reply.send("x 1\n".to_owned());
                }
            });
        });
        address.recv().unwrap()
    }

    fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn scrapes_are_answered_and_garbage_is_turned_away() {
        let address = server();
        let answer = ask(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nContent-Length: 4\r\n") && answer.ends_with("\r\n\r\nx 1\n"));
        assert!(ask(address, b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        let long = [
            &b"GET /metrics HTTP/1.1\r\nX: "[..],
            &[b'x'; super::HEAD_MAX - 26],
        ]
        .concat();
        assert!(ask(address, &long).starts_with("HTTP/1.1 431 "));
    }

    #[test]
    fn who_says_nothing_keeps_nobody_else_from_scraping() {
        let address = server();
        let silent: Vec<TcpStream> = (0..CONNECTIONS_MAX - 1)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let answer = ask(address, b"GET /metrics HTTP/1.1\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        drop(silent);
    }
}
