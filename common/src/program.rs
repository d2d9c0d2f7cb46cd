//! The programs in the object.

/// Names of the programs, which share maps and, but for the last, policy.
pub mod program_name {
    /// For XDP, frames in one buffer.
    pub const XDP: &str = "mailwall";
    /// For XDP, frames in one or several buffers.
    pub const XDP_FRAGS: &str = "mailwall_frags";
    /// For `tc`, on interfaces of Ethernet frames.
    pub const TC: &str = "mailwall_tc";
    /// For `tc`, on interfaces of bare IP packets.
    pub const TC_IP: &str = "mailwall_tc_ip";
    /// For the tracepoint `sock:inet_sock_set_state`.
    pub const CONNECTIONS: &str = "mailwall_connections";
}
