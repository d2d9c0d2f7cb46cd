//! A real terminal, in tmux.

use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use mailwall_tests::{Testbed, eventually, search_path};

/// Terminals so far.
static STARTED: AtomicUsize = AtomicUsize::new(0);
/// How long a screen may take to show something.
const WITHIN: Duration = Duration::from_secs(60);

/// A terminal with a command in it; gone when it is dropped.
pub(crate) struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// One of 80 by 24 on the mail host, which says how the command ended and how it left the terminal.
    pub(crate) fn start(bed: &Testbed, words: &[&str], environment: &str) -> Self {
        // The server of one that has just ended may still be there.
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let terminal = Self {
            socket: bed.dir().join(format!("tmux{number}")),
        };
        // Ctrl-C is for the command, and not for who tells of its end.
        let script = format!(
            "trap : INT; {environment} \"$@\"; echo \"ended $?\"; stty -a | tr ' ;' '\\n\\n' | grep canon; exec sleep 1000"
        );
        let session = [
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            "sh",
            "-c",
            &script,
            "sh",
        ];
        let mut command = terminal.command(&[&session[..], words].concat());
        let output = bed.server().output(&mut command).unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        terminal
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(&self.socket)
            .args(words)
            .env("PATH", search_path())
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX");
        command
    }

    /// Runs a command of tmux, and gives what it prints.
    #[track_caller]
    pub(crate) fn tmux(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    pub(crate) fn write(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Waits for a screen that `shows` something.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, shows: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        eventually(what, WITHIN, || {
            last = self.tmux(&["capture-pane", "-p"]);
            Ok(shows(&last).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error:#}; last seen:\n{last}"));
        last
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.command(&["kill-server"]).output();
    }
}
