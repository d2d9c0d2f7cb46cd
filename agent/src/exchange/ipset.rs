//! `ipset save`: sets of addresses and networks, with what is left of each entry.

use std::{
    collections::HashMap,
    io::{self, BufRead, Write},
    time::{Duration, SystemTime},
};

use ipnet::IpNet;

use super::{
    Entry, Format, Imported, Options, Read, Remarks,
    imported::{Place, shown},
    net,
    text::{Line, lines},
};

pub(super) const FORMAT: Format = Format {
    name: "ipset",
    about: "ipset save, with what is left of each entry",
    read: Read::Text(read),
    write: Some(write),
    has_origins: false,
};

/// Longest time-out that ipset takes, in seconds.
const TIMEOUT_MAX_S: u64 = 2_147_483;
/// Most bytes of a comment that ipset takes.
const COMMENT_MAX: usize = 255;
/// Most sets of one list.
const SETS_MAX: usize = 1000;

/// A set, as far as it is read.
struct Set {
    /// Whether its entries are addresses or networks alone.
    is_of_nets: bool,
    /// Seconds that an entry has which names none.
    timeout_s: Option<u64>,
    is_wanted: bool,
}

fn read(input: &mut dyn BufRead, options: &Options, into: &mut Imported) -> io::Result<()> {
    let mut sets: HashMap<String, Set> = HashMap::new();
    into.lines = lines(input, |number, line| {
        let text = match line {
            Line::TooLong => return into.mistake(number, "a line of too many bytes"),
            Line::Text(text) => match str::from_utf8(text) {
                Ok(text) => text.trim(),
                Err(_) => return into.mistake(number, format!("{} is no text", shown(text))),
            },
        };
        if text.is_empty() || text.starts_with('#') {
            return;
        }
        let words = words(text);
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| !matches!(*word, "-exist" | "-!" | "-q"))
            .collect();
        match words.as_slice() {
            ["create" | "-N", name, kind, rest @ ..] => {
                let is_of_nets = matches!(
                    *kind,
                    "hash:ip" | "hash:net" | "bitmap:ip" | "iphash" | "nethash"
                );
                let is_wanted = match options.only.is_empty() {
                    true => is_of_nets,
                    false => options.only.iter().any(|only| only == name),
                };
                if !is_of_nets && (is_wanted || options.only.is_empty()) {
                    let set = shown(name.as_bytes());
                    let text = format!(
                        "set {set} of type {} has more than addresses: left out",
                        shown(kind.as_bytes())
                    );
                    into.note(number, text);
                }
                let timeout_s = value(rest, "timeout").and_then(|text| text.parse().ok());
                if sets.len() >= SETS_MAX {
                    return into.mistake(number, format!("more than {SETS_MAX} sets"));
                }
                let set = Set {
                    is_of_nets,
                    timeout_s,
                    is_wanted,
                };
                sets.insert((*name).to_owned(), set);
            }
            ["add" | "-A", name, element, rest @ ..] => {
                let Some(set) = sets.get(*name) else {
                    let text = format!("set {} is not created before", shown(name.as_bytes()));
                    return into.mistake_with(number, text, "import all that ipset save wrote");
                };
                if set.is_of_nets && set.is_wanted {
                    add(name, set, element, rest, number, options, into);
                } else {
                    into.left_alone += 1;
                }
            }
            ["COMMIT" | "flush" | "-F" | "destroy" | "-X", ..] => {}
            _ => into.mistake_with(
                number,
                format!(
                    "{} is nothing that ipset save writes",
                    shown(text.as_bytes())
                ),
                "it writes create and add",
            ),
        }
    })?;
    for only in &options.only {
        if !sets.contains_key(only) {
            into.mistake(
                Place::All,
                format!("there is no set {}", shown(only.as_bytes())),
            );
        }
    }
    Ok(())
}

fn add(
    name: &str,
    set: &Set,
    element: &str,
    rest: &[&str],
    number: u64,
    options: &Options,
    into: &mut Imported,
) {
    let nets = match net::parse_range(element) {
        Ok(nets) => nets,
        Err(error) => {
            let text = format!("{}: {error}", shown(element.as_bytes()));
            return into.mistake_with(number, text, error.hint());
        }
    };
    if rest.contains(&"nomatch") {
        let text = format!("{} is an exception", shown(element.as_bytes()));
        let hint = "put it on the allowlist, and take it out of the list";
        return into.mistake_with(number, text, hint);
    }
    let timeout_s = match value(rest, "timeout") {
        None => set.timeout_s.unwrap_or(0),
        Some(text) => match text.parse() {
            Ok(seconds) => seconds,
            Err(_) => {
                let text = format!("{} is no number of seconds", shown(text.as_bytes()));
                return into.mistake(number, text);
            }
        },
    };
    // Of no seconds: for ever.
    let ends = match timeout_s {
        0 => None,
        seconds => options.now.checked_add(Duration::from_secs(seconds)),
    };
    let reason = match value(rest, "comment") {
        Some(comment) if !comment.is_empty() => comment.to_owned(),
        _ => format!("ipset {name}"),
    };
    for net in nets {
        into.ban_until(Entry::new(net, &reason), ends, options.now, number);
    }
}

/// The word behind `key`.
fn value<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == key)?;
    words.get(at + 1).copied()
}

/// Words, of which quoted ones may have spaces.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (part, is_quoted) in text.split('"').zip([false, true].into_iter().cycle()) {
        if is_quoted {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_ascii_whitespace().map(str::to_owned));
        }
    }
    words
}

fn write(
    out: &mut dyn Write,
    entries: &[Entry],
    now: SystemTime,
    notes: &mut Remarks,
) -> io::Result<()> {
    let families = [
        ("mailwall-v4", "inet", false),
        ("mailwall-v6", "inet6", true),
    ];
    for (name, family, is_v6) in families {
        let of_family = || {
            let mut all = entries.iter();
            std::iter::from_fn(move || {
                all.by_ref()
                    .find(|entry| matches!(entry.net, IpNet::V6(_)) == is_v6)
            })
        };
        let most = of_family().count().next_power_of_two().max(65_536);
        writeln!(
            out,
            "create {name} hash:net family {family} maxelem {most} timeout 0 comment"
        )?;
        for entry in of_family() {
            let left = entry
                .ends
                .map(|ends| ends.duration_since(now).unwrap_or_default());
            let timeout_s = match left {
                None => 0,
                Some(left) => left.as_secs().max(1),
            };
            if timeout_s > TIMEOUT_MAX_S {
                notes.add(
                    Place::All,
                    format!("{} ends later than ipset can tell: written with its longest time-out, {TIMEOUT_MAX_S} s", entry.net),
                    None,
                );
            }
            let timeout_s = timeout_s.min(TIMEOUT_MAX_S);
            write!(out, "add {name} {} timeout {timeout_s}", entry.net)?;
            match comment(&entry.reason) {
                comment if comment.is_empty() => writeln!(out)?,
                comment => writeln!(out, " comment \"{comment}\"")?,
            }
        }
    }
    Ok(())
}

/// A reason as a comment: without quotes, not longer than ipset takes.
fn comment(reason: &str) -> String {
    let mut text = reason.replace(['"', '\\'], "'");
    while text.len() > COMMENT_MAX {
        text.pop();
    }
    text
}
