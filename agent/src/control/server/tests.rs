//! The server with the real client, on sockets in temporary directories.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::{runtime::Builder, task::spawn_blocking};

use super::*;
use crate::control::{
    ClientError, ServeError, ask, follow, listen,
    protocol::{LoggedEvent, Reloaded, SCHEMA},
    socket_path,
};

/// Serves while `caller` runs; `agent` answers its calls.
fn serving<T: Send + 'static>(
    mut agent: impl FnMut(Call),
    caller: impl FnOnce(&Path) -> T + Send + 'static,
) -> T {
    let dir = TempDir::new().unwrap();
    let socket = socket_path(dir.path());
    Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let listener = listen(dir.path(), None).unwrap();
            let (calls_in, mut calls) = mpsc::channel(4);
            tokio::spawn(serve(listener, calls_in));
            let mut caller = spawn_blocking(move || caller(&socket));
            loop {
                tokio::select! {
                    Some(call) = calls.recv() => agent(call),
                    result = &mut caller => return result.unwrap(),
                }
            }
        })
}

fn reloaded(change: &str) -> Answer {
    Answer::Reloaded(Reloaded {
        schema: SCHEMA,
        changes: vec![change.to_owned()],
        needs_restart: Vec::new(),
    })
}

fn event(number: usize) -> Answer {
    Answer::Event(LoggedEvent {
        schema: SCHEMA,
        at: "2026-01-02T03:04:05Z".to_owned(),
        event: "auth-failure".to_owned(),
        net: None,
        service: None,
        score: 1.0,
        account: Some(number.to_string()),
        recipient: None,
        rule: None,
        for_s: None,
        source: None,
        refused: None,
    })
}

fn say(socket: &Path, words: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(words).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer
}

fn refusal(answer: Result<Answer, ClientError>) -> Refused {
    match answer {
        Err(ClientError::Refused(refused)) => refused,
        other => panic!("not a refusal: {other:?}"),
    }
}

#[test]
fn a_request_is_answered_once() {
    let answer = serving(
        |call| {
            assert_eq!(call.request, Request::Reload);
            assert!(call.peer.may_change);
            call.reply.answer(reloaded("something"));
        },
        |socket| ask(socket, &Request::Reload),
    );
    assert_eq!(answer.unwrap(), reloaded("something"));
}

#[test]
fn a_caller_that_stops_sending_still_gets_its_answer() {
    let answer = serving(
        |call| call.reply.answer(reloaded("something")),
        |socket| {
            let mut stream = UnixStream::connect(socket).unwrap();
            stream.write_all(b"{\"request\":\"reload\"}\n").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        },
    );
    assert!(answer.contains("something"), "{answer}");
}

#[test]
fn a_reply_that_is_dropped_says_that_the_agent_stops() {
    let answer = serving(drop, |socket| ask(socket, &Request::Status));
    assert_eq!(refusal(answer).error, "mailwall is stopping");
}

#[test]
fn what_is_malformed_is_refused_with_the_reason() {
    let unasked = |_: Call| panic!("nothing of this may reach the agent");
    let (unknown, extra, binary, cut) = serving(unasked, |socket| {
        (
            say(socket, b"{\"request\":\"explode\"}\n"),
            say(
                socket,
                b"{\"request\":\"ban-remove\",\"nets\":[],\"force\":true}\n",
            ),
            say(socket, b"\xff\x00\x1b[31m\n"),
            say(socket, b"{\"request\":\n"),
        )
    });
    assert!(
        unknown.contains("malformed request: unknown variant `explode`"),
        "{unknown}"
    );
    assert!(extra.contains("unknown field `force`"), "{extra}");
    assert!(
        binary.contains("malformed request: expected value"),
        "{binary}"
    );
    assert!(cut.contains("malformed request: EOF"), "{cut}");
}

#[test]
fn host_bits_and_empty_lists_never_reach_the_agent() {
    let unasked = |_: Call| panic!("nothing of this may reach the agent");
    let (host_bits, none) = serving(unasked, |socket| {
        let remove = |nets| ask(socket, &Request::BanRemove { nets });
        (
            remove(vec!["192.0.2.1/24".parse().unwrap()]),
            remove(Vec::new()),
        )
    });
    let host_bits = refusal(host_bits);
    assert_eq!(host_bits.error, "192.0.2.1/24 has host bits set");
    assert_eq!(
        host_bits.hint.as_deref(),
        Some("the network is 192.0.2.0/24")
    );
    assert_eq!(refusal(none).error, "no networks in the request");
}

#[test]
fn a_request_without_end_is_cut_off() {
    let unasked = |_: Call| panic!("nothing of this may reach the agent");
    let answer = serving(unasked, |socket| {
        let mut stream = UnixStream::connect(socket).unwrap();
        let chunk = vec![b' '; 1 << 20];
        // The last writes fail: the server does not read on.
        for _ in 0..=REQUEST_MAX >> 20 {
            if stream.write_all(&chunk).is_err() {
                break;
            }
        }
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    });
    assert!(answer.contains("the request is longer than"), "{answer}");
}

