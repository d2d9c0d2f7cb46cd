//! The one binary: the agent and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailwall::cli::main()
}
