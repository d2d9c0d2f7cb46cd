//! `mailwall run`: the agent in the foreground.

use super::{console::Console, exit::Exit, failure::Failure, log};
use crate::{
    daemon::{self, RunError},
    filter::Tracing,
};

const EXAMPLES: &str = "EXAMPLES
  mailwall run --user mailwall              # as the unit file does: root opens the filter
  mailwall run -v                           # with the reasons of its decisions
  mailwall run --trace-packets              # with a line for each connection attempt";

/// Run the agent in the foreground
///
/// It loads the filter into the kernel, follows the logs and bans, until SIGTERM or SIGINT; SIGHUP reads the configuration
/// again. Bans stay in force in the kernel when it stops, and end there when their time is over.
///
/// With a policy section in the configuration it serves Postfix as a policy service: `mailwall config default` shows the settings, and
/// where in main.cf to ask it.
///
/// It logs to stderr. RUST_LOG chooses what, where -v and -q are too coarse.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Log each SYN to a guarded port and what became of it
    ///
    /// At most 1000 lines a second; if there are more packets, it says each second how many. Each packet costs more than otherwise,
    /// until the agent is started again without this.
    #[arg(long)]
    trace_packets: bool,
    /// Run as this user from when the filter is in force; start it as root
    ///
    /// What is left of root are the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. The user's groups must let it read the logs
    /// (adm, systemd-journal) and the configuration; the state and run directories become the user's. A filter that could not be
    /// loaded at the start needs another start.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

pub(super) fn run(args: Args, console: &mut Console) -> Result<Exit, Failure> {
    log::start(console.volume, console.paint_of_stderr)?;
    let tracing = if args.trace_packets {
        Tracing::Packets
    } else {
        Tracing::Off
    };
    match daemon::run(console.paths.clone(), tracing, args.user.as_deref()) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Failure::from_chain(exit(&error), &error)),
    }
}

fn exit(error: &RunError) -> Exit {
    match error {
        RunError::Config(_) => Exit::Config,
        _ => Exit::Failed,
    }
}
