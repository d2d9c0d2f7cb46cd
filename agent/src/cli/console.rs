//! What a command works with: the caller's output, and the agent's answers.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};

use ipnet::IpNet;
use serde::Serialize;

use super::{
    failure::Failure,
    paint::{Paint, Tone},
    table::Table,
};
use crate::{
    control::{
        self,
        client::Answers,
        protocol::{Answer, Request},
    },
    daemon::Paths,
    line,
};

/// Most characters of a warning.
const WARNING_MAX: usize = 1024;
/// Most characters of a fact.
const VALUE_MAX: usize = 1024;

/// Who reads the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A person.
    Human,
    /// A script, tab-separated.
    Plain,
    /// A script, JSON.
    Json,
}

/// How much is said beside the results.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Volume {
    /// Nothing.
    Quiet,
    /// What is worth knowing.
    Normal,
    /// What helps to understand.
    Verbose,
    /// Everything.
    Everything,
}

/// The caller's output and the way to the agent.
#[derive(Debug)]
pub struct Console {
    /// Who reads.
    pub format: Format,
    /// How much is said.
    pub volume: Volume,
    /// Whether stdout has colour.
    pub paint: Paint,
    /// Whether stderr has colour.
    pub paint_of_stderr: Paint,
    /// Where the agent keeps its things.
    pub paths: Paths,
    out: BufWriter<Stdout>,
}

impl Console {
    /// With colour as `paints` have it: that of stdout, that of stderr.
    pub(super) fn new(format: Format, volume: Volume, paints: [Paint; 2], paths: Paths) -> Self {
        let [paint, paint_of_stderr] = paints;
        Self {
            format,
            volume,
            paint,
            paint_of_stderr,
            paths,
            out: BufWriter::new(io::stdout()),
        }
    }

    /// Asks the agent.
    ///
    /// # Errors
    ///
    /// When there is no answer, or a refusal.
    pub fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        let socket = control::socket_path(&self.paths.run_dir);
        Ok(control::ask(&socket, request)?)
    }

    /// Asks the agent for a stream of answers.
    ///
    /// # Errors
    ///
    /// When the agent cannot be reached.
    pub fn follow(&self, request: &Request) -> Result<Answers, Failure> {
        let socket = control::socket_path(&self.paths.run_dir);
        Ok(control::follow(&socket, request)?)
    }

    /// Writes an answer as JSON on a line.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn json(&mut self, answer: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, answer).map_err(io::Error::from)?;
        writeln!(self.out)?;
        Ok(())
    }

    /// Writes a list in the caller's format: all of the `answer`, or its `table` with a `footer` for people.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn list(
        &mut self,
        answer: &impl Serialize,
        table: &Table,
        footer: &str,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(answer)?,
            Format::Plain => table.write_plain(&mut self.out)?,
            Format::Human => {
                if !table.is_empty() {
                    table.write_human(&mut self.out, self.paint)?;
                }
                if table.is_empty() || self.volume > Volume::Quiet {
                    self.line(footer)?;
                }
            }
        }
        Ok(())
    }

    /// Writes what was done, in the caller's format: all of the `answer`, the fields of a plain line, or a sentence.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn done(
        &mut self,
        answer: &impl Serialize,
        plain: &[&str],
        sentence: &str,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(answer),
            Format::Plain => self.line(&plain.join("\t")),
            Format::Human if self.volume > Volume::Quiet => self.line(sentence),
            Format::Human => Ok(()),
        }
    }

    /// Writes with which networks it was done, in the caller's format: all of the `answer`, a network a line, or a sentence,
    /// but none where there was none.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn done_with(
        &mut self,
        answer: &impl Serialize,
        nets: &[IpNet],
        sentence: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(answer),
            Format::Plain => nets.iter().try_for_each(|net| self.line(&net.to_string())),
            Format::Human if nets.is_empty() || self.volume == Volume::Quiet => Ok(()),
            Format::Human => self.line(&sentence()),
        }
    }

    /// Writes a line as it is.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.out, "{text}")?;
        Ok(())
    }

    /// Prints what is known of one thing: a name and a value on each line.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn facts(&mut self, facts: &[(&str, String)]) -> Result<(), Failure> {
        let longest = facts.iter().map(|(name, _)| name.len()).max();
        let width = longest.unwrap_or_default().max(8);
        for (name, value) in facts {
            let name = format!("{name:<width$}");
            let name = self.paint.dress(Tone::Strong, &name);
            let value = line::escaped(value.as_bytes(), VALUE_MAX);
            writeln!(self.out, "{name}  {value}")?;
        }
        Ok(())
    }

    /// Where tables and files are written to.
    pub fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Whether somebody looks at stdout.
    pub fn is_terminal(&self) -> bool {
        self.out.get_ref().is_terminal()
    }

    /// Sends on what was written so far.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()?;
        Ok(())
    }

    /// Says on stderr what belongs to the answer, but not into what stdout is piped to.
    pub fn note(&self, text: &str) {
        if self.volume > Volume::Quiet {
            let text = line::escaped(text.as_bytes(), WARNING_MAX);
            // Where stderr is closed, nobody can be told.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Says on stderr what the caller should know all the same.
    pub fn warn(&self, text: &str) {
        if self.volume > Volume::Quiet {
            let label = self.paint_of_stderr.dress(Tone::Odd, "warning:");
            let text = line::escaped(text.as_bytes(), WARNING_MAX);
            // Where stderr is closed, nobody can be warned.
            let _ = writeln!(io::stderr(), "{label} {text}");
        }
    }
}
