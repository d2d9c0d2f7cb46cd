//! An agent that answers as a test wants it to, and the command line that asks it.

use std::{
    fmt,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use mailwall::control::{
    protocol::{Answer, Request},
    socket_path,
};
use tempfile::TempDir;

/// An agent in a directory of its own, until the end of the test process.
pub struct Agent {
    dir: TempDir,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Agent {
    /// Answers each request with the lines that `answer` gives.
    pub fn new(answer: impl Fn(&Request) -> Vec<Answer> + Send + 'static) -> Self {
        let dir = TempDir::new().unwrap();
        let listener = UnixListener::bind(socket_path(dir.path())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &answer, &asked);
            }
        });
        Self { dir, requests }
    }

    /// Answers everything with `answer`.
    pub fn saying(answer: Answer) -> Self {
        Self::new(move |_| vec![answer.clone()])
    }

    /// Runs the command line with these words.
    pub fn run(&self, words: &[&str]) -> Outcome {
        mailwall(self.dir.path(), words, b"")
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Where its socket is.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

fn serve(
    mut stream: UnixStream,
    answer: &impl Fn(&Request) -> Vec<Answer>,
    requests: &Mutex<Vec<Request>>,
) {
    let mut line = String::new();
    BufReader::new(stream.try_clone().unwrap())
        .read_line(&mut line)
        .unwrap();
    let request: Request = serde_json::from_str(&line).unwrap();
    let answers = answer(&request);
    requests.lock().unwrap().push(request);
    for answer in answers {
        let mut line = serde_json::to_vec(&answer).unwrap();
        line.push(b'\n');
        // A caller that has had enough is part of some tests.
        let _ = stream.write_all(&line);
    }
}

/// How a command line ended.
pub struct Outcome {
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
    /// Its exit code.
    pub code: i32,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}[{}]", self.stdout, self.stderr, self.code)
    }
}

/// The binary, with nothing of the environment of the tests but UTC.
pub fn command(run_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailwall"));
    command
        .env_clear()
        .env("TZ", "UTC")
        .env("MAILWALL_RUN_DIR", run_dir)
        .current_dir(run_dir);
    command
}

/// Runs the command line with these words and this on stdin.
pub fn mailwall(run_dir: &Path, words: &[&str], stdin: &[u8]) -> Outcome {
    let mut child = command(run_dir)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // A command that reads no stdin may be gone already.
    let _ = input.write_all(stdin);
    drop(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace(run_dir.to_str().unwrap(), "DIR")
    };
    Outcome {
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        code: output.status.code().unwrap(),
    }
}
