//! `cargo xtask fuzz`: builds the fuzzing targets of `tests/fuzz` and runs them, one after another, each for a time. The stable
//! toolchain is enough: its compiler has the instrumentation that libFuzzer needs, only the sanitizers are not in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use mailwall::{dialect::DIALECTS, duration};
use mailwall_tests::Stopwatch;

use crate::{
    command::{self, run_quietly},
    repository,
};

/// As cargo-fuzz has it, without sanitizers.
const INSTRUMENTATION: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Longest input: more than a line can be, so that longer ones are met.
const INPUT_MAX: usize = 16 * 1024;
/// Most bytes of one target's corpus that are kept.
const CORPUS_MAX: u64 = 16 * 1024;
/// Seconds after which one input is a finding: all are read in milliseconds.
const TIMEOUT_S: u32 = 10;

/// How long the pieces are, and a request of Postfix.
const POLICY_SEED: &[u8] = b"\x20request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=203.0.113.7\n\
    client_port=40000\ninstance=2f1.673f1a2b.4c4b4.0\nsasl_username=alice\npolicy_context=before\nrecipient_count=0\n\n";

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// Runs only targets whose name contains this: envelope, policy, dialect-NAME, forgery-NAME
    target: Option<String>,
    /// How long each target is run
    #[arg(long = "for", value_name = "TIME", default_value = "1m", value_parser = duration::parse)]
    time: Duration,
}

/// A program, and the dialect that it is run for.
struct Target {
    name: String,
    program: &'static str,
    dialect: Option<&'static str>,
}

/// Runs the command.
///
/// # Errors
/// When there is a finding.
pub fn run(options: Options) -> Result<()> {
    let wanted = |target: &Target| {
        let part = options.target.as_deref();
        part.is_none_or(|part| target.name.contains(part))
    };
    let targets: Vec<Target> = targets().into_iter().filter(wanted).collect();
    ensure!(!targets.is_empty(), "there is no such target");
    let programs = build()?;
    let mut findings = Vec::new();
    for target in &targets {
        let watch = Stopwatch::start();
        match fuzz(target, &programs, options.time) {
            Ok(kept) => println!(
                "{}: no finding in {} s; {kept}",
                target.name,
                watch.elapsed().as_secs()
            ),
            Err(error) => {
                println!("{}: {error:#}", target.name);
                findings.push(target.name.as_str());
            }
        }
    }
    ensure!(findings.is_empty(), "findings: {}", findings.join(", "));
    Ok(())
}

/// One of envelopes, one of policy requests, and two of each dialect: what is in the list of dialects is fuzzed.
fn targets() -> Vec<Target> {
    let mut targets: Vec<Target> = ["envelope", "policy"]
        .map(|program| Target {
            name: program.to_owned(),
            program,
            dialect: None,
        })
        .into();
    for dialect in DIALECTS {
        for program in ["dialect", "forgery"] {
            targets.push(Target {
                name: format!("{program}-{}", dialect.name),
                program,
                dialect: Some(dialect.name),
            });
        }
    }
    targets
}

/// Gives the folder of the programs.
fn build() -> Result<PathBuf> {
    let version = run_quietly(
        Command::new("rustc")
            .arg("-vV")
            .current_dir(repository::root()),
    )?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc names its host")?;
    let target_dir = repository::target().join("fuzz");
    // With a target, build scripts are not instrumented.
    let words = ["build", "--release", "--target", host, "--target-dir"];
    command::run(
        repository::cargo(&words)
            .arg(&target_dir)
            .current_dir(folder())
            .env("RUSTFLAGS", INSTRUMENTATION),
    )?;
    Ok(target_dir.join(host).join("release"))
}

fn folder() -> PathBuf {
    repository::root().join("tests/fuzz")
}

/// Runs one target; gives what is kept of its corpus.
fn fuzz(target: &Target, programs: &Path, time: Duration) -> Result<String> {
    let corpus = folder().join("corpus").join(&target.name);
    let artifacts = folder().join("artifacts").join(&target.name);
    let work = tempfile::tempdir().context("make a folder for the fuzzer")?;
    let (found, seeds, least) = (
        work.path().join("found"),
        work.path().join("seeds"),
        work.path().join("least"),
    );
    for path in [&corpus, &artifacts, &found, &seeds, &least] {
        fs::create_dir_all(path).with_context(|| format!("make {}", path.display()))?;
    }
    plant(target, &seeds)?;
    let program = programs.join(target.program);
    let fuzzer = || {
        let mut fuzzer = Command::new(&program);
        fuzzer
            .args([
                format!("-max_len={INPUT_MAX}"),
                format!("-timeout={TIMEOUT_S}"),
            ])
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg(format!("-dict={}", folder().join("words.dict").display()));
        if let Some(dialect) = target.dialect {
            fuzzer.env("MAILWALL_FUZZ_DIALECT", dialect);
        }
        fuzzer
    };
    run_quietly(
        fuzzer()
            .arg(format!("-max_total_time={}", time.as_secs().max(1)))
            .args([&found, &corpus, &seeds]),
    )?;
    run_quietly(
        fuzzer()
            .arg("-merge=1")
            .args([&least, &corpus, &found, &seeds]),
    )?;
    keep(&least, &corpus)
}

/// Puts the lines of the project's corpora, block by block, where the fuzzer begins.
fn plant(target: &Target, seeds: &Path) -> Result<()> {
    // What a forgery begins with are numbers of lines, not lines.
    if target.program == "forgery" {
        return fs::write(seeds.join("0"), [0, 0, 0x80]).context("write a seed");
    }
    if target.program == "policy" {
        return fs::write(seeds.join("0"), POLICY_SEED).context("write a seed");
    }
    for dialect in DIALECTS {
        if target.dialect.is_some_and(|name| name != dialect.name) {
            continue;
        }
        let corpus = repository::root().join(format!("tests/corpus/{}.txt", dialect.name));
        let text =
            fs::read_to_string(&corpus).with_context(|| format!("read {}", corpus.display()))?;
        for (number, block) in text.split("\n\n").enumerate() {
            let lines = block
                .lines()
                .filter(|line| *line != "#" && !line.starts_with("# ") && !line.starts_with("= "));
            let log = lines.collect::<Vec<_>>().join("\n");
            fs::write(seeds.join(format!("{}-{number}", dialect.name)), log)?;
        }
    }
    Ok(())
}

/// Keeps the shortest inputs that together meet what all do, as far as there is room for them.
fn keep(least: &Path, corpus: &Path) -> Result<String> {
    let mut inputs = Vec::new();
    for entry in fs::read_dir(least)? {
        let path = entry?.path();
        inputs.push((path.metadata()?.len(), path));
    }
    inputs.sort();
    fs::remove_dir_all(corpus).context("empty the corpus")?;
    fs::create_dir_all(corpus)?;
    let (mut kept, mut bytes) = (0, 0);
    for (len, path) in &inputs {
        if bytes + len > CORPUS_MAX {
            break;
        }
        let name = path.file_name().context("an input has a name")?;
        fs::copy(path, corpus.join(name))?;
        kept += 1;
        bytes += len;
    }
    if inputs.is_empty() {
        bail!("the fuzzer kept nothing");
    }
    Ok(format!(
        "{kept} of {} inputs kept, {bytes} bytes",
        inputs.len()
    ))
}
