//! The command line. One file a noun; each is registered here, once as a variant of [`Noun`] and once in [`Noun::run`].
//!
//! It reaches the agent through the control socket only, and never touches maps or the database behind its back.

mod account;
mod allow;
mod analyze;
mod ban;
mod breaker;
mod completions;
mod config;
mod console;
mod counters;
mod doctor;
mod events;
mod exchange;
mod exit;
mod export;
mod failure;
mod global;
mod import;
mod kick;
mod log;
mod net;
mod notify;
mod number;
mod paint;
mod parse;
mod reload;
mod report;
mod rule;
mod run;
mod source;
mod status;
mod table;
mod time;
mod top;
mod unload;
mod usage;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::global::Global;
pub use self::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
};

/// Keeps abusive hosts away from a mail server.
///
/// An XDP filter in the kernel drops the connection attempts of banned hosts to the mail ports; an agent reads the mail
/// log, judges by rules, and bans for a time. Without a command: mailwall status.
///
/// Nothing but new connections to the guarded ports is ever dropped, so no ban can end an SSH session.
#[derive(Debug, Parser)]
#[command(name = "mailwall", version, max_term_width = 100, after_long_help = closing())]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    noun: Option<Noun>,
}

#[derive(Debug, Subcommand)]
enum Noun {
    Run(run::Args),
    Status(status::Args),
    #[command(subcommand)]
    Ban(ban::Command),
    #[command(subcommand)]
    Allow(allow::Command),
    #[command(subcommand)]
    Account(account::Command),
    Kick(kick::Args),
    #[command(subcommand)]
    Rule(rule::Command),
    #[command(subcommand)]
    Source(source::Command),
    #[command(subcommand)]
    Notify(notify::Command),
    #[command(subcommand)]
    Breaker(breaker::Command),
    Events(events::Args),
    Counters(counters::Args),
    Top(top::Args),
    #[command(subcommand)]
    Config(config::Command),
    Doctor(doctor::Args),
    Parse(parse::Args),
    Analyze(analyze::Args),
    Import(import::Args),
    Export(export::Args),
    Report(report::Args),
    Reload(reload::Args),
    Unload(unload::Args),

    Completions(completions::Args),
}

impl Noun {
    fn run(self, console: &mut Console) -> Result<Exit, Failure> {
        match self {
            Self::Run(args) => run::run(args, console),
            Self::Status(args) => status::run(args, console),
            Self::Ban(command) => ban::run(command, console),
            Self::Allow(command) => allow::run(command, console),
            Self::Account(command) => account::run(command, console),
            Self::Kick(args) => kick::run(args, console),
            Self::Rule(command) => rule::run(command, console),
            Self::Source(command) => source::run(command, console),
            Self::Notify(command) => notify::run(command, console),
            Self::Breaker(command) => breaker::run(&command, console),
            Self::Events(args) => events::run(args, console),
            Self::Counters(args) => counters::run(args, console),
            Self::Top(args) => top::run(args, console),
            Self::Config(command) => config::run(command, console),
            Self::Doctor(args) => doctor::run(args, console),
            Self::Parse(args) => parse::carry_out(&args, console),
            Self::Analyze(args) => analyze::run(&args, console),
            Self::Import(args) => import::run(&args, console),
            Self::Export(args) => export::run(&args, console),
            Self::Report(args) => report::run(&args, console),
            Self::Reload(args) => reload::run(args, console),
            Self::Unload(args) => unload::run(args, console),
            Self::Completions(args) => completions::run(args, console),
        }
    }
}

/// Carries out the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error).into(),
    };
    let paint = cli.global.paint_of_stderr();
    match cli.carry_out() {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(paint).into(),
    }
}

impl Cli {
    fn carry_out(self) -> Result<Exit, Failure> {
        let mut console = self.global.console()?;
        let noun = self.noun.unwrap_or(Noun::Status(status::Args {}));
        let result = noun.run(&mut console);
        // What was found before a failure is shown before it.
        let flushed = console.flush();
        result.and_then(|exit| flushed.map(|()| exit))
    }
}

/// The whole command line, for completions and manuals.
pub fn command() -> clap::Command {
    Cli::command()
}

fn closing() -> String {
    format!(
        "EXAMPLES
  mailwall                                # how is it going?
  mailwall ban list --sort drops          # who is shut out, the most insistent first
  mailwall ban check 203.0.113.7          # is this host shut out, since when and why?

EXIT STATUS
{}",
        exit::table()
    )
}

#[cfg(test)]
mod tests;
