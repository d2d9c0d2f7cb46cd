//! Requests to the kernel by netlink: how they are framed, and when an answer is whole (include/uapi/linux/netlink.h). Each goes over
//! a socket of its own, in the network namespace of the calling thread.

use std::io;

use netlink_sys::{Socket, SocketAddr};

/// A request.
const NLM_F_REQUEST: u16 = 0x01;
/// The kernel is to say so when it has done it.
pub(crate) const NLM_F_ACK: u16 = 0x04;
/// It is to tell all of a list.
pub(crate) const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;

/// Whether a list is what there was at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    Whole,
    /// Something came or went meanwhile.
    Torn,
}

/// A request of that kind. `flags` must hold [`NLM_F_DUMP`] or [`NLM_F_ACK`], so that there is an end to the answer.
pub(crate) fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = (HEADER + body.len()) as u32;
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    // Sequence number and port are for those who ask several things at once.
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// Sends a request, and hands each message that comes back to `take`, without its header, until the kernel says that this was all.
///
/// # Errors
/// When the kernel does not know the request, or refuses.
pub(crate) fn exchange(
    protocol: isize,
    request: &[u8],
    mut take: impl FnMut(&[u8]),
) -> io::Result<Told> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(request, 0)?;
    let mut told = Told::Whole;
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        if datagram.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for message in messages(&datagram) {
            if message.flags & NLM_F_DUMP_INTR != 0 {
                told = Told::Torn;
            }
            match message.kind {
                NLMSG_DONE => return Ok(told),
                NLMSG_ERROR => return result(message.payload).map(|()| told),
                _ => take(message.payload),
            }
        }
    }
}

/// What an error says; an acknowledgement is an error of number 0.
fn result(error: &[u8]) -> io::Result<()> {
    match error.first_chunk().copied().map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(number) => Err(io::Error::from_raw_os_error(number.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Message<'d> {
    kind: u16,
    flags: u16,
    payload: &'d [u8],
}

/// The messages of a datagram. What is cut off is left out.
fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        let half = |at: usize| Some(u16::from_ne_bytes(*rest.get(at..)?.first_chunk()?));
        let (kind, flags) = (half(4)?, half(6)?);
        let payload = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind,
            flags,
            payload,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_is_written() {
        let written = request(7, NLM_F_DUMP, &[1, 2, 3]);
        let message = Message {
            kind: 7,
            flags: NLM_F_REQUEST | NLM_F_DUMP,
            payload: &[1, 2, 3],
        };
        assert_eq!(messages(&written).collect::<Vec<_>>(), [message]);
    }

    #[test]
    fn what_is_cut_off_is_no_message() {
        let whole = request(7, 0, &[1, 2, 3, 4]);
        let datagram = [&whole[..], &whole[..18]].concat();
        let found: Vec<&[u8]> = messages(&datagram).map(|found| found.payload).collect();
        assert_eq!(found, [[1, 2, 3, 4]]);
        assert_eq!(messages(&[]).count(), 0);
        assert_eq!(messages(&[0; 64]).count(), 0);
    }

    #[test]
    fn an_error_is_that_of_the_system() {
        assert!(result(&0_i32.to_ne_bytes()).is_ok());
        let refused = result(&(-libc::EPERM).to_ne_bytes()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(result(&[]).is_err());
    }
}
