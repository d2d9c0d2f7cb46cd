//! The agent on the mail host, and its command line.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{Testbed, deadline::eventually, place::agent_binary};

/// How long the agent may take to answer, or to end.
const WITHIN: Duration = Duration::from_secs(60);

/// What an agent is started with: the files of one agent of a test bed.
#[derive(Debug)]
pub struct Setup<'a> {
    bed: &'a Testbed,
    binary: PathBuf,
    config: PathBuf,
    state_dir: PathBuf,
    run_dir: PathBuf,
    output: PathBuf,
    tracing: bool,
    user: Option<String>,
    programs: Option<PathBuf>,
    input: Option<PathBuf>,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
}

/// A running agent. Dropping it kills it.
#[derive(Debug)]
pub struct Agent<'a> {
    setup: Setup<'a>,
    process: Process,
}

/// The process of an agent, which does not outlive its handle.
#[derive(Debug)]
struct Process(Child);

/// What a command of the command line answered.
#[derive(Debug)]
pub struct Answer {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl<'a> Setup<'a> {
    /// An agent with that configuration.
    ///
    /// # Errors
    /// When the agent is not built, or the configuration cannot be written.
    pub fn new(bed: &'a Testbed, config: &str) -> Result<Self> {
        let setup = Self {
            bed,
            binary: agent_binary()?,
            config: bed.dir().join("mailwall.toml"),
            state_dir: bed.dir().join("state"),
            run_dir: bed.dir().join("run"),
            output: bed.dir().join("agent.log"),
            tracing: false,
            user: None,
            programs: None,
            input: None,
            environment: Vec::new(),
            wrapper: Vec::new(),
        };
        setup.write_config(config)?;
        Ok(setup)
    }

    /// The same with another build of the agent.
    pub fn using(self, binary: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            ..self
        }
    }

    /// The same with `--trace-packets`.
    pub fn tracing_packets(self) -> Self {
        Self {
            tracing: true,
            ..self
        }
    }

    /// The same, which becomes that user after its start.
    pub fn running_as(self, user: &str) -> Self {
        Self {
            user: Some(user.to_owned()),
            ..self
        }
    }

    /// The same, which finds the programs that it runs in `folder` first.
    pub fn with_programs(self, folder: &Path) -> Self {
        Self {
            programs: Some(folder.to_owned()),
            ..self
        }
    }

    /// The same, which has this file as its standard input.
    pub fn reading(self, input: &Path) -> Self {
        Self {
            input: Some(input.to_owned()),
            ..self
        }
    }

    /// The same, which has this in its environment.
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, which is started by these words, such as `prlimit --data=N`; what they start must become the agent.
    pub fn started_by(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The folder of the database.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The file that the agent's stdout and stderr go to.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.state_dir.join("mailwall.db")
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join("control.sock")
    }

    /// The configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Writes another configuration.
    ///
    /// # Errors
    /// When that fails.
    pub fn write_config(&self, config: &str) -> Result<()> {
        fs::write(&self.config, config).context("write the agent's configuration")
    }

    /// `mailwall` with these words, for this agent.
    pub fn command(&self, words: &[&str]) -> Command {
        self.prepare(Command::new(&self.binary), words)
    }

    fn prepare(&self, mut command: Command, words: &[&str]) -> Command {
        command
            .arg("--config")
            .arg(&self.config)
            .arg("--state-dir")
            .arg(&self.state_dir)
            .arg("--run-dir")
            .arg(&self.run_dir)
            .arg("--bpffs-dir")
            .arg(self.bed.bpffs().join("mailwall"))
            .args(words)
            .env_remove("SSH_CONNECTION")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        if let Some(folder) = &self.programs {
            let others = std::env::var_os("PATH").unwrap_or_default();
            let folders = [folder.clone()].into_iter();
            let folders = folders.chain(std::env::split_paths(&others));
            if let Ok(path) = std::env::join_paths(folders) {
                command.env("PATH", path);
            }
        }
        command
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn cli(&self, words: &[&str]) -> Result<Answer> {
        self.run(&mut self.command(words))
    }

    /// Runs a prepared command on the mail host to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, command: &mut Command) -> Result<Answer> {
        let output = self.bed.server().output(command)?;
        Ok(Answer {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it with `--json`, and reads what it prints.
    ///
    /// # Errors
    /// When it fails, or prints anything but one JSON object.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        let answer = self.cli(&[words, &["--json"]].concat())?;
        let words = words.join(" ");
        ensure!(
            answer.code == Some(0),
            "mailwall {words} ended with {:?}: {}",
            answer.code,
            answer.stderr.trim()
        );
        serde_json::from_str(&answer.stdout)
            .with_context(|| format!("read what mailwall {words} --json printed"))
    }

    /// Starts the agent, and waits until it answers.
    ///
    /// # Errors
    /// When it does not; the error holds what it said.
    pub fn start(self) -> Result<Agent<'a>> {
        let mut agent = self.launch()?;
        agent.wait_until_up()?;
        Ok(agent)
    }

    /// Starts the agent, and does not wait.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(self) -> Result<Agent<'a>> {
        let process = Process(self.spawn()?);
        Ok(Agent {
            setup: self,
            process,
        })
    }

