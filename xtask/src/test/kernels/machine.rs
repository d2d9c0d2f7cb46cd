//! An emulated machine. Never a virtual one: not every host that offers to run those can, and this one is the same everywhere.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use mailwall_tests::{Stopwatch, search_path};

/// `max` is all that the emulator can, less CMPXCHG16B: emulated, it was seen to write over the flags, upon which Linux 6.12
/// dies of a double fault while it allocates memory.
const PROCESSOR: &str = "max,cx16=off";

/// Memory of a machine.
pub const MEMORY_MIB: u64 = 2048;

/// Two network cards on one wire: what is sent by either arrives at the other. The first that the kernel finds is named eth0
/// by it, the second eth1.
const CARDS: [&str; 8] = [
    "-netdev",
    "hubport,id=port0,hubid=0",
    "-netdev",
    "hubport,id=port1,hubid=0",
    "-device",
    "virtio-net-pci,netdev=port0,mac=52:54:00:00:00:01,romfile=",
    "-device",
    "virtio-net-pci,netdev=port1,mac=52:54:00:00:00:02,romfile=",
];

/// Nothing but errors on the console; a kernel that fails goes off at once. Its timer is not checked at boot: on a busy host an
/// emulated one may be late for that, which the kernel gives up for.
const PARAMETERS: &str = "console=ttyS0 quiet panic=-1 oops=panic no_timer_check";

/// How a machine came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// It switched itself off.
    Off,
    /// It was ended, being late.
    Stopped,
}

/// Boots a kernel, gives each line of the console and of the emulator to `hear`, and waits until the machine is off, at most for `limit`.
///
/// # Errors
/// When the emulator cannot be started, or fails.
pub fn boot(
    kernel: &Path,
    initramfs: &Path,
    limit: Duration,
    mut hear: impl FnMut(&str),
) -> Result<Ending> {
    // The emulator ends with this program, however that ends.
    let mut process = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
        .args(["-accel", "tcg", "-cpu", PROCESSOR, "-smp", "2"])
        .args(["-m", &MEMORY_MIB.to_string()])
        .args(["-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none", "-serial", "stdio"])
        .args(CARDS)
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args(["-append", PARAMETERS])
        .env("PATH", search_path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start the emulator")?;
    let console = process.stdout.take().context("the console is piped")?;
    let complaints = process.stderr.take().context("the errors are piped")?;
    let machine = Machine(process);
    let (out, lines) = mpsc::channel();
    let also_out = out.clone();
    let readers = [
        thread::spawn(move || read(console, &out)),
        thread::spawn(move || read(complaints, &also_out)),
    ];
    let watch = Stopwatch::start();
    let ending = loop {
        match lines.recv_timeout(limit.saturating_sub(watch.elapsed())) {
            Ok(line) => hear(&line),
            Err(RecvTimeoutError::Disconnected) => break Ending::Off,
            Err(RecvTimeoutError::Timeout) => break Ending::Stopped,
        }
    };
    machine.end(ending)?;
    for reader in readers {
        if reader.join().is_err() {
            bail!("the console could not be read");
        }
    }
    Ok(ending)
}

/// The emulator's process, ended when it is let go of.
struct Machine(Child);

impl Machine {
    fn end(mut self, ending: Ending) -> Result<()> {
        if ending == Ending::Off {
            let status = self.0.wait().context("wait for the emulator")?;
            ensure!(status.success(), "the emulator: {status}");
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both do nothing when it has ended.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

fn read(console: impl Read, out: &Sender<String>) {
    for line in BufReader::new(console).split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line);
        if out.send(line.trim_end().to_owned()).is_err() {
            return;
        }
    }
}
