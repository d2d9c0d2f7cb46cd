//! Asks the agent. Blocking: the command line has nothing else to do.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::protocol::{Answer, Refused, Request};

/// An agent that has not answered by then does not.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Most bytes of an answer: room for a list of every ban the kernel can hold.
const ANSWER_MAX: u64 = 2 << 30;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("cannot reach mailwall at {}: {}", socket.display(), reason(.source))]
    NotRunning {
        /// Path of the socket.
        socket: PathBuf,
        /// What connecting gave.
        #[source]
        source: io::Error,
    },
    /// The file system does not let us.
    #[error("not permitted to use {}", socket.display())]
    NotPermitted {
        /// Path of the socket.
        socket: PathBuf,
    },
    /// The agent refused.
    #[error("{}", .0.error)]
    Refused(Refused),
    /// It takes too long.
    #[error("mailwall did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Silent,
    /// The connection broke.
    #[error("the connection to mailwall broke: {}", reason(.0))]
    Broken(#[source] io::Error),
    /// The agent went away without an answer.
    #[error("mailwall ended the connection")]
    Ended,
    /// An answer of another version.
    #[error("mailwall's answer is not understood: {0}")]
    Garbled(#[source] serde_json::Error),
}

/// Asks, and waits for the one answer; a refusal is an error.
///
/// # Errors
///
/// When there is no answer, or the answer is a refusal.
pub fn ask(socket: &Path, request: &Request) -> Result<Answer, ClientError> {
    let stream = call(socket, request)?;
    stream
        .set_read_timeout(Some(ANSWER_TIMEOUT))
        .map_err(ClientError::Broken)?;
    Answers::over(stream)
        .next()
        .unwrap_or(Err(ClientError::Ended))
}

/// Asks, and goes on reading answers until the agent ends the connection.
///
/// # Errors
///
/// When the agent cannot be reached.
pub fn follow(socket: &Path, request: &Request) -> Result<Answers, ClientError> {
    Ok(Answers::over(call(socket, request)?))
}

/// The answers to one request, as they come.
#[derive(Debug)]
pub struct Answers {
    reader: BufReader<UnixStream>,
    line: Vec<u8>,
}

impl Answers {
    fn over(stream: UnixStream) -> Self {
        Self {
            reader: BufReader::new(stream),
            line: Vec::new(),
        }
    }

    fn read(&mut self) -> Result<Option<Answer>, ClientError> {
        self.line.clear();
        let mut bounded = (&mut self.reader).take(ANSWER_MAX);
        match bounded.read_until(b'\n', &mut self.line) {
            Ok(0) => return Ok(None),
            Ok(_) if !self.line.ends_with(b"\n") => return Err(ClientError::Ended),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(ClientError::Silent);
            }
            Err(error) => return Err(ClientError::Broken(error)),
        }
        match serde_json::from_slice(&self.line) {
            Ok(Answer::Refused(refused)) => Err(ClientError::Refused(refused)),
            Ok(answer) => Ok(Some(answer)),
            Err(error) => Err(ClientError::Garbled(error)),
        }
    }
}

impl Iterator for Answers {
    type Item = Result<Answer, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

fn call(socket: &Path, request: &Request) -> Result<UnixStream, ClientError> {
    let mut stream = UnixStream::connect(socket).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => ClientError::NotPermitted {
            socket: socket.to_owned(),
        },
        _ => ClientError::NotRunning {
            socket: socket.to_owned(),
            source,
        },
    })?;
    let mut line =
        serde_json::to_vec(request).expect("requests have string keys and nothing that can fail");
    line.push(b'\n');
    match stream.write_all(&line) {
        // Whoever is refused before the request is read finds the reason in the answer.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            Ok(stream)
        }
        Err(error) => Err(ClientError::Broken(error)),
        Ok(()) => Ok(stream),
    }
}

/// The usual reasons in the words of the shell, without the number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}
