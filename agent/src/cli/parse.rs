//! `mailwall parse`: how each line of a log is understood, without the agent.

pub(super) mod input;
mod record;
mod shapes;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use clap::{ValueHint, builder::PossibleValuesParser};
use jiff::tz::TimeZone;

use self::{
    input::{Input, next_line},
    record::Record,
    shapes::Shapes,
};
use super::{
    console::{Console, Format},
    exit::Exit,
    failure::Failure,
};
use crate::{
    clock::Clock,
    config::{Config, ConfigError},
    dialect::{DIALECTS, Dialect, Reader, Reading, pattern::PatternSet},
    line::escaped,
};

pub use self::input::InputError;

const EXAMPLES: &str = "EXAMPLES
  mailwall parse /var/log/mail.log                     # every line, and what it was taken for
  mailwall parse --json mail.log.2.gz | jq             # of an old log, for programs
  mailwall parse --unknown /var/log/mail.log           # what is not understood, by shape";

/// Most characters of a line that people are shown.
const SHOWN_MAX: usize = 200;

/// Show how each line of a log is understood
///
/// Programs that no dialect knows are read by the patterns of the configuration, or else by those that are shipped.
/// Lines of a file share their sessions, as they do for the agent: what a session's lines tell together stands on the line
/// that completes it. SCORE is the weight against the client; 0 is understood, but harmless. A line without the header
/// of a log (time, host, program) weighs nothing unless --dialect says whose it is.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Logs to read, also compressed ones (.gz, .xz, .zst); - for stdin
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Read every line as of this mail program, whatever it is called
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(dialect_names()))]
    dialect: Option<String>,
    /// Zone of time stamps that name none, such as Europe/Berlin [default: this host's]
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    time_zone: Option<TimeZone>,
    /// Show only what is not understood of programs that are, grouped by shape
    #[arg(long)]
    unknown: bool,
}

/// Why reading or writing stopped.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// A log.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The output; a broken pipe is a reader that has had enough.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// Carries out the command.
pub(super) fn carry_out(args: &Args, console: &mut Console) -> Result<Exit, Failure> {
    let patterns = match Config::load(&console.paths.config) {
        Ok(config) => config.patterns.set,
        // Whoever may read a log need not be one who may read the configuration.
        Err(ConfigError::Unreadable { source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            Config::default().patterns.set
        }
        Err(error) => return Err(Failure::from_chain(Exit::Usage, &error)),
    };
    let (format, now) = (console.format, Clock::start().now());
    match run(args, &patterns, format, now, console.out()) {
        Ok(()) => Ok(Exit::Done),
        Err(ParseError::Output(error)) => Err(error.into()),
        Err(ParseError::Input(error)) => {
            let failure = Failure::from_chain(Exit::Failed, &error);
            Err(match error {
                InputError::Compressed(path) => failure.hint(format!(
                    "unpack it for mailwall, such as bzcat {} | mailwall parse -",
                    path.display()
                )),
                InputError::Read { .. } | InputError::Directory(_) => failure,
            })
        }
    }
}

/// Reads the logs one after another and writes what is understood to `out`, also by `patterns`. `now` dates what names no year and comes from
/// stdin; the logs themselves are taken to end when they were last written.
///
/// # Errors
///
/// When a log cannot be read or `out` cannot be written; what was read before is written.
pub fn run(
    args: &Args,
    patterns: &Arc<PatternSet>,
    format: Format,
    now: SystemTime,
    out: &mut impl Write,
) -> Result<(), ParseError> {
    let readers = Readers {
        dialect: args.dialect.as_deref().and_then(dialect_of),
        zone: args.time_zone.clone().unwrap_or_else(TimeZone::system),
        patterns,
    };
    if args.unknown {
        return show_unknown(args, &readers, format, now, out);
    }
    let mut total = Total::default();
    let show_file = args.files.len() > 1;
    for (index, path) in args.files.iter().enumerate() {
        let input = Input::open(path, now)?;
        if index == 0 && format == Format::Human {
            record::write_header(out)?;
        }
        let file = show_file.then(|| escaped(path.as_os_str().as_encoded_bytes(), SHOWN_MAX));
        if let (Some(file), Format::Human) = (&file, format) {
            writeln!(out, "{file}:")?;
        }
        read_each(
            path,
            input,
            &readers,
            out,
            |out, number, reader, reading, line| {
                total.count(&reading);
                total.lost += reader.recognition().lost;
                let record = Record::new(number, file.as_deref(), reader.recognition(), &reading);
                record.write(format, reader.text(line), out)
            },
        )?;
    }
    if format == Format::Human {
        writeln!(out, "{total}")?;
    }
    Ok(())
}

fn show_unknown(
    args: &Args,
    readers: &Readers<'_>,
    format: Format,
    now: SystemTime,
    out: &mut impl Write,
) -> Result<(), ParseError> {
    let mut shapes = Shapes::default();
    for path in &args.files {
        let input = Input::open(path, now)?;
        read_each(path, input, readers, out, |_, _, reader, reading, line| {
            shapes.note(&reading, reader.text(line));
            Ok(())
        })?;
    }
    shapes.write(format, out)?;
    Ok(())
}

/// Reads one log: each line with its number, its reader and what it says.
fn read_each<W: Write>(
    path: &Path,
    mut input: Input,
    readers: &Readers<'_>,
    out: &mut W,
    mut show: impl FnMut(&mut W, u64, &Reader, Reading, &[u8]) -> io::Result<()>,
) -> Result<(), ParseError> {
    let mut reader = readers.begin();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        if input.lines.buffer().is_empty() {
            // It may take a while until a pipe has more.
            out.flush()?;
        }
        let more = next_line(&mut input.lines, &mut line);
        if !more.map_err(|cause| InputError::read(path, cause))? {
            return Ok(());
        }
        number += 1;
        let reading = reader.read(&line, input.now);
        show(out, number, &reader, reading, &line)?;
    }
}

