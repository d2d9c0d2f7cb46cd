//! `cargo xtask run -- ARGS`: builds the agent and becomes it.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{command, repository};

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// Builds with optimisation
    #[arg(long)]
    release: bool,
    /// What the agent is called with; see `cargo xtask run -- --help`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs the command: `mailwall run` when nothing else is asked for.
///
/// # Errors
/// When the agent cannot be built or started.
pub fn run(options: Options) -> Result<()> {
    let profile = if options.release { "release" } else { "dev" };
    command::run(&mut repository::cargo(&[
        "build",
        "--quiet",
        "--package",
        "mailwall",
        "--profile",
        profile,
    ]))?;
    let folder = if options.release { "release" } else { "debug" };
    let binary = repository::target().join(folder).join("mailwall");
    let arguments = if options.arguments.is_empty() {
        vec!["run".to_owned()]
    } else {
        options.arguments
    };
    let error = Command::new(&binary).args(arguments).exec();
    Err(error).with_context(|| format!("start {}", binary.display()))
}