#[test]
fn a_follower_gets_what_comes_until_it_goes() {
    let (gone_in, gone) = std::sync::mpsc::channel();
    let mut streams = Vec::new();
    let got = serving(
        move |call| {
            // The second call only gives the loop something to do after the follower left.
            if streams.is_empty() {
                assert!((0..3).all(|number| call.reply.stream(event(number))));
                streams.push(call.reply);
            } else {
                gone_in.send(!streams[0].stream(event(3))).unwrap();
                call.reply.answer(reloaded("poke"));
            }
        },
        move |socket| {
            let request = Request::Events {
                follow: true,
                limit: 0,
            };
            let mut answers = follow(socket, &request).unwrap();
            let got: Vec<Answer> = answers.by_ref().take(3).map(Result::unwrap).collect();
            drop(answers);
            // The server sees the end of the connection some time after it.
            while {
                ask(socket, &Request::Reload).unwrap();
                !gone.recv().unwrap()
            } {}
            got
        },
    );
    assert_eq!(got, [event(0), event(1), event(2)]);
}

#[test]
fn a_follower_that_reads_too_slowly_is_told_and_let_go() {
    let mut streamed = 0;
    let last = serving(
        move |call| {
            while call.reply.stream(event(streamed)) {
                streamed += 1;
            }
            assert_eq!(streamed, QUEUE_MAX);
        },
        |socket| {
            let request = Request::Events {
                follow: true,
                limit: 0,
            };
            let answers: Vec<_> = follow(socket, &request).unwrap().collect();
            assert_eq!(answers.len(), QUEUE_MAX + 1);
            answers.into_iter().next_back().unwrap()
        },
    );
    let told = refusal(last).error;
    assert!(told.starts_with("too slow: "), "{told}");
}

#[test]
fn idle_connections_cannot_pile_up() {
    let answer = serving(
        |call| call.reply.answer(reloaded("something")),
        |socket| {
            let idle: Vec<UnixStream> = (0..CONNECTIONS_MAX)
                .map(|_| UnixStream::connect(socket).unwrap())
                .collect();
            let refused = ask(socket, &Request::Reload);
            drop(idle);
            // Places are free again as soon as the server has seen the ends of the connections.
            while ask(socket, &Request::Reload).is_err() {}
            refused
        },
    );
    assert!(refusal(answer).error.contains("no more can be"));
}

#[test]
fn a_large_request_is_read_whole() {
    let nets: Vec<ipnet::IpNet> = (0..100_000u32)
        .map(|number| IpAddr::V4(Ipv4Addr::from(0xc633_0000 + number)).into())
        .collect();
    let expected = nets.len();
    let answer = serving(
        move |call| {
            let Request::BanRemove { nets } = call.request else {
                panic!()
            };
            assert_eq!(nets.len(), expected);
            call.reply.answer(reloaded("all of them"));
        },
        move |socket| ask(socket, &Request::BanRemove { nets }),
    );
    assert_eq!(answer.unwrap(), reloaded("all of them"));
}

#[test]
fn nobody_listening_and_no_socket_are_told_apart() {
    let dir = TempDir::new().unwrap();
    let socket = socket_path(dir.path());
    let shown = |socket: &PathBuf| {
        let error = ask(socket, &Request::Status).unwrap_err().to_string();
        error.replace(&dir.path().display().to_string(), "DIR")
    };
    assert_eq!(
        shown(&socket),
        "cannot reach mailwall at DIR/control.sock: no such file"
    );
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert_eq!(
        shown(&socket),
        "cannot reach mailwall at DIR/control.sock: connection refused"
    );
}

#[tokio::test]
async fn the_socket_is_made_with_its_directory_and_taken_away() {
    let dir = TempDir::new().unwrap();
    let run_dir = dir.path().join("run/mailwall");
    let listener = listen(&run_dir, None).unwrap();
    let socket = socket_path(&run_dir).metadata().unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    drop(listener);
    assert!(!socket_path(&run_dir).exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let dir = TempDir::new().unwrap();
    drop(std::os::unix::net::UnixListener::bind(socket_path(dir.path())).unwrap());
    assert!(listen(dir.path(), None).is_ok());
}

#[tokio::test]
async fn a_second_agent_is_refused_with_the_pid_of_the_first() {
    let dir = TempDir::new().unwrap();
    let _first = listen(dir.path(), None).unwrap();
    let second = listen(dir.path(), None).unwrap_err();
    let ours = std::process::id();
    assert_eq!(
        second.to_string(),
        format!("another mailwall is running (pid {ours})")
    );
}

#[tokio::test]
async fn an_agent_without_the_lock_is_seen_by_its_socket() {
    let dir = TempDir::new().unwrap();
    let _old = std::os::unix::net::UnixListener::bind(socket_path(dir.path())).unwrap();
    let error = listen(dir.path(), None).unwrap_err();
    assert!(
        matches!(error, ServeError::AnotherRuns { pid: Some(_) }),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = socket_path(dir.path());
    std::fs::write(&path, "precious").unwrap();
    let error = listen(dir.path(), None).unwrap_err();
    assert!(matches!(error, ServeError::InTheWay { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_named() {
    let dir = TempDir::new().unwrap();
    let error = listen(dir.path(), Some("no-such-group")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "group no-such-group of [control] does not exist"
    );
}
