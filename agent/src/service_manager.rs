//! What the service manager is told (sd_notify(3)): that the agent is ready, how it goes, and that it is alive.
//!
//! Without `NOTIFY_SOCKET` nobody is told anything. A manager that does not listen is no reason to fail: nothing here waits,
//! and what cannot be sent is left out.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{ffi::OsStrExt as _, net::SocketAddr, net::UnixDatagram},
    },
    path::Path,
    time::Duration,
};

use tracing::{debug, warn};

use crate::line;

/// Most characters of the status line.
const STATUS_MAX: usize = 400;
/// Shorter watchdog intervals cannot be kept under load, and are met as well as can be.
const BEAT_MIN: Duration = Duration::from_millis(50);

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    beat: Option<Duration>,
    status: String,
}

impl ServiceManager {
    /// The one that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`).
    pub fn from_environment() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        let socket = connect(name.as_bytes())
            .inspect_err(|err| {
                warn!("cannot tell the service manager anything at {name:?}: {err}");
            })
            .ok();
        Self {
            socket,
            beat: beat(
                env::var("WATCHDOG_USEC").ok().as_deref(),
                env::var("WATCHDOG_PID").ok().as_deref(),
                std::process::id(),
            ),
            status: String::new(),
        }
    }

    /// How often [`ServiceManager::beat`] is expected; `None` where no watchdog runs.
    pub fn beat_every(&self) -> Option<Duration> {
        self.socket.as_ref().and(self.beat)
    }

    /// Whether anybody is told.
    pub fn listens(&self) -> bool {
        self.socket.is_some()
    }

    /// The agent does its work, also again after [`ServiceManager::reloading`].
    pub fn ready(&mut self, status: &str) {
        self.status = status_line(status);
        self.send(&format!("READY=1\nSTATUS={}", self.status));
    }

    /// How it goes, in one line; told only when that is news.
    pub fn status(&mut self, status: &str) {
        let status = status_line(status);
        if status != self.status {
            self.send(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    /// The configuration is read again; `now` is the time of `CLOCK_MONOTONIC`.
    pub fn reloading(&self, now: Duration) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
    }

    /// The agent ends.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The agent's loop turns.
    pub fn beat(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, state: &str) {
        let Some(socket) = &self.socket else {
            return;
        };
        if let Err(err) = socket.send(state.as_bytes()) {
            debug!("the service manager was not told {state:?}: {err}");
        }
    }
}

/// The socket is a path, or, behind an `@`, an abstract name.
fn connect(name: &[u8]) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(Path::new(std::ffi::OsStr::from_bytes(name)))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// Half of the watchdog's interval, as sd_watchdog_enabled(3) asks for; `None` where the watchdog is not meant for the process `me`.
fn beat(interval_us: Option<&str>, pid: Option<&str>, me: u32) -> Option<Duration> {
    let interval = Duration::from_micros(interval_us?.parse().ok()?);
    let is_meant = pid.is_none_or(|pid| pid.parse() == Ok(me));
    (is_meant && !interval.is_zero()).then(|| (interval / 2).max(BEAT_MIN))
}

/// One line whatever is in it: a line feed would be another statement.
fn status_line(status: &str) -> String {
    line::escaped(status.as_bytes(), STATUS_MAX)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixDatagram, time::Duration};

    use super::{ServiceManager, beat, connect};

    fn manager(name: &str) -> (UnixDatagram, ServiceManager, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let manager = ServiceManager {
            socket: Some(connect(path.as_os_str().as_encoded_bytes()).unwrap()),
            beat: None,
            status: String::new(),
        };
        (listener, manager, dir)
    }

    fn received(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_status_is_one_line_and_told_once() {
        let (listener, mut manager, _dir) = manager("notify");
        manager.ready("well");
        manager.status("well");
        manager.status("ill\nREADY=0");
        manager.reloading(Duration::from_millis(1500));
        manager.stopping();
        assert_eq!(received(&listener), "READY=1\nSTATUS=well");
        assert_eq!(received(&listener), "STATUS=ill\\x0aREADY=0");
        assert_eq!(received(&listener), "RELOADING=1\nMONOTONIC_USEC=1500000");
        assert_eq!(received(&listener), "STOPPING=1");
        assert!(listener.recv(&mut [0; 1]).is_err(), "nothing more");
    }

    #[test]
    fn nobody_listening_is_no_failure() {
        let (listener, mut manager, dir) = manager("notify");
        drop(listener);
        drop(dir);
        manager.ready("well");
        ServiceManager::default().stopping();
    }

    #[test]
    fn the_beat_is_half_the_interval_and_only_for_us() {
        assert_eq!(
            beat(Some("30000000"), None, 7),
            Some(Duration::from_secs(15))
        );
        assert_eq!(
            beat(Some("30000000"), Some("7"), 7),
            Some(Duration::from_secs(15))
        );
        assert_eq!(beat(Some("30000000"), Some("8"), 7), None);
        assert_eq!(beat(Some("30000000"), Some("x"), 7), None);
        assert_eq!(beat(Some("0"), None, 7), None);
        assert_eq!(beat(Some("soon"), None, 7), None);
        assert_eq!(beat(None, None, 7), None);
    }
}
