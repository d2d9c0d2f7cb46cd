//! A network namespace without a name: it is held by a descriptor, so it cannot outlive the processes in it.

use std::{
    fs::File,
    os::fd::AsRawFd as _,
    process::{Child, Command, Output},
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns, unshare};

use crate::search_path;

/// One host's network.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// A new one, with nothing but a loopback interface that is down.
    ///
    /// # Errors
    /// When the caller is not root.
    pub fn new() -> Result<Self> {
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
            let namespace = File::open("/proc/thread-self/ns/net")?;
            Ok(Self(namespace))
        })
    }

    /// Where other processes of this host find it for as long as this process holds it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Does something with this network: in a thread of its own, so that the caller stays where it is. Files, mounts and
    /// everything else are the host's, unlike what `ip netns exec` gives: pinned BPF objects stay visible.
    ///
    /// # Errors
    /// Those of `work`, or when the namespace cannot be entered.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        in_thread(|| {
            setns(&self.0, CloneFlags::CLONE_NEWNET).context("enter a network namespace")?;
            work()
        })
    }

    /// Starts a program with this network.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        self.enter(|| {
            command
                .spawn()
                .with_context(|| format!("start {}", command.get_program().display()))
        })
    }

    /// Runs a program with this network to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn output(&self, command: &mut Command) -> Result<Output> {
        self.enter(|| {
            command
                .output()
                .with_context(|| format!("run {}", command.get_program().display()))
        })
    }

    /// Runs `ip` with these words.
    ///
    /// # Errors
    /// When it fails; the error holds what it said.
    pub fn ip(&self, words: &str) -> Result<()> {
        let output = self.output(
            Command::new("ip")
                .args(words.split_whitespace())
                .env("PATH", search_path()),
        )?;
        ensure!(
            output.status.success(),
            "ip {words}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }
}

fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        scope
            .spawn(work)
            .join()
            .map_err(|_panic| anyhow!("a thread in a network namespace panicked"))?
    })
}
