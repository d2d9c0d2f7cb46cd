//! Serves policy clients, on a thread of its own: however long the agent's loop is busy with something else, Postfix is answered
//! in time.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixListener},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::warn;

use super::{Answer, Decoder, Listener, Request, Stats, Verdict};
use crate::clock::Clock;

/// Connections at once; further ones are closed. Each process of Postfix's SMTP server has one for each place in `main.cf` with
/// its own settings, and each service of `master.cf` has 100 such processes by default.
pub const CONNECTIONS_MAX: usize = 400;
/// Questions that may wait for the agent.
pub const QUESTIONS_MAX: usize = 256;
/// The agent must have answered by then; else Postfix is told to go on.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(100);
/// A request that has begun must be complete by then.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// Postfix makes a connection to ask at once; who does not only takes the place of others.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// Postfix closes a connection that it does not need for five minutes; this is for clients that do not.
const IDLE_MAX: Duration = Duration::from_secs(900);
/// A client that does not take its answer for so long is let go.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
/// Bytes read at once.
const CHUNK: usize = 4096;
/// Rest after a failed accept: the usual cause, no file descriptors left, passes by itself.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Garbage is told of in the log once in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// A request, and the way back. Whoever asked may have gone on without the answer.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Verdict>,
}

/// A running service. Dropping it ends it, and with it all its connections: Postfix makes new ones.
#[derive(Debug)]
pub struct Service {
    stats: watch::Receiver<Stats>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// What it did so far.
    pub fn stats(&self) -> Stats {
        self.stats.borrow().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        // It waits for nothing else; the next one may listen at the same place only when this one does no more.
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    questions: mpsc::Sender<Question>,
    stats: Arc<watch::Sender<Stats>>,
    clock: Clock,
}

/// Serves on `listener`, and hands what is asked to `questions`.
///
/// # Errors
/// When the host refuses a thread.
pub fn serve(
    listener: Listener,
    questions: mpsc::Sender<Question>,
    clock: Clock,
) -> io::Result<Service> {
    let (stop_in, stop) = oneshot::channel::<()>();
    let (stats_in, stats) = watch::channel(Stats::default());
    let shared = Shared {
        questions,
        stats: Arc::new(stats_in),
        clock,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = thread::Builder::new()
        .name("policy".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // An error is the end of the service's handle.
                    _ = stop => {}
                    () = accept(listener, shared) => {}
                }
            });
        })?;
    Ok(Service {
        stats,
        stop: Some(stop_in),
        thread: Some(thread),
    })
}

async fn accept(listener: Listener, shared: Shared) {
    match listener {
        Listener::Unix(listener, _place) => match UnixListener::from_std(listener) {
            Ok(listener) => {
                accept_all(|| async { Ok(listener.accept().await?.0) }, &shared).await;
            }
            Err(error) => warn!("the policy service cannot listen: {error}"),
        },
        Listener::Inet(listener) => match TcpListener::from_std(listener) {
            Ok(listener) => {
                let next = || async {
                    let (stream, _) = listener.accept().await?;
                    // Answers are shorter than a packet, and Postfix waits for each.
                    stream.set_nodelay(true)?;
                    Ok(stream)
                };
                accept_all(next, &shared).await;
            }
            Err(error) => warn!("the policy service cannot listen: {error}"),
        },
    }
}

async fn accept_all<S, F>(next: impl Fn() -> F, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<S>>,
{
    let mut connections = JoinSet::new();
    let mut warned: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = next() => accepted,
            Some(ended) = connections.join_next() => {
                shared.stats.send_modify(|stats| stats.connections = connections.len());
                let is_due = warned.is_none_or(|at: Instant| at.elapsed() >= WARN_EVERY);
                if let Ok(Some(fault)) = ended && is_due {
                    warned = Some(Instant::now());
                    let fault: String = fault;
                    warn!("closed a connection of the policy service: {fault}");
                }
                continue;
            }
        };
        match accepted {
            Ok(_stream) if connections.len() >= CONNECTIONS_MAX => {
                shared.stats.send_modify(|stats| stats.refused += 1);
            }
            Ok(stream) => {
                connections.spawn(converse(stream, shared.clone()));
                let open = connections.len();
                shared.stats.send_modify(|stats| stats.connections = open);
            }
            Err(error) => {
                warn!("cannot accept a connection of the policy service: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one client until it leaves or sends garbage; tells what that was.
async fn converse<S>(mut stream: S, shared: Shared) -> Option<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut decoder = Decoder::default();
    let mut idle_max = FIRST_WITHIN;
    loop {
        let request = match next_request(&mut stream, &mut decoder, idle_max).await {
            Ok(Some(request)) => request,
            Ok(None) => return None,
            Err(fault) => {
                let at = shared.clock.now();
                shared.stats.send_modify(|stats| {
                    stats.garbage += 1;
                    stats.last_garbage = Some((at, fault.clone()));
                });
                return Some(fault);
            }
        };
        idle_max = IDLE_MAX;
        let asked = ask(request, &shared.questions).await;
        let verdict = asked.unwrap_or(Verdict {
            answer: Answer::Dunno,
            would: None,
        });
        shared.stats.send_modify(|stats| {
            stats.requests += 1;
            stats.late += u64::from(asked.is_none());
            stats.count(verdict);
        });
        let wire = verdict.answer.to_wire();
        match timeout(WRITE_WITHIN, stream.write_all(wire.as_bytes())).await {
            Ok(Ok(())) => {}
            _ => return None,
        }
    }
}

/// The next request; `None` when the client has left or is quiet for too long, also in the middle of one.
async fn next_request<S>(
    stream: &mut S,
    decoder: &mut Decoder,
    idle_max: Duration,
) -> Result<Option<Request>, String>
where
    S: AsyncRead + Unpin,
{
    let mut chunk = [0; CHUNK];
    let idle_until = Instant::now() + idle_max;
    let mut complete_until = decoder.is_amid().then(|| Instant::now() + REQUEST_WITHIN);
    loop {
        match decoder.next_request() {
            Ok(Some(request)) => return Ok(Some(request)),
            Ok(None) => {}
            Err(garbage) => return Err(garbage.to_string()),
        }
        let until = complete_until.unwrap_or(idle_until);
        match timeout_at(until, stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => return Ok(None),
            Ok(Ok(read)) => decoder.push(&chunk[..read]),
            Err(_) if complete_until.is_some() => {
                let seconds = REQUEST_WITHIN.as_secs();
                return Err(format!("a request was not complete after {seconds} s"));
            }
            Err(_) => return Ok(None),
        }
        complete_until.get_or_insert_with(|| Instant::now() + REQUEST_WITHIN);
    }
}

/// The agent's verdict; `None` when it has none in time.
async fn ask(request: Request, questions: &mpsc::Sender<Question>) -> Option<Verdict> {
    let (reply, verdict) = oneshot::channel();
    questions.try_send(Question { request, reply }).ok()?;
    timeout(ANSWER_WITHIN, verdict).await.ok()?.ok()
}
