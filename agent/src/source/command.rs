//! A program whose output is a log. It is started without a shell, and does not outlive the agent.

use std::{
    ffi::OsStr,
    io,
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStdout, Command},
};

/// Most bytes that are kept of what it complains about.
const COMPLAINT_MAX: u64 = 4096;

/// A program that runs.
pub(super) struct Program {
    child: Child,
    output: ChildStdout,
}

impl Program {
    /// Starts it with these arguments.
    pub(super) fn start<S: AsRef<OsStr>>(
        name: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let mut command = Command::new(name);
        command
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let agent = std::process::id();
        // SAFETY: between fork and exec only prctl(2) and getppid(2) are called, which are safe there.
        unsafe {
            command.pre_exec(move || {
                // An agent that is killed cannot end it any more, so the kernel does.
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                if libc::getppid().cast_unsigned() != agent {
                    return Err(io::Error::from_raw_os_error(libc::ESRCH));
                }
                Ok(())
            });
        }
        let mut child = command.spawn()?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| io::Error::other("it has no output"))?;
        Ok(Self { child, output })
    }

    /// Reads what it writes; 0 when it is done.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.output.read(buffer).await
    }

    /// Waits for its end; how it ended, and the last line of what it complained about.
    pub(super) async fn end(mut self) -> io::Result<(ExitStatus, String)> {
        drop(self.output);
        let mut complaint = Vec::new();
        if let Some(errors) = self.child.stderr.take() {
            errors
                .take(COMPLAINT_MAX)
                .read_to_end(&mut complaint)
                .await?;
        }
        let _ = self.child.start_kill();
        let status = self.child.wait().await?;
        let complaint = crate::line::escaped(complaint.trim_ascii_end(), COMPLAINT_MAX as usize);
        let last = complaint.rsplit("\\x0a").next().unwrap_or_default();
        Ok((status, last.to_owned()))
    }
}
