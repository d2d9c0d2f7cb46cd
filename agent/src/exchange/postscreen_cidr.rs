//! Postfix's CIDR tables, as `postscreen_access_list` has them: a network and an action; the first that fits counts.

use std::{
    io::{self, BufRead, Write},
    time::SystemTime,
};

use ipnet::IpNet;

use super::{
    Entry, Format, Imported, Options, Read, Remarks,
    imported::{Allowed, Place, shown},
    net,
    text::{Line, lines, word},
};

pub(super) const FORMAT: Format = Format {
    name: "postscreen-cidr",
    about: "Postfix's postscreen_access_list",
    read: Read::Text(read),
    write: Some(write),
    has_origins: false,
};

fn read(input: &mut dyn BufRead, _: &Options, into: &mut Imported) -> io::Result<()> {
    // Whom earlier lines let through.
    let mut spared: Vec<IpNet> = Vec::new();
    let mut is_inside_if = false;
    into.lines = lines(input, |number, line| {
        let text = match line {
            Line::TooLong => return into.mistake(number, "a line of too many bytes"),
            Line::Text(text) => match str::from_utf8(text) {
                Ok(text) => text,
                Err(_) => return into.mistake(number, format!("{} is no text", shown(text))),
            },
        };
        if text.trim().is_empty() || text.trim_start().starts_with('#') {
            return;
        }
        if text.starts_with([' ', '\t']) {
            // It goes on with the action, of which the first word was enough.
            return;
        }
        let (key, action) = word(text);
        match key.to_ascii_lowercase().as_str() {
            "if" => {
                is_inside_if = true;
                let hint = "write the networks out";
                return into.mistake_with(number, "if and endif are not understood", hint);
            }
            "endif" => {
                is_inside_if = false;
                return;
            }
            _ if is_inside_if => return,
            _ => {}
        }
        if key.starts_with('!') {
            let hint = "write the networks out that are meant";
            return into.mistake_with(number, "an inverted pattern is not understood", hint);
        }
        let bare = key.strip_prefix('[').and_then(|key| {
            let (address, length) = key.split_once(']')?;
            Some(format!("{address}{length}"))
        });
        let net = match net::parse(bare.as_deref().unwrap_or(key)) {
            Ok(net) => net,
            Err(error) => {
                let text = format!("{}: {error}", shown(key.as_bytes()));
                return into.mistake_with(number, text, error.hint());
            }
        };
        let action = action.split_ascii_whitespace().next().unwrap_or_default();
        match action.to_ascii_lowercase().as_str() {
            "reject" => match net::without(net, &spared) {
                Some(nets) if nets.is_empty() => {
                    into.note(number, format!("{net} is let through by an earlier line"));
                }
                Some(nets) => {
                    for net in nets {
                        into.ban(Entry::new(net, "postscreen access list"), number);
                    }
                }
                None => into.mistake_with(
                    number,
                    format!("{net} has too many exceptions to be banned without them"),
                    "ban it without, and put the exceptions on the allowlist",
                ),
            },
            "permit" => {
                spared.push(net);
                into.allowed.push(Allowed {
                    net,
                    place: number.into(),
                });
            }
            "dunno" => {
                spared.push(net);
                into.left_alone += 1;
            }
            "" => into.mistake_with(
                number,
                format!("{net} has no action"),
                "permit, reject and dunno are known",
            ),
            _ => into.mistake_with(
                number,
                format!("unknown action {}", shown(action.as_bytes())),
                "permit, reject and dunno are known",
            ),
        }
    })?;
    Ok(())
}

fn write(
    out: &mut dyn Write,
    entries: &[Entry],
    _: SystemTime,
    notes: &mut Remarks,
) -> io::Result<()> {
    for entry in entries {
        writeln!(out, "{}\treject", entry.net)?;
    }
    let with_end = entries.iter().filter(|entry| entry.ends.is_some()).count();
    if with_end > 0 {
        notes.add(
            Place::All,
            format!("such a table has no ends, which {with_end} bans have: write it again from time to time"),
            None,
        );
    }
    Ok(())
}
