//! When the host's interfaces or default routes change, as the kernel tells over netlink. What has changed is not told: whoever
//! wants to know looks at what there is now, so that a message that was lost costs nothing.

use std::{io, time::Duration};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
    time::sleep,
};
use tracing::{debug, warn};

/// How long changes are collected before they are told: a change seldom comes alone.
const SETTLE: Duration = Duration::from_millis(100);
/// Bytes of messages that are read at once. Of a longer message the head, which is all that is looked at, is read.
const READ_MAX: usize = 32 << 10;

// Of include/uapi/linux/rtnetlink.h.
const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_ROUTE: u32 = 0x40;
const RTMGRP_IPV6_ROUTE: u32 = 0x400;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;

/// Tells of changes for as long as it is held.
#[derive(Debug)]
pub struct NetworkWatch {
    changes: mpsc::Receiver<()>,
}

impl NetworkWatch {
    /// Waits for the next change; one that came while nobody waited is told at once. False when none will be told any more.
    pub async fn changed(&mut self) -> bool {
        self.changes.recv().await.is_some()
    }
}

/// Watches the interfaces and default routes of the network namespace of the calling thread, in a task of its own.
///
/// # Errors
/// When the kernel gives no such socket.
pub fn watch_network() -> io::Result<NetworkWatch> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.set_non_blocking(true)?;
    let groups = RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
    socket.bind(&SocketAddr::new(0, groups))?;
    // SAFETY: the socket owns its descriptor, tells the same one each time, and lives in the `AsyncFd`.
    let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
    // One change that waits stands for all that came meanwhile.
    let (tell, changes) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = watch(&socket, &tell).await {
            warn!(
                "interfaces and routes are not watched any more, only looked at now and then: {error}"
            );
        }
    });
    Ok(NetworkWatch { changes })
}

async fn watch(socket: &AsyncFd<Socket>, tell: &mpsc::Sender<()>) -> io::Result<()> {
    loop {
        if !read(socket).await? {
            continue;
        }
        sleep(SETTLE).await;
        match tell.try_send(()) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(())) => {}
            Err(mpsc::error::TrySendError::Closed(())) => return Ok(()),
        }
    }
}

/// Reads all that has come; tells whether any of it matters.
async fn read(socket: &AsyncFd<Socket>) -> io::Result<bool> {
    let mut ready = socket.readable().await?;
    let mut matters = false;
    let mut buffer = Vec::with_capacity(READ_MAX);
    loop {
        buffer.clear();
        let received = ready.try_io(|socket| socket.get_ref().recv(&mut buffer, 0));
        match received {
            Ok(Ok(_)) => matters |= is_change(&buffer),
            // More came than the socket could hold, and nobody knows what.
            Ok(Err(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                debug!("changes of interfaces or routes were lost; looks at all of them");
                matters = true;
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => return Ok(matters),
        }
    }
}

/// Whether one of these messages is of an interface or a default route.
fn is_change(mut messages: &[u8]) -> bool {
    // `struct nlmsghdr`: the length of the message, its type, and ten bytes that do not matter.
    while let Some(([l0, l1, l2, l3, t0, t1, ..], payload)) = messages.split_first_chunk::<16>() {
        match u16::from_ne_bytes([*t0, *t1]) {
            RTM_NEWLINK | RTM_DELLINK => return true,
            // `struct rtmsg` has the length of the destination's prefix at its second byte.
            RTM_NEWROUTE | RTM_DELROUTE if payload.get(1) == Some(&0) => return true,
            _ => {}
        }
        let length = u32::from_ne_bytes([*l0, *l1, *l2, *l3]) as usize;
        // No length leads backwards.
        let next = length.next_multiple_of(4).max(16);
        messages = messages.get(next..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn interfaces_and_default_routes_matter_and_other_routes_do_not() {
        assert!(is_change(&message(RTM_NEWLINK, &[])));
        assert!(is_change(&message(RTM_DELLINK, &[])));
        assert!(is_change(&message(RTM_DELROUTE, &[2, 0, 0, 0])));
        assert!(!is_change(&message(RTM_NEWROUTE, &[2, 24, 0, 0])));
        assert!(!is_change(&message(20, &[2, 0, 0, 0])));
        let several = [
            message(RTM_NEWROUTE, &[10, 64, 0, 0, 7]),
            message(RTM_NEWROUTE, &[10, 0]),
        ];
        assert!(is_change(&several.concat()));
    }

    #[test]
    fn a_message_that_is_cut_short_is_read_as_far_as_it_goes() {
        let long = message(RTM_NEWLINK, &[0; 100]);
        assert!(is_change(&long[..40]));
        assert!(!is_change(&long[..15]));
        assert!(!is_change(&[0; 64]));
    }
}