    /// What the agent has said so far, in all its runs.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    fn spawn(&self) -> Result<Child> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(&self.output)?;
        let mut words = vec!["run"];
        if self.tracing {
            words.push("--trace-packets");
        }
        if let Some(user) = &self.user {
            words.extend(["--user", user]);
        }
        let mut command = match self.wrapper.split_first() {
            None => self.command(&words),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                self.prepare(command, &words)
            }
        };
        if let Some(input) = &self.input {
            command.stdin(File::open(input)?);
        }
        self.bed
            .server()
            .spawn(command.stdout(output.try_clone()?).stderr(output))
    }
}

impl<'a> Agent<'a> {
    /// What it was started with, and the way to its command line.
    pub fn setup(&self) -> &Setup<'a> {
        &self.setup
    }

    /// [`Setup::cli`]
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn cli(&self, words: &[&str]) -> Result<Answer> {
        self.setup.cli(words)
    }

    /// [`Setup::json`]
    ///
    /// # Errors
    /// When it fails.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        self.setup.json(words)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        ensure!(self.process.0.try_wait()?.is_none(), "the agent has ended");
        let pid = i32::try_from(self.process.0.id()).context("a process id is an i32")?;
        kill(Pid::from_raw(pid), signal).context("signal the agent")
    }

    /// Kills it without a chance to do anything, and gives back what it was started with.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn kill(mut self) -> Result<Setup<'a>> {
        self.signal(Signal::SIGKILL)?;
        self.end()?;
        Ok(self.setup)
    }

    /// Asks it to end as an init system does, and waits for that.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(mut self) -> Result<(ExitStatus, Setup<'a>)> {
        self.signal(Signal::SIGTERM)?;
        let status = self.end()?;
        Ok((status, self.setup))
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// When it does not end well, or does not come up again.
    pub fn restart(self) -> Result<Self> {
        let (status, setup) = self.stop()?;
        ensure!(status.success(), "the agent ended with {status}");
        setup.start()
    }

    /// Looks at what a command prints as JSON until `look` finds something in it.
    ///
    /// # Errors
    /// When the deadline is over; the error holds what the agent said.
    pub fn until<T>(
        &self,
        what: &str,
        words: &[&str],
        look: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        let mut last = String::new();
        eventually(what, WITHIN, || match self.json(words) {
            Ok(value) => {
                last = value.to_string();
                Ok(look(&value))
            }
            Err(error) => {
                last = format!("{error:#}");
                Ok(None)
            }
        })
        .with_context(|| format!("last seen: {last}\nthe agent said:\n{}", self.setup.said()))
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it does not; the error holds what it said.
    pub fn wait_until_up(&mut self) -> Result<()> {
        let (setup, process) = (&self.setup, &mut self.process.0);
        eventually("start of the agent", WITHIN, || {
            if let Some(status) = process.try_wait()? {
                bail!("the agent ended: {status}");
            }
            Ok(setup.json(&["status"]).ok())
        })
        .map(drop)
        .with_context(|| format!("the agent said:\n{}", setup.said()))
    }

    /// Waits for its end, which the test has brought about, and gives back what it was started with.
    ///
    /// # Errors
    /// When it does not end.
    pub fn wait_for_end(mut self) -> Result<(ExitStatus, Setup<'a>)> {
        let status = self.end()?;
        Ok((status, self.setup))
    }

    fn end(&mut self) -> Result<ExitStatus> {
        eventually("end of the agent", WITHIN, || {
            Ok(self.process.0.try_wait()?)
        })
        .with_context(|| format!("the agent said:\n{}", self.setup.said()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended, which is as good.
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}
