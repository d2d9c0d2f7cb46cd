//! What `mailwall parse --json` says of files.

use std::{fs, net::IpAddr, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use mailwall_tests::agent_binary;
use serde_json::Value;

use crate::command::run_quietly;

/// Most files that one process is given.
const FILES_MAX: usize = 500;

/// The agent's command line.
pub struct Parser {
    binary: PathBuf,
}

/// What one line says.
#[derive(Clone, Debug)]
pub struct Understanding {
    /// `event`, `ignored`, `unknown` or `refused`.
    pub reading: String,
    /// Kind of the event.
    pub event: Option<String>,
    /// Whom it names.
    pub address: Option<IpAddr>,
    /// What it weighs.
    pub score: f64,
    /// The account.
    pub account: Option<String>,
    /// The recipient.
    pub recipient: Option<String>,
    /// How many recipients the message has.
    pub recipients: Option<u64>,
    /// How large it is.
    pub bytes: Option<u64>,
}

impl Parser {
    /// # Errors
    /// When the agent is not built.
    pub fn new() -> Result<Self> {
        Ok(Self {
            binary: agent_binary()?,
        })
    }

    /// What each line of each file says. A file is a log: its lines share their sessions.
    ///
    /// # Errors
    /// When the agent does not say one thing of each line.
    pub fn read(&self, files: &[Vec<u8>]) -> Result<Vec<Vec<Understanding>>> {
        let mut all = Vec::with_capacity(files.len());
        for files in files.chunks(FILES_MAX) {
            all.extend(self.read_some(files)?);
        }
        Ok(all)
    }

    fn read_some(&self, files: &[Vec<u8>]) -> Result<Vec<Vec<Understanding>>> {
        let folder = tempfile::tempdir().context("make a folder for logs")?;
        let mut command = Command::new(&self.binary);
        command.current_dir(folder.path()).args(["parse", "--json"]);
        // With one more, so that the files are always named.
        for (number, log) in files
            .iter()
            .map(Vec::as_slice)
            .chain([&b""[..]])
            .enumerate()
        {
            let name = format!("{number}.log");
            fs::write(folder.path().join(&name), log)?;
            command.arg(name);
        }
        // The zone of stamps that name none.
        let said = run_quietly(command.env("TZ", "UTC"))?;
        let mut all: Vec<Vec<Understanding>> = files.iter().map(|_| Vec::new()).collect();
        for line in said.lines() {
            let value: Value = serde_json::from_str(line).context("read what the agent says")?;
            let number = value["file"]
                .as_str()
                .and_then(|name| name.strip_suffix(".log"));
            let number: usize = number.context("the agent names no file")?.parse()?;
            let of_file = all
                .get_mut(number)
                .context("the agent names another file")?;
            of_file.push(Understanding::of(&value)?);
            ensure!(
                value["line"].as_u64() == Some(of_file.len() as u64),
                "the agent left a line out"
            );
        }
        for (log, of_file) in files.iter().zip(&all) {
            let lines = log.split_inclusive(|&byte| byte == b'\n').count();
            ensure!(lines == of_file.len(), "the agent left a line out");
        }
        Ok(all)
    }
}

impl Understanding {
    fn of(value: &Value) -> Result<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let address = value["address"].as_str();
        Ok(Self {
            reading: text("reading").context("the agent names no reading")?,
            event: text("event"),
            address: address.map(str::parse).transpose()?,
            score: value["score"]
                .as_f64()
                .context("the agent names no score")?,
            account: text("account"),
            recipient: text("recipient"),
            recipients: value["recipients"].as_u64(),
            bytes: value["bytes"].as_u64(),
        })
    }

    /// Whether it is held against the client.
    pub fn weighs(&self) -> bool {
        self.score > 0.0
    }

    /// As a corpus of the project writes it.
    pub fn told(&self) -> String {
        let Some(event) = &self.event else {
            return self.reading.clone();
        };
        let address = self
            .address
            .map_or("-".to_owned(), |address| address.to_string());
        let mut told = match self.score {
            0.0 => format!("{event} {address} 0"),
            score => format!("{event} {address} {score:.1}"),
        };
        if let Some(account) = &self.account {
            told += &format!(" account={account}");
        }
        if let Some(recipient) = &self.recipient {
            told += &format!(" recipient={recipient}");
        }
        if let Some(recipients) = self.recipients {
            told += &format!(" recipients={recipients}");
        }
        if let Some(bytes) = self.bytes {
            told += &format!(" bytes={bytes}");
        }
        told
    }
}
