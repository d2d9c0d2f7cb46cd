//! What is done with this repository.

mod build_ebpf;

use std::process::ExitCode;

use clap::Parser;

/// Build, check and try out this repository
#[derive(Parser)]
enum Task {
    BuildEbpf(build_ebpf::Options),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::BuildEbpf(options) => build_ebpf::run(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::FAILURE
        }
    }
}
