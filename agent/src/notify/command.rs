//! A program with arguments, never through a shell. The decision is on its standard input as JSON and in its environment; an
//! argument that is a placeholder becomes a whole argument.

use std::process::Stdio;

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{ChildStderr, ChildStdin, Command},
};

use super::{Message, queue::Parcel, webhook::Body};

/// Arguments that are filled in. Names of accounts are not among them, for attackers choose those: one such as `-rf` would be
/// an option. They are in the environment and in the JSON.
pub const PLACEHOLDERS: [&str; 6] = [
    "{topic}",
    "{net}",
    "{address}",
    "{rule}",
    "{for_s}",
    "{ends}",
];
/// Most bytes of what it complains that are kept.
const COMPLAINT_MAX: u64 = 300;

/// Whether `word` is meant to be filled in; only those of [`PLACEHOLDERS`] can be.
pub fn is_placeholder(word: &str) -> bool {
    word.starts_with('{') && word.ends_with('}')
}

/// The program of a command and all it started: dropped before the program has ended, it kills them.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It may be gone already.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

pub(super) async fn run(words: &[String], host: &str, parcel: &Parcel) -> Result<(), String> {
    let left_out = format!("{} more messages, over the limit", parcel.count());
    let fallback = Message::new(String::new(), super::Topic::Notify, left_out);
    let message = parcel.messages.first().unwrap_or(&fallback);
    let json = Body::of(host, parcel).json()?;
    let (program, arguments) = words.split_first().ok_or("it names no program")?;
    let mut command = Command::new(program);
    command
        .args(arguments.iter().map(|word| filled(word, message)))
        .env("MAILWALL_HOST", host)
        .env("MAILWALL_TOPIC", message.topic.as_str())
        .env("MAILWALL_TEXT", &message.text)
        .env("MAILWALL_OFFENCES", message.offences.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for (name, value) in [
        ("MAILWALL_NET", net(message)),
        ("MAILWALL_ADDRESS", address(message)),
        ("MAILWALL_ACCOUNT", message.account.clone()),
        ("MAILWALL_RULE", message.rule.clone()),
        (
            "MAILWALL_FOR_S",
            message.for_s.map(|for_s| for_s.to_string()),
        ),
        ("MAILWALL_ENDS", message.ends.clone()),
    ] {
        // A NUL cannot stand in the environment; escaped text has none.
        command.env(name, value.unwrap_or_default().replace('\0', ""));
    }
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    let mut group = Group(
        child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .map(Pid::from_raw),
    );
    let (input, errors) = (child.stdin.take(), child.stderr.take());
    let ((), complaint) = tokio::join!(feed(input, &json), complaint(errors));
    let status = child
        .wait()
        .await
        .map_err(|error| format!("cannot wait for {program}: {error}"))?;
    group.0 = None;
    match (status.success(), complaint.trim()) {
        (true, _) => Ok(()),
        (false, "") => Err(format!("{program} ended with {status}")),
        (false, complaint) => Err(format!("{program} ended with {status}: {complaint}")),
    }
}

/// Hands the JSON over, as far as the program wants it.
async fn feed(input: Option<ChildStdin>, json: &[u8]) {
    if let Some(mut input) = input {
        // A program need not read it.
        let _ = input.write_all(json).await;
    }
}

/// What it writes to stderr, until it closes that; what is too long is thrown away.
async fn complaint(errors: Option<ChildStderr>) -> String {
    let mut kept = Vec::new();
    if let Some(mut errors) = errors {
        let _ = (&mut errors)
            .take(COMPLAINT_MAX)
            .read_to_end(&mut kept)
            .await;
        let mut rest = [0; 4096];
        while matches!(errors.read(&mut rest).await, Ok(1..)) {}
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn filled(word: &str, message: &Message) -> String {
    let value = match word {
        "{topic}" => Some(message.topic.as_str().to_owned()),
        "{net}" => net(message),
        "{address}" => address(message),
        "{rule}" => message.rule.clone(),
        "{for_s}" => message.for_s.map(|for_s| for_s.to_string()),
        "{ends}" => message.ends.clone(),
        other => Some(other.to_owned()),
    };
    value.unwrap_or_default()
}

fn net(message: &Message) -> Option<String> {
    message.net.map(|net| net.to_string())
}

fn address(message: &Message) -> Option<String> {
    message.net.map(|net| net.addr().to_string())
}
