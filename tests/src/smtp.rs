//! A client with a source address of its choice, and its SMTP.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket,
            sockopt,
        },
        time::{TimeVal, TimeValLike as _},
    },
};

use crate::{SERVER_V4, SERVER_V6, Stopwatch, Testbed};

/// How long a client waits for an answer to its SYN: it repeats it after one second and after three, so all of three must be
/// dropped.
const CONNECT_WITHIN: Duration = Duration::from_millis(3500);
/// How long a client waits for a reply; Postfix makes those wait who make many errors.
const REPLY_WITHIN: Duration = Duration::from_secs(60);
/// How long a probe waits for its refusal, which takes microseconds.
const PROBE_WITHIN: Duration = Duration::from_millis(250);
/// How long it waits before the next one. In earnest a client has a processor of its own; here it leaves its own to others, or
/// what it waits for waits for it until the scheduler's next tick, 4 ms.
const PROBE_PAUSE: Duration = Duration::from_micros(50);
/// A port that is guarded by default, and that no mail server of the test bed listens on.
const IDLE_PORT: u16 = 465;
/// Unknown recipients in one session of a dictionary attack.
const GUESSES_PER_SESSION: usize = 4;
/// Guesses made so far, by any client.
static GUESSES: AtomicUsize = AtomicUsize::new(0);

/// What became of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The server took it.
    Delivered,
    /// The server refused it with this reply.
    Rejected(String),
    /// No answer to the SYN.
    Dropped,
}

/// What [`Client::probe_until_dropped`] saw.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// From the start of the watch to the sending of the first SYN that was dropped.
    pub dropped_after: Duration,
    /// What the first SYN and its refusal took; `None` when none was answered.
    pub round_trip: Option<Duration>,
}

/// A client.
#[derive(Debug)]
pub struct Client<'a> {
    bed: &'a Testbed,
    address: IpAddr,
}

impl<'a> Client<'a> {
    pub(crate) fn new(bed: &'a Testbed, address: IpAddr) -> Self {
        Self { bed, address }
    }

    /// Its address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Where it is.
    pub fn bed(&self) -> &'a Testbed {
        self.bed
    }

    /// Connects to a port of the mail host; `None` when no SYN was answered.
    ///
    /// # Errors
    /// When the connection is refused or impossible.
    pub fn connect(&self, port: u16) -> Result<Option<TcpStream>> {
        self.connect_within(port, CONNECT_WITHIN)
    }

    /// Connects, and gives up after `within`.
    ///
    /// # Errors
    /// When the connection is refused or impossible.
    pub fn connect_within(&self, port: u16, within: Duration) -> Result<Option<TcpStream>> {
        self.bed.clients().enter(|| {
            connect_from(self.address, SocketAddr::new(self.server(), port), within)
                .with_context(|| format!("connect from {} to port {port}", self.address))
        })
    }

    /// Sends SYN after SYN to a guarded port where nobody listens, so that each is refused at once, until one is not
    /// answered.
    ///
    /// # Errors
    /// When all are answered for as long as `within`.
    pub fn probe_until_dropped(&self, watch: Stopwatch, within: Duration) -> Result<Probe> {
        self.bed.clients().enter(|| {
            let to = SocketAddr::new(self.server(), IDLE_PORT);
            let mut round_trip = None;
            loop {
                let sent = watch.elapsed();
                if let Ok(None) = connect_from(self.address, to, PROBE_WITHIN) {
                    return Ok(Probe {
                        dropped_after: sent,
                        round_trip,
                    });
                }
                round_trip.get_or_insert(watch.elapsed().saturating_sub(sent));
                if sent > within {
                    bail!("{} is still answered after {within:?}", self.address);
                }
                thread::sleep(PROBE_PAUSE);
            }
        })
    }

    /// Begins a session at port 25, as far as the greeting and EHLO; `None` when no SYN was answered.
    ///
    /// # Errors
    /// When the server does not speak SMTP.
    pub fn session(&self) -> Result<Option<Session>> {
        self.session_at(25)
    }

    /// The same at another port.
    ///
    /// # Errors
    /// When the server does not speak SMTP.
    pub fn session_at(&self, port: u16) -> Result<Option<Session>> {
        let Some(stream) = self.connect(port)? else {
            return Ok(None);
        };
        let mut session = Session::new(stream)?;
        session.expect("", 220)?;
        session.expect("EHLO client.test", 250)?;
        Ok(Some(session))
    }

    /// Sends one message to one recipient.
    ///
    /// # Errors
    /// When the session breaks, or the server answers what no mail server should.
    pub fn send(&self, recipient: &str) -> Result<Outcome> {
        let Some(mut session) = self.session()? else {
            return Ok(Outcome::Dropped);
        };
        session.expect("MAIL FROM:<writer@sender.test>", 250)?;
        let reply = session.command(&format!("RCPT TO:<{recipient}>"))?;
        let outcome = if reply.starts_with("250") {
            session.expect("DATA", 354)?;
            let text = format!("To: <{recipient}>\r\nSubject: hello\r\n\r\nhello\r\n.");
            session.expect(&text, 250)?;
            Outcome::Delivered
        } else {
            Outcome::Rejected(reply)
        };
        session.expect("QUIT", 221)?;
        Ok(outcome)
    }

    /// Guesses `count` recipients that do not exist, never the same twice, a few in each session; stops early when a SYN is
    /// not answered. Gives the number of guesses that the server answered.
    ///
    /// # Errors
    /// When the session breaks, or the server takes a guess.
    pub fn guess(&self, count: usize) -> Result<usize> {
        let mut made = 0;
        while made < count {
            let Some(mut session) = self.session()? else {
                break;
            };
            session.expect("MAIL FROM:<harvest@sender.test>", 250)?;
            for _ in 0..GUESSES_PER_SESSION.min(count - made) {
                let number = GUESSES.fetch_add(1, Ordering::Relaxed);
                session.expect(&format!("RCPT TO:<nobody{number}@example.test>"), 550)?;
                made += 1;
            }
            session.expect("QUIT", 221)?;
        }
        Ok(made)
    }

    /// Tries to log in once, in a session of its own; `None` when no SYN was answered, else whether it succeeded.
    ///
    /// # Errors
    /// When the session breaks, or logins are not offered.
    pub fn log_in(&self, account: &str, password: &str) -> Result<Option<bool>> {
        let Some(mut session) = self.session()? else {
            return Ok(None);
        };
        let is_right = session.log_in(account, password)?;
        session.expect("QUIT", 221)?;
        Ok(Some(is_right))
    }

    fn server(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => SERVER_V4,
            IpAddr::V6(_) => SERVER_V6,
        }
    }
}

