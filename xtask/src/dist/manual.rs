//! The manual: a page for the program and each of its commands, from what `--help` says, and one for the configuration.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use clap_mangen::roff::{Roff, bold, roman};
use mailwall::config::Config;

/// Where things are, if no option says otherwise.
const FILES: &[(&str, &str)] = &[
    ("/etc/mailwall/mailwall.toml", "the configuration"),
    (
        "/var/lib/mailwall/mailwall.db",
        "the database: bans, their history, what reports count",
    ),
    (
        "/run/mailwall/control.sock",
        "the control socket, by which commands reach the agent",
    ),
    (
        "/sys/fs/bpf/mailwall",
        "the filter: its maps, program and links",
    ),
    (
        "/usr/share/doc/mailwall",
        "guides for those who come from other programs, and for when something is wrong",
    ),
];

/// Writes the pages of section 1 and 5 into these folders.
pub fn write(command: &clap::Command, commands: &Path, formats: &Path) -> Result<()> {
    let command = command.clone().disable_help_subcommand(true);
    clap_mangen::generate_to(command, commands).context("write the manual")?;
    for entry in fs::read_dir(commands)? {
        let path = entry?.path();
        let mut page = with_sections(&fs::read_to_string(&path)?);
        if path.file_name().is_some_and(|name| name == "mailwall.1") {
            page.push_str(&files());
        }
        fs::write(&path, page).with_context(|| format!("write {}", path.display()))?;
    }
    let path = formats.join("mailwall.toml.5");
    fs::write(&path, configuration()).with_context(|| format!("write {}", path.display()))
}

/// The closing words of the help as sections of their own, whose lines stay as they are: `clap_mangen` makes one paragraph of them.
fn with_sections(page: &str) -> String {
    let mut text = String::new();
    let (mut is_closing, mut is_open) = (false, false);
    for line in page.lines() {
        if line == ".SH EXTRA" {
            is_closing = true;
            continue;
        }
        let is_title = is_closing && !line.is_empty() && line.chars().all(is_of_title);
        if is_open && (is_title || line.starts_with(".SH")) {
            text.push_str(".fi\n");
            is_open = false;
        }
        is_closing &= !line.starts_with(".SH");
        match (is_closing, is_title) {
            (true, true) => {
                text.push_str(&format!(".SH \"{line}\"\n.nf\n"));
                is_open = true;
            }
            (true, false) if line.is_empty() => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    if is_open {
        text.push_str(".fi\n");
    }
    text
}

fn is_of_title(c: char) -> bool {
    c.is_ascii_uppercase() || c == ' '
}

/// What else belongs to the program.
fn files() -> String {
    let mut page = Roff::new();
    page.control("SH", ["FILES"]);
    for (file, what) in FILES {
        page.control("TP", []);
        page.text([bold(*file)]);
        page.text([roman(*what)]);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("mailwall.toml"), roman("(5)")]);
    page.to_roff()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_its_examples_line_by_line_in_a_section_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        write(&mailwall::cli::command(), folder.path(), folder.path()).unwrap();
        let mut pages = 0;
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let page = fs::read_to_string(&path).unwrap();
            assert!(!page.contains("EXTRA"), "{}", path.display());
            assert_eq!(
                page.matches("\n.nf\n").count(),
                page.matches("\n.fi\n").count()
            );
            if path.extension().is_some_and(|section| section == "1") {
                let (_, examples) = page.split_once(".SH \"EXAMPLES\"\n.nf\n").unwrap();
                let (examples, _) = examples.split_once("\n.fi\n").unwrap();
                assert_eq!(examples.lines().count(), 3, "{}", path.display());
                pages += 1;
            }
        }
        assert!(pages > 40, "{pages}");
        let main = fs::read_to_string(folder.path().join("mailwall.1")).unwrap();
        assert!(main.contains(".SH \"EXIT STATUS\"\n.nf\n") && main.contains(".SH FILES"));
        let after = main.split_once(".SH \"EXIT STATUS\"").unwrap().1;
        assert!(after.contains("78"), "{after}");
    }
}
