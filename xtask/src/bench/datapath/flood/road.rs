//! The cable of a test bed, ready for a flood: frames are sent on one CPU and received on another.

use std::{collections::HashSet, fs, process::Command, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use mailwall_tests::{Namespace, Testbed, search_path};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, CpuSet, sched_setaffinity, unshare},
    unistd::Pid,
};
use serde_json::Value;

use super::syn;
use crate::command::run_quietly;

/// The CPU that sends.
pub const SENDING_CPU: usize = 0;
/// The CPU that receives.
pub const RECEIVING_CPU: usize = 1;
/// The mail host's end of the cable.
pub const MAIL: &str = "mail0";
/// The clients' end.
const WIRE: &str = "wire0";

/// The kernel's threads that poll interfaces have names that begin so.
const POLLING_THREAD: &str = "napi/";
/// Pause between two looks at what arrived.
const PAUSE: Duration = Duration::from_millis(5);

/// A cable with a receiver of its own.
pub struct Road {
    /// Both ends.
    pub bed: Testbed,
    /// Index of the clients' end.
    pub wire_index: u32,
    /// A SYN to the mail host's port 25, to be sent from any address.
    pub frame: Vec<u8>,
    receiver: Pid,
}

/// What the receiver did so far.
#[derive(Clone, Copy)]
pub struct Received {
    /// Frames that came out of the cable.
    pub frames: u64,
    /// Time that its thread had the CPU.
    pub busy: Duration,
}

impl Road {
    /// Makes the mail host's end poll in a thread of its own, on a CPU of its own.
    ///
    /// # Errors
    /// When the kernel has no such threads (Linux 5.12 has), or the machine no second CPU.
    pub fn new(bed: Testbed) -> Result<Self> {
        // An end of a veth cable that has no XDP program takes frames from one only while it polls, which GRO makes it do.
        tool(bed.server(), &["ethtool", "-K", MAIL, "gro", "on"])?;
        let before = polling_threads()?;
        poll_in_a_thread(&bed)?;
        let started: Vec<i32> = polling_threads()?.difference(&before).copied().collect();
        ensure!(
            started.len() == 1,
            "{} threads poll {MAIL}, not one",
            started.len()
        );
        let receiver = Pid::from_raw(started[0]);
        keep_on(receiver, RECEIVING_CPU).context("move the receiver to its CPU")?;
        let mail = link(bed.server(), MAIL)?;
        let wire = link(bed.clients(), WIRE)?;
        let index = wire["ifindex"].as_u64().context("find the clients' end")?;
        Ok(Self {
            wire_index: u32::try_from(index)?,
            frame: syn::frame(mac(&mail)?, mac(&wire)?),
            bed,
            receiver,
        })
    }

    /// What the receiver did so far, once nothing more is on its way.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn received(&self) -> Result<Received> {
        let mut before = self.frames()?;
        loop {
            thread::sleep(PAUSE);
            let frames = self.frames()?;
            if frames == before && self.is_asleep()? {
                let busy = self.busy()?;
                return Ok(Received { frames, busy });
            }
            before = frames;
        }
    }

    /// The CPU that the receiver ran on last.
    ///
    /// # Errors
    /// When its thread is gone.
    pub fn receiving_cpu(&self) -> Result<usize> {
        let cpu = self.stat(39)?;
        cpu.parse().context("read the receiver's CPU")
    }

    /// Puts the receiver before all other work, or lets it share.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn hurry(&self, priority: Priority) -> Result<()> {
        renice(self.receiver, priority)
    }

    fn is_asleep(&self) -> Result<bool> {
        Ok(self.stat(3)? == "S")
    }

    /// A field of the receiver's thread behind its name, numbered as in proc_pid_stat(5).
    fn stat(&self, field: usize) -> Result<String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.receiver))?;
        let (_, fields) = stat.rsplit_once(')').context("read the receiver's state")?;
        let found = fields.split_whitespace().nth(field - 3);
        Ok(found.context("read the receiver's state")?.to_owned())
    }

    fn frames(&self) -> Result<u64> {
        let link = link(self.bed.server(), MAIL)?;
        link["stats64"]["rx"]["packets"]
            .as_u64()
            .context("read the frames that were received")
    }

    fn busy(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/schedstat", self.receiver))?;
        let first = stat.split_whitespace().next();
        let ns = first.context("read the receiver's time")?.parse()?;
        Ok(Duration::from_nanos(ns))
    }
}

/// How a thread stands to the others on its CPU.
#[derive(Clone, Copy)]
pub enum Priority {
    /// Before them: what else the machine does is hardly measured.
    High,
    /// As one of them.
    Ordinary,
}

/// Gives a thread, and the threads that it starts, another priority.
///
/// # Errors
/// When it cannot be done.
pub fn renice(thread: Pid, priority: Priority) -> Result<()> {
    let nice = match priority {
        Priority::High => "-15",
        Priority::Ordinary => "0",
    };
    run_quietly(Command::new("renice").args(["-n", nice, "-p", &thread.to_string()])).map(drop)
}

/// Keeps a thread on one CPU; 0 is the calling thread.
///
/// # Errors
/// When there is no such CPU.
pub fn keep_on(thread: Pid, cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(thread, &cpus)
        .with_context(|| format!("keep a thread on CPU {cpu}; the flood takes two CPUs"))
}

/// Runs a program in a network, and gives what it printed.
///
/// # Errors
/// When it fails; the error holds what it said.
pub fn tool(network: &Namespace, words: &[&str]) -> Result<String> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("PATH", search_path());
    let output = network.output(&mut command)?;
    ensure!(
        output.status.success(),
        "{}: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Has the mail host's end polled by a thread, not by whichever CPU sends to it. The switch is a file in sysfs, which shows the
/// network of who mounts it: the calling thread has mounts of its own for that.
fn poll_in_a_thread(bed: &Testbed) -> Result<()> {
    let sysfs = bed.dir().join("sys");
    fs::create_dir(&sysfs)?;
    bed.server().enter(|| {
        let nothing = None::<&str>;
        unshare(CloneFlags::CLONE_NEWNS)?;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(nothing, "/", nothing, private, nothing)?;
        mount(
            Some("sysfs"),
            &sysfs,
            Some("sysfs"),
            MsFlags::empty(),
            nothing,
        )
        .context("mount a sysfs")?;
        let switch = sysfs.join("class/net").join(MAIL).join("threaded");
        fs::write(switch, "1").context("poll in a thread")
    })
}

fn polling_threads() -> Result<HashSet<i32>> {
    let mut found = HashSet::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process may be gone by now.
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if name.starts_with(&format!("{POLLING_THREAD}{MAIL}-")) {
            found.insert(pid);
        }
    }
    Ok(found)
}

fn link(network: &Namespace, name: &str) -> Result<Value> {
    let said = tool(
        network,
        &["ip", "-statistics", "-json", "link", "show", "dev", name],
    )?;
    let links: Value = serde_json::from_str(&said)?;
    Ok(links[0].clone())
}

fn mac(link: &Value) -> Result<[u8; 6]> {
    let text = link["address"].as_str().context("find a MAC address")?;
    let octets: Result<Vec<u8>, _> = text
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16))
        .collect();
    octets?
        .try_into()
        .map_err(|_| anyhow::anyhow!("{text} is no MAC address"))
}