/// An SMTP session.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<TcpStream>,
}

impl Session {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a command (or nothing, for the greeting) and gives the last line of the reply.
    ///
    /// # Errors
    /// When the connection ends.
    pub fn command(&mut self, line: &str) -> Result<String> {
        if !line.is_empty() {
            self.stream
                .get_mut()
                .write_all(format!("{line}\r\n").as_bytes())?;
        }
        loop {
            let mut reply = String::new();
            let count = self
                .stream
                .read_line(&mut reply)
                .with_context(|| format!("wait for the reply to {line:?}"))?;
            if count == 0 {
                bail!("the server closed the connection after {line:?}");
            }
            if reply.as_bytes().get(3) != Some(&b'-') {
                return Ok(reply.trim_end().to_owned());
            }
        }
    }

    /// Sends a command that must be answered with `code`.
    ///
    /// # Errors
    /// When it is answered otherwise.
    pub fn expect(&mut self, line: &str, code: u16) -> Result<()> {
        let reply = self.command(line)?;
        if !reply.starts_with(&code.to_string()) {
            bail!("{line:?} was answered with {reply:?} instead of {code}");
        }
        Ok(())
    }

    /// Tries to log in; whether it succeeded.
    ///
    /// # Errors
    /// When the session breaks, or logins are not offered.
    pub fn log_in(&mut self, account: &str, password: &str) -> Result<bool> {
        let secret = base64(format!("\0{account}\0{password}").as_bytes());
        let reply = self.command(&format!("AUTH PLAIN {secret}"))?;
        match reply.get(..3) {
            Some("235") => Ok(true),
            Some("535") => Ok(false),
            _ => bail!("AUTH was answered with {reply:?}"),
        }
    }

    /// Sends one message; the replies to its recipients.
    ///
    /// # Errors
    /// When the session breaks, or the message is not taken.
    pub fn send(&mut self, from: &str, recipients: &[String]) -> Result<Vec<String>> {
        self.expect(&format!("MAIL FROM:<{from}>"), 250)?;
        let mut replies = Vec::new();
        for recipient in recipients {
            replies.push(self.command(&format!("RCPT TO:<{recipient}>"))?);
        }
        self.expect("DATA", 354)?;
        self.expect("Subject: hello\r\n\r\nhello\r\n.", 250)?;
        Ok(replies)
    }

    /// Ends it without a word.
    pub fn drop_connection(self) {
        // The server may have closed it before.
        let _closed = self.stream.get_ref().shutdown(Shutdown::Both);
    }
}

fn connect_from(from: IpAddr, to: SocketAddr, within: Duration) -> Result<Option<TcpStream>> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(
        socket.as_raw_fd(),
        &SockaddrStorage::from(SocketAddr::new(from, 0)),
    )
    .with_context(|| format!("bind to {from}"))?;
    // connect() gives up after the send timeout.
    let millis = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    setsockopt(
        &socket,
        sockopt::SendTimeout,
        &TimeVal::milliseconds(millis),
    )?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) => {
            let stream = TcpStream::from(socket);
            stream.set_write_timeout(Some(REPLY_WITHIN))?;
            Ok(Some(stream))
        }
        Err(Errno::EINPROGRESS | Errno::ETIMEDOUT) => Ok(None),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let shown = place <= chunk.len();
            text.push(if shown {
                char::from(ALPHABET[digit as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
