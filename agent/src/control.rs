//! The control socket: how the command line asks the running agent for things. One request a connection, one line each way
//! (`protocol.rs`); only `events --follow` gets more than one line.
//!
//! Whoever is neither root nor in the configured group is refused before a byte of the request is read, whatever the mode
//! of the socket says.

pub mod client;
mod listener;
mod peer;
pub mod protocol;
mod reply;
mod room;
mod server;

use std::path::{Path, PathBuf};

pub use self::{
    client::{ClientError, ask, follow},
    listener::{Listener, ServeError, listen},
    peer::Peer,
    reply::{QUEUE_MAX, Reply},
    room::CONNECTIONS_MAX,
    server::{Call, serve},
};

/// The socket of the agent that keeps its run-time files in `run_dir`.
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("control.sock")
}
