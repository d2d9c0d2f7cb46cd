//! `mailwall rule reset`: rules are taken out of the configuration, so that those of the preset hold again.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    ban::RuleName,
    cli::{
        console::{Console, Format, Volume},
        exit::Exit,
        failure::Failure,
        number::count,
    },
    config::reset::{Reset, ResetError, Which, reset},
    control::protocol::{Answer, Request, SCHEMA},
    line,
};

pub const EXAMPLES: &str = "EXAMPLES
  mailwall rule reset dictionary --dry-run    # what would be taken out
  mailwall rule reset dictionary              # as the preset has it
  mailwall rule reset --all --yes             # every rule, own ones are deleted";

/// Most characters of a line that is shown.
const LINE_MAX: usize = 1024;

/// Set rules back to what the preset says
///
/// Takes the rule section of that name out of the configuration, with the comment right above it; everything else in the file stays
/// as it is. The file as it was is kept beside it, with .bak at its end. Then the agent, if it runs, reads its configuration
/// again. With --all every rule section is taken out, also those that the preset does not have.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Its name
    #[arg(value_name = "NAME", value_parser = name, required_unless_present = "all", conflicts_with = "all")]
    name: Option<RuleName>,
    /// Every rule; needs --yes
    #[arg(long)]
    all: bool,
    /// Only show what would be taken out
    #[arg(long)]
    dry_run: bool,
    /// Every rule is meant
    #[arg(long)]
    yes: bool,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Answered<'a> {
    schema: u32,
    file: String,
    reset: Vec<&'a str>,
    /// Line numbers and lines.
    removed: &'a [(usize, String)],
    dry_run: bool,
    backup: Option<String>,
}

fn name(text: &str) -> Result<RuleName, String> {
    RuleName::new(text).ok_or_else(|| "not the name of a rule".to_owned())
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Exit, Failure> {
    let which = match &args.name {
        Some(name) => Which::Named(name.clone()),
        None => Which::All,
    };
    if which == Which::All && !args.yes && !args.dry_run {
        let refusal = Failure::usage("--all deletes the rules of your own, too");
        return Err(refusal.hint("--dry-run shows what would be taken out; --yes does it"));
    }
    let file = console.paths.config.clone();
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed("read", &file, &error)),
    };
    let done = reset(&text, &file.display().to_string(), &which).map_err(|error| {
        let exit = match error {
            ResetError::Unknown(_) => Exit::Nothing,
            _ => Exit::Failed,
        };
        let failure = Failure::from_chain(exit, &error);
        failure.hint("mailwall rule list shows the rules, and where each comes from")
    })?;
    let is_done = !args.dry_run && !done.taken.is_empty();
    let backup = match is_done {
        true => Some(write(&file, &done.text)?),
        false => None,
    };
    show(&done, &file, args.dry_run, backup.as_deref(), console)?;
    if is_done {
        reload(console)?;
    }
    Ok(Exit::Done)
}

fn show(
    done: &Reset,
    file: &Path,
    dry_run: bool,
    backup: Option<&Path>,
    console: &mut Console,
) -> Result<(), Failure> {
    match console.format {
        Format::Json => console.json(&Answered {
            schema: SCHEMA,
            file: file.display().to_string(),
            reset: done.taken.iter().map(RuleName::as_str).collect(),
            removed: &done.lines,
            dry_run,
            backup: backup.map(|path| path.display().to_string()),
        }),
        Format::Plain => done
            .taken
            .iter()
            .try_for_each(|name| console.line(name.as_str())),
        Format::Human if console.volume == Volume::Quiet => Ok(()),
        Format::Human if done.taken.is_empty() => {
            console.line("nothing to set back: it is as the preset has it")
        }
        Format::Human => {
            let name = file.display();
            console.line(&format!("--- {name}"))?;
            for (number, text) in &done.lines {
                let text = line::escaped(text.as_bytes(), LINE_MAX);
                console.line(&format!("{number:>5} - {text}"))?;
            }
            let rules = count(done.taken.len(), "rule", "rules");
            match backup {
                Some(backup) => console.line(&format!(
                    "took {rules} out of {name}; as it was: {}",
                    backup.display()
                )),
                None => console.line(&format!("would take {rules} out of {name}")),
            }
        }
    }
}

/// Writes the file anew, all of it or nothing, and keeps the old one beside it.
fn write(file: &Path, text: &str) -> Result<PathBuf, Failure> {
    let with = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (new, backup) = (with(".new"), with(".bak"));
    let written = (|| {
        let old = fs::metadata(file)?;
        fs::copy(file, &backup)?;
        fs::write(&new, text)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(old.mode()))?;
        chown(&new, Some(old.uid()), Some(old.gid()))?;
        fs::File::open(&new)?.sync_all()?;
        fs::rename(&new, file)
    })();
    match written {
        Ok(()) => Ok(backup),
        Err(error) => {
            // It may never have been made.
            let _ = fs::remove_file(&new);
            Err(failed("write", file, &error))
        }
    }
}

fn failed(what: &str, file: &Path, error: &io::Error) -> Failure {
    let file = file.display();
    Failure::new(Exit::Failed, format!("cannot {what} {file}: {error}"))
}

/// Has the agent read its configuration; where none runs, it will at its start.
fn reload(console: &mut Console) -> Result<(), Failure> {
    match console.ask(&Request::Reload) {
        Ok(Answer::Reloaded(_)) if console.format != Format::Human => Ok(()),
        Ok(Answer::Reloaded(_)) if console.volume == Volume::Quiet => Ok(()),
        Ok(Answer::Reloaded(_)) => console.line("the agent has read it"),
        Ok(_) => Err(Failure::other_answer()),
        Err(Failure::Said {
            exit: Exit::NotRunning,
            ..
        }) => {
            console.warn("no agent runs; it reads the file when it starts");
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}