/// How logs are read.
struct Readers<'a> {
    /// As of this dialect, if of one.
    dialect: Option<&'static Dialect>,
    zone: TimeZone,
    patterns: &'a Arc<PatternSet>,
}

impl Readers<'_> {
    fn begin(&self) -> Reader {
        let zone = self.zone.clone();
        match self.dialect {
            Some(dialect) => Reader::only(zone, dialect),
            None => Reader::new(zone).with_patterns(self.patterns.clone()),
        }
    }
}

/// A time zone by its IANA name.
pub(super) fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| "not an IANA name, such as \"Europe/Berlin\" or \"UTC\"".to_owned())
}

fn dialect_names() -> impl Iterator<Item = &'static str> {
    DIALECTS.iter().map(|dialect| dialect.name)
}

fn dialect_of(name: &str) -> Option<&'static Dialect> {
    DIALECTS
        .iter()
        .copied()
        .find(|dialect| dialect.name == name)
}

/// How many lines said what.
#[derive(Default)]
struct Total {
    lines: u64,
    events: u64,
    offences: u64,
    unknown: u64,
    refused: u64,
    /// Lines that the logger says it lost.
    lost: u64,
}

impl Total {
    fn count(&mut self, reading: &Reading) {
        self.lines += 1;
        match reading {
            Reading::Event(event) => {
                self.events += 1;
                self.offences += u64::from(event.is_offence());
            }
            Reading::Ignored => {}
            Reading::Unknown => self.unknown += 1,
            Reading::Refused => self.refused += 1,
        }
    }
}

impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = |count| if count == 1 { "" } else { "s" };
        write!(
            f,
            "{} line{}: {} event{} ({} offence{}), {} not understood, {} with two addresses",
            self.lines,
            s(self.lines),
            self.events,
            s(self.events),
            self.offences,
            s(self.offences),
            self.unknown,
            self.refused,
        )?;
        match self.lost {
            0 => Ok(()),
            lost => write!(f, "; the logger lost {lost} more"),
        }
    }
}

#[cfg(test)]
mod tests;
