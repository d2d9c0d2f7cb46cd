//! Flags that every command has; they may stand before or after it.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueHint};

use super::{
    console::{Console, Format, Volume},
    failure::Failure,
    paint::{Choice, Paint},
};
use crate::{config, daemon::Paths};

/// Heading of these flags in the help.
const HEADING: &str = "Global options";

/// Flags that every command has.
#[derive(Args, Debug)]
#[command(next_help_heading = HEADING)]
pub struct Global {
    /// Print JSON: one object with "schema": 1, or one a line for streams
    #[arg(long, global = true)]
    json: bool,
    /// Print tab-separated values without a header, times in RFC 3339
    #[arg(long, global = true)]
    plain: bool,
    /// When to use colour: auto, always, never [default: auto]
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    color: Choice,
    /// Say more (run: log more; twice: everything)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Say nothing but results and errors (run: log warnings and errors only)
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Configuration file [env MAILWALL_CONFIG, default /etc/mailwall/mailwall.toml]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "MAILWALL_CONFIG",
        hide_env = true,
        value_hint = ValueHint::FilePath,
        default_value = config::DEFAULT_PATH,
        hide_default_value = true
    )]
    config: PathBuf,
    /// Directory of the database [env MAILWALL_STATE_DIR, default /var/lib/mailwall]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "MAILWALL_STATE_DIR",
        hide_env = true,
        value_hint = ValueHint::DirPath,
        default_value = "/var/lib/mailwall",
        hide_default_value = true,
    )]
    state_dir: PathBuf,
    /// Directory of the control socket [env MAILWALL_RUN_DIR, default /run/mailwall]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "MAILWALL_RUN_DIR",
        hide_env = true,
        value_hint = ValueHint::DirPath,
        default_value = "/run/mailwall",
        hide_default_value = true,
    )]
    run_dir: PathBuf,
    /// Directory of the pinned maps [env MAILWALL_BPFFS_DIR, default /sys/fs/bpf/mailwall]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "MAILWALL_BPFFS_DIR",
        hide_env = true,
        value_hint = ValueHint::DirPath,
        default_value = "/sys/fs/bpf/mailwall",
        hide_default_value = true,
    )]
    bpffs_dir: PathBuf,
}

impl Global {
    /// The console that these flags ask for.
    ///
    /// # Errors
    ///
    /// When they contradict each other.
    pub fn console(&self) -> Result<Console, Failure> {
        // clap looks for conflicts on one side of the command only.
        let format = match (self.json, self.plain) {
            (true, true) => return Err(Failure::usage("--json and --plain exclude each other")),
            (true, false) => Format::Json,
            (false, true) => Format::Plain,
            (false, false) => Format::Human,
        };
        let volume = match (self.quiet, self.verbose) {
            (true, 1..) => return Err(Failure::usage("-q and -v exclude each other")),
            (true, 0) => Volume::Quiet,
            (false, 0) => Volume::Normal,
            (false, 1) => Volume::Verbose,
            (false, 2..) => Volume::Everything,
        };
        Ok(Console::new(
            format,
            volume,
            [Paint::of_stdout(self.color), self.paint_of_stderr()],
            self.paths(),
        ))
    }

    /// Whether messages have colour.
    pub fn paint_of_stderr(&self) -> Paint {
        Paint::of_stderr(self.color)
    }

    fn paths(&self) -> Paths {
        Paths {
            config: self.config.clone(),
            state_dir: self.state_dir.clone(),
            run_dir: self.run_dir.clone(),
            bpffs_dir: self.bpffs_dir.clone(),
        }
    }
}
