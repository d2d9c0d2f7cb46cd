//! `cargo xtask demo`: mailwall at its work, told as it happens. Ends non-zero when a step did not happen, and names it.

mod good_client;
mod narrator;
mod story;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use mailwall_tests::{MailServer, POSTFIX, Testbed};
use narrator::Narrator;

use crate::{apt, command, repository, roots};

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// Uses the built-in SMTP responder, as where Postfix cannot be had
    #[arg(long)]
    responder: bool,
}

/// Runs the command.
///
/// # Errors
/// When a step does not happen.
pub fn run(options: Options) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "network namespaces and BPF need root: run `cargo xtask demo` as root"
    );
    println!("building the agent");
    command::run(&mut repository::cargo(&[
        "build",
        "--quiet",
        "--package",
        "mailwall",
    ]))?;
    apt::ensure(&apt::TEST_BED)?;
    let has_postfix = !options.responder && prepare_postfix();

    let narrator = Narrator::start();
    let bed = narrator.step("the hosts", || {
        let bed = Testbed::new()?;
        narrator.tell(
            "hosts",
            "a mail host and its clients, each in a network namespace; a cable, no way out",
        );
        Ok(bed)
    })?;
    let dir = bed.dir().to_owned();
    let told = show(&narrator, &bed, has_postfix);
    drop(bed);
    told?;
    narrator.step("the cleaning up", || leaves_nothing(&dir))?;
    narrator.tell(
        "end",
        "nothing is left: no process, no mount, no namespace, no file",
    );
    Ok(())
}

/// Whether there is a Postfix to use; says so when not.
fn prepare_postfix() -> bool {
    match roots::ensure_one(&POSTFIX) {
        Ok(_) => true,
        Err(error) => {
            println!("Postfix cannot be had here: {error:#}");
            false
        }
    }
}

fn show(narrator: &Narrator, bed: &Testbed, has_postfix: bool) -> Result<()> {
    let server = narrator.step("the start of the mail server", || {
        if has_postfix {
            let server = MailServer::start(bed)?;
            narrator.tell(
                "postfix",
                "a real Postfix is up in its private root: port 25, IPv4 and IPv6",
            );
            return Ok(server);
        }
        let server = MailServer::start_responder(bed)?;
        narrator.tell(
            "server",
            "NOT Postfix: a small built-in SMTP responder that logs in Postfix's format",
        );
        Ok(server)
    })?;
    story::tell(narrator, bed, &server)
}

/// Checks that a test bed's folder, mounts and processes are gone.
fn leaves_nothing(dir: &Path) -> Result<()> {
    ensure!(!dir.exists(), "{} is still there", dir.display());
    let path = dir.to_string_lossy();
    let mounts = fs::read_to_string("/proc/self/mounts").context("read the mounts")?;
    ensure!(
        !mounts.contains(&*path),
        "something is still mounted in {path}"
    );
    for entry in fs::read_dir("/proc").context("read the processes")? {
        // Processes may end meanwhile.
        let cmdline = fs::read(entry?.path().join("cmdline")).unwrap_or_default();
        let cmdline = String::from_utf8_lossy(&cmdline);
        ensure!(
            !cmdline.contains(&*path),
            "a process is left: {}",
            cmdline.replace('\0', " ")
        );
    }
    Ok(())
}
