//! The manual: a page for the program and each of its commands, from what `--help` says, and one for the configuration.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use clap_mangen::roff::{Roff, bold, roman};
use mailwall::config::Config;

/// Writes the pages of section 1 and 5 into these folders.
pub fn write(command: &clap::Command, commands: &Path, formats: &Path) -> Result<()> {
    let command = command.clone().disable_help_subcommand(true);
    clap_mangen::generate_to(command, commands).context("write the manual")?;
    let path = formats.join("mailwall.toml.5");
    fs::write(&path, configuration()).with_context(|| format!("write {}", path.display()))
}

/// `mailwall.toml(5)`: the default configuration, which explains itself.
fn configuration() -> String {
    let mut page = Roff::new();
    page.control("TH", ["mailwall.toml", "5", "", "", "mailwall"]);
    page.control("SH", ["NAME"]);
    page.text([roman("mailwall.toml - the configuration of mailwall")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([
        bold("/etc/mailwall/mailwall.toml"),
        roman(
            " is TOML. A setting that is left out has its default; an unknown one is an error. This is the default \
             configuration, with every setting explained, as ",
        ),
        bold("mailwall config default"),
        roman(" prints it:"),
    ]);
    page.control("nf", []);
    page.text([roman(Config::default_text())]);
    page.control("fi", []);
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("mailwall"), roman("(1)")]);
    page.to_roff()
}
