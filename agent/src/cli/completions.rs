//! `mailwall completions`: scripts for shells.

use std::io::Write as _;

use clap::ValueEnum;
use clap_complete::{aot, generate};

use super::{console::Console, exit::Exit, failure::Failure};

const EXAMPLES: &str = "EXAMPLES
  mailwall completions bash > /etc/bash_completion.d/mailwall
  mailwall completions zsh > /usr/local/share/zsh/site-functions/_mailwall
  mailwall completions fish > ~/.config/fish/completions/mailwall.fish";

/// Print a script that completes this command line in a shell
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The shell: bash, zsh or fish
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(args: Args, console: &mut Console) -> Result<Exit, Failure> {
    let shell = match args.shell {
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
    };
    // clap_complete panics where it cannot write; a buffer always can.
    let mut script = Vec::new();
    generate(shell, &mut super::command(), "mailwall", &mut script);
    console.out().write_all(&script)?;
    Ok(Exit::Done)
}
