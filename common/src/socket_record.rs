//! The record of the tracepoint `sock:inet_sock_set_state` (include/trace/events/sock.h), as far as the filter reads it. The
//! kernel does not promise it: the agent compares these with the `format` file of its own kernel before it attaches.

/// A field of the record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordField {
    /// Name in the `format` file.
    pub name: &'static str,
    /// Byte of the record where it begins.
    pub offset: usize,
    /// Its bytes.
    pub size: usize,
}

const fn field(name: &'static str, offset: usize, size: usize) -> RecordField {
    RecordField { name, offset, size }
}

/// State before, as in include/net/tcp_states.h.
pub const OLD_STATE: RecordField = field("oldstate", 16, 4);
/// State after.
pub const NEW_STATE: RecordField = field("newstate", 20, 4);
/// The host's own port, in host byte order.
pub const LOCAL_PORT: RecordField = field("sport", 24, 2);
/// Protocol of the socket, as IANA numbered it, or beyond (MPTCP).
pub const PROTOCOL: RecordField = field("protocol", 30, 2);
/// The peer's address; of an IPv4 socket in its mapped form.
pub const PEER: RecordField = field("daddr_v6", 56, 16);

/// All of them.
pub const RECORD_FIELDS: [RecordField; 5] = [OLD_STATE, NEW_STATE, LOCAL_PORT, PROTOCOL, PEER];

// A program of this kind reads whole words at their natural place.
const _: () = assert!(PEER.offset.is_multiple_of(8));
