//! Takes a test bed's remains away when its owner is done or dead: a process of its own, waiting for the end of its input, so that
//! no signal, panic or `kill -9` of the owner leaves a process, mount or folder behind.

use std::{
    env, fs,
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// What every test bed's folder begins with; its owner's process id follows.
const PREFIX: &str = "mailwall-bed-";

/// `$1` is the folder. Processes of a test bed name it in their arguments, with a `/` behind; killing `unshare` kills the
/// process namespace that it made.
const BURIAL: &str = r#"
cat > /dev/null
dir=$1
processes() {
    printf '%s/\n' "$dir" | grep -lsaF -f - /proc/[0-9]*/cmdline | while read -r file; do
        pid=${file#/proc/}
        pid=${pid%/cmdline}
        # The children first: then their parent is still there to be told of their end, and ends by itself.
        children=$(cat "/proc/$pid/task/$pid/children" 2> /dev/null)
        echo "${children:-$pid}"
    done
}
tries=0
while pids=$(processes) && [ -n "$pids" ] && [ $tries -lt 100 ]; do
    kill -KILL $pids 2> /dev/null
    tries=$((tries + 1))
    sleep 0.05
done
# What is mounted there, the innermost first. The names of beds hold nothing that mounts would escape.
while read -r _ target _; do
    case $target in "$dir"/*) echo "$target" ;; esac
done < /proc/self/mounts | sort -r | while read -r target; do
    umount -l "$target" 2> /dev/null
done
rm -rf --one-file-system -- "$dir"
"#;

/// Waits for the end of a test bed.
#[derive(Debug)]
pub(crate) struct Undertaker {
    process: Child,
    dir: PathBuf,
}

impl Undertaker {
    /// Makes a test bed's folder and starts to watch over it.
    pub fn engage() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir()
            .context("make the test bed's folder")?
            .keep();
        let process = burial(&dir, Stdio::piped()).context("start a shell")?;
        Ok(Self { process, dir })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes away what test beds of dead processes left, should their undertaker have died too.
    pub fn bury_leftovers() {
        let Ok(entries) = fs::read_dir(env::temp_dir()) else {
            return;
        };
        for entry in entries.flatten() {
            if owner(&entry.file_name().to_string_lossy()).is_some_and(is_dead)
                && let Ok(mut process) = burial(&entry.path(), Stdio::null())
            {
                // The burial says nothing, and what it cannot do the next one tries again.
                let _ended = process.wait();
            }
        }
    }
}

impl Drop for Undertaker {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Nothing can be done about a failure here; the demo checks that nothing is left.
        let _ended = self.process.wait();
    }
}

fn burial(dir: &Path, input: Stdio) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", BURIAL, "undertaker"])
        .arg(dir)
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Out of reach of the terminal's Ctrl-C.
        .process_group(0)
        .spawn()
}

fn owner(folder: &str) -> Option<u32> {
    let (pid, _) = folder.strip_prefix(PREFIX)?.split_once('-')?;
    pid.parse().ok()
}

fn is_dead(pid: u32) -> bool {
    let mut byte = [0];
    match fs::File::open(format!("/proc/{pid}/stat")) {
        Ok(mut file) => file.read(&mut byte).is_err(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
