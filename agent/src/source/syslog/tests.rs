//! What is sent, and what comes out.

use std::{
    fs,
    io::Write as _,
    net::UdpSocket,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixDatagram, UnixStream},
    },
    path::PathBuf,
    time::Duration,
};

use proptest::prelude::*;
use tokio::{
    sync::mpsc::{Receiver, channel},
    time::timeout,
};

use super::*;
use crate::source::{Notice, SourceId};

const DEADLINE: Duration = Duration::from_secs(20);

fn start(listen: Listen) -> Receiver<Notice> {
    let (out, notices) = channel(16);
    tokio::spawn(async move { follow(&listen, Outlet::new(SourceId(0), out)).await });
    notices
}

fn unix(path: PathBuf, is_stream: bool) -> Listen {
    let group = None;
    Listen::Unix {
        path,
        is_stream,
        group,
    }
}

async fn state(notices: &mut Receiver<Notice>) -> SourceState {
    match timeout(DEADLINE, notices.recv()).await.unwrap().unwrap() {
        Notice::State { state, .. } => state,
        batch @ Notice::Batch { .. } => panic!("{batch:?}"),
    }
}

/// The next `count` lines, joined by `|`.
async fn lines(notices: &mut Receiver<Notice>, count: usize) -> String {
    let mut all = Vec::new();
    while all.len() < count {
        match timeout(DEADLINE, notices.recv()).await.unwrap().unwrap() {
            Notice::Batch { lines, .. } => {
                all.extend(
                    lines
                        .iter()
                        .map(|line| String::from_utf8_lossy(line).into_owned()),
                );
            }
            state @ Notice::State { .. } => panic!("{state:?}"),
        }
    }
    all.join("|")
}

#[tokio::test]
async fn a_datagram_is_a_line_and_only_its_owner_may_send_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/log.sock");
    let mut notices = start(unix(path.clone(), false));
    assert_eq!(state(&mut notices).await, SourceState::Following);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let sender = UnixDatagram::unbound().unwrap();
    for text in ["a\n", "b\nc\0", "d"] {
        sender.send_to(text.as_bytes(), &path).unwrap();
    }
    assert_eq!(lines(&mut notices, 3).await, "a|b\nc|d");
    sender.send_to(&vec![b'x'; 20_000], &path).unwrap();
    assert_eq!(lines(&mut notices, 1).await.len(), LINE_MAX);
}

#[tokio::test]
async fn a_path_that_is_taken_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    let taken = dir.path().join("taken");
    let _other = UnixDatagram::bind(&taken).unwrap();
    for path in [file, taken] {
        let mut notices = start(unix(path, false));
        assert!(matches!(state(&mut notices).await, SourceState::Failed(_)));
    }
    let stale = dir.path().join("stale");
    drop(UnixDatagram::bind(&stale).unwrap());
    let mut notices = start(unix(stale, false));
    assert_eq!(state(&mut notices).await, SourceState::Following);
}

#[tokio::test]
async fn connections_are_read_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.sock");
    let mut notices = start(unix(path.clone(), true));
    assert_eq!(state(&mut notices).await, SourceState::Following);
    let mut one = UnixStream::connect(&path).unwrap();
    let mut other = UnixStream::connect(&path).unwrap();
    one.write_all(b"<22>a\nhal").unwrap();
    assert_eq!(lines(&mut notices, 1).await, "<22>a");
    other.write_all(b"5 <1>\nx3 abc").unwrap();
    assert_eq!(lines(&mut notices, 2).await, "<1> x|abc");
    one.write_all(b"f\n").unwrap();
    assert_eq!(lines(&mut notices, 1).await, "half");
}

#[tokio::test]
async fn what_the_kernel_drops_is_counted() {
    let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = probe.local_addr().unwrap();
    drop(probe);
    let mut notices = start(Listen::Udp(address));
    assert_eq!(state(&mut notices).await, SourceState::Following);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Nobody reads while this thread sends: the queue overflows, however long it is.
    const SENT: u64 = 60_000;
    for _ in 0..SENT {
        sender
            .send_to(b"<22>Nov 21 17:26:38 mx postfix/smtpd[1]: hi", address)
            .unwrap();
    }
    let (mut got, mut dropped) = (0, 0);
    while got + dropped < SENT {
        // The counter comes with the next datagram.
        sender.send_to(b"", address).unwrap();
        let notice = timeout(DEADLINE, notices.recv()).await.unwrap().unwrap();
        let Notice::Batch { lines, lost, .. } = notice else {
            panic!("{notice:?}");
        };
        got += lines.iter().filter(|line| !line.is_empty()).count() as u64;
        dropped += lost;
    }
    assert!(dropped > 0);
}

proptest! {
    #[test]
    fn pieces_make_the_same_lines(
        text in "([0-9]{1,2} )?[a-c0-9 \n]{0,60}",
        piece in 1usize..9,
    ) {
        let all = |pieces: Vec<&[u8]>| {
            let mut framing = stream::Framing::default();
            let mut lines = Vec::new();
            for mut rest in pieces {
                while !rest.is_empty() {
                    let taken = framing.take(rest);
                    assert!(taken.bytes > 0);
                    rest = &rest[taken.bytes..];
                    lines.extend(taken.lines.iter().map(<[u8]>::to_vec));
                }
            }
            lines
        };
        prop_assert_eq!(all(vec![text.as_bytes()]), all(text.as_bytes().chunks(piece).collect()));
    }
}
