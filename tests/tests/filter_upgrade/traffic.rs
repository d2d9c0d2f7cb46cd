//! SYNs on a cable, each with a number, while something is done to the filter at its end: who came through is told in the end.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread::{self, Scope, ScopedJoinHandle},
    time::Duration,
};

use mailwall_tests::{
    eventually,
    packet::{Frame, SYN},
};
use nix::{
    errno::Errno,
    libc,
    net::if_::if_nametoindex,
    sys::{
        socket::{MsgFlags, recv, send, setsockopt, sockopt::ReceiveTimeout},
        time::TimeVal,
    },
};

/// How long a frame may be under way; then it is lost.
const LOST_AFTER: TimeVal = TimeVal::new(10, 0);
/// How long some rounds may take.
const WITHIN: Duration = Duration::from_secs(120);
/// Rounds between two steps of a test.
const SOME: u64 = 20;

const ETH_P_ALL: u16 = 3;
const ETHERNET_LEN: usize = 14;

/// The sources, in the order in which each sends a SYN in every round. The last one must be clean: when its SYN is there, all
/// before it are judged.
#[derive(Clone, Debug)]
pub struct Sources {
    pub banned: Vec<IpAddr>,
    pub clean: Vec<IpAddr>,
}

/// What came of all SYNs.
#[derive(Debug, Default)]
pub struct Tally {
    pub rounds: u64,
    pub clean_lost: u64,
    pub clean_doubled: u64,
    pub banned_let_in: u64,
}

/// SYNs under way, until [`Traffic::stop`].
pub struct Traffic<'scope> {
    shared: &'scope Shared,
    thread: ScopedJoinHandle<'scope, Tally>,
}

#[derive(Debug, Default)]
pub struct Shared {
    rounds: AtomicU64,
    stop: AtomicBool,
}

impl<'scope> Traffic<'scope> {
    /// Sends into `wire`, and looks at what comes out of the filter on `guarded`, in the calling thread's network.
    pub fn start(
        scope: &'scope Scope<'scope, '_>,
        shared: &'scope Shared,
        wire: &str,
        guarded: &str,
        sources: Sources,
    ) -> Self {
        let (wire, guarded) = (open(wire, 0), open(guarded, ETH_P_ALL));
        setsockopt(&guarded, ReceiveTimeout, &LOST_AFTER).unwrap();
        let thread = scope.spawn(move || run(&wire, &guarded, &sources, shared));
        Self { shared, thread }
    }

    /// Lets some rounds go by.
    pub fn flow(&self) {
        let enough = self.rounds() + SOME;
        eventually("SYNs are sent", WITHIN, || {
            assert!(!self.thread.is_finished(), "the traffic stopped");
            Ok((self.rounds() >= enough).then_some(()))
        })
        .unwrap();
    }

    /// Rounds that are over.
    pub fn rounds(&self) -> u64 {
        self.shared.rounds.load(Ordering::Acquire)
    }

    /// Ends it.
    pub fn stop(self) -> Tally {
        self.shared.stop.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}

fn run(wire: &OwnedFd, guarded: &OwnedFd, sources: &Sources, shared: &Shared) -> Tally {
    let mut tally = Tally::default();
    let mut number = 0;
    let mut of_banned = BTreeSet::new();
    while !shared.stop.load(Ordering::Acquire) {
        let mut awaited = BTreeSet::new();
        let mut arrived = BTreeSet::new();
        for source in &sources.banned {
            number += 1;
            of_banned.insert(number);
            put(wire, *source, number);
        }
        for source in &sources.clean {
            number += 1;
            awaited.insert(number);
            put(wire, *source, number);
        }
        while arrived.len() < awaited.len() {
            let Some(got) = next(guarded) else { break };
            if of_banned.contains(&got) {
                tally.banned_let_in += 1;
            } else if !awaited.contains(&got) || !arrived.insert(got) {
                tally.clean_doubled += 1;
            }
        }
        tally.clean_lost += (awaited.len() - arrived.len()) as u64;
        tally.rounds = shared.rounds.fetch_add(1, Ordering::AcqRel) + 1;
    }
    tally
}

/// Sends a SYN to port 25 that bears the number.
fn put(wire: &OwnedFd, source: IpAddr, number: u32) {
    let mut frame = Frame::new().ip(source).tcp(25, SYN).bytes().to_vec();
    let at = sequence_at(&frame).unwrap();
    frame[at..at + 4].copy_from_slice(&number.to_be_bytes());
    let sent = send(wire.as_raw_fd(), &frame, MsgFlags::empty()).unwrap();
    assert_eq!(sent, frame.len());
}

/// The number of the next SYN that came through; nothing when none comes.
fn next(guarded: &OwnedFd) -> Option<u32> {
    let mut buffer = [0; 2048];
    loop {
        let len = match recv(guarded.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(len) => len,
            Err(Errno::EAGAIN) => return None,
            Err(Errno::EINTR) => continue,
            Err(error) => panic!("cannot receive: {error}"),
        };
        let frame = &buffer[..len];
        // The hosts' own frames (IPv6 looks for routers) have other addresses.
        if !frame.starts_with(&Frame::new().bytes()[..12]) {
            continue;
        }
        let number = sequence_at(frame).and_then(|at| frame.get(at..at + 4)?.try_into().ok());
        return Some(u32::from_be_bytes(number.unwrap()));
    }
}

/// Where the sequence number is in the frames of [`put`].
fn sequence_at(frame: &[u8]) -> Option<usize> {
    let ip_len = match frame.get(12..ETHERNET_LEN)? {
        [0x08, 0x00] => 20,
        _ => 40,
    };
    Some(ETHERNET_LEN + ip_len + 4)
}

/// A socket on an interface, which receives the frames of a protocol; of none if that is 0.
fn open(interface: &str, protocol: u16) -> OwnedFd {
    let index = if_nametoindex(interface).unwrap();
    // SAFETY: the call takes and returns numbers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    let fd = Errno::result(fd).unwrap();
    // SAFETY: the kernel made this descriptor in the call above; nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: zeroes are a `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = index as i32;
    // SAFETY: the address is a `sockaddr_ll` of that length, and lives until the call returns.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of_val(&address) as u32,
        )
    };
    Errno::result(bound).unwrap();
    socket
}

/// Stops the traffic when a test fails, so that its thread ends.
pub struct StopOnPanic<'a>(pub &'a Shared);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop.store(true, Ordering::Release);
        }
    }
}
