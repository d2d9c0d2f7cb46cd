//! The terminal, which is given back as it was whatever happens.

use std::{
    io::{self, Stdout},
    panic,
};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

/// The terminal, in raw mode and on its second screen.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    signals: SignalFd,
}

impl Screen {
    /// Takes the terminal. It is given back when this is dropped, at a panic, and after a signal that asks to end, which from here on
    /// [`Screen::is_to_end`] tells.
    pub(super) fn open() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGQUIT,
        ] {
            set.add(signal);
        }
        set.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&set, flags)?;
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // Before the message, which would be lost with the second screen.
            give_back();
            before(panic);
        }));
        enable_raw_mode()?;
        let entered = execute!(io::stdout(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match entered {
            Ok(terminal) => Ok(Self { terminal, signals }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    pub(super) fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Stdout>> {
        &mut self.terminal
    }

    /// Whether a signal came that asks to end.
    pub(super) fn is_to_end(&mut self) -> bool {
        matches!(self.signals.read_signal(), Ok(Some(_)))
    }

    /// Gives the terminal back.
    pub(super) fn close(self) {}
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// A terminal that is gone cannot be given back, and need not.
fn give_back() {
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

#[cfg(test)]
mod tests {
    use std::{
        env,
        process::{Command, Stdio},
    };

    use super::Screen;

    /// Set where the test is the program in the terminal.
    const IN_TERMINAL: &str = "MAILWALL_TEST_IN_TERMINAL";
    const MESSAGE: &str = "as the test wants it";
    /// What leaves the second screen, as xterm has it.
    const LEAVE: &str = "\u{1b}[?1049l";

    #[test]
    fn a_panic_gives_the_terminal_back_and_is_read_on_the_first_screen() {
        if env::var_os(IN_TERMINAL).is_some() {
            let _screen = Screen::open().unwrap();
            panic!("{MESSAGE}");
        }
        let (_, module) = module_path!().split_once("::").unwrap();
        let name = "a_panic_gives_the_terminal_back_and_is_read_on_the_first_screen";
        // Itself, in a terminal that `script` makes, between two looks at its settings.
        let line = format!(
            "stty -g; '{}' --exact {module}::{name} --nocapture; stty -g",
            env::current_exe().unwrap().display()
        );
        let output = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env(IN_TERMINAL, "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        assert_eq!(lines.first(), lines.last(), "settings: {said:?}");
        let raw = said.find("\u{1b}[?1049h").expect("the second screen");
        let left = said.find(LEAVE).expect("it is left");
        let told = said.find(MESSAGE).expect("the message");
        assert!(raw < left && left < told, "{said:?}");
        assert!(said[left..].contains("\u{1b}[?25h"), "a cursor: {said:?}");
    }
}
