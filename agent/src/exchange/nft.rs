//! nftables: what `nft list` and `nft -j list` print of sets of addresses and networks, with what is left of each element.

mod json;
mod ruleset;
mod tokens;

use std::{
    io::{self, BufRead, Write},
    time::{Duration, SystemTime},
};

use ipnet::IpNet;

use super::{
    Entry, Format, Imported, Options, Read, Remarks,
    imported::{Place, shown},
    net::{self, NetError},
    text::whole,
};

pub(super) const FORMAT: Format = Format {
    name: "nft",
    about: "nft list set or nft -j list set, with what is left",
    read: Read::Text(read),
    write: Some(write),
    has_origins: false,
};

/// Most bytes of a comment that nft takes.
const COMMENT_MAX: usize = 127;

/// An element of a set.
struct Element<'a> {
    set: &'a str,
    nets: Result<Vec<IpNet>, NetError>,
    /// As it was written, for remarks.
    text: &'a str,
    /// What is left of it; `None` for ever.
    left: Option<Duration>,
    comment: Option<&'a str>,
}

impl Element<'_> {
    fn take(self, place: Place, options: &Options, into: &mut Imported) {
        let nets = match self.nets {
            Ok(nets) => nets,
            Err(error) => {
                let text = format!("{}: {error}", shown(self.text.as_bytes()));
                return into.mistake_with(place, text, error.hint());
            }
        };
        let ends = self.left.and_then(|left| options.now.checked_add(left));
        let reason = match self.comment {
            Some(comment) if !comment.is_empty() => comment.to_owned(),
            _ => format!("nft {}", self.set),
        };
        for net in nets {
            into.ban_until(Entry::new(net, &reason), ends, options.now, place.clone());
        }
    }
}

/// Whether a set of this name is wanted.
fn is_wanted(name: &str, options: &Options) -> bool {
    options.only.is_empty() || options.only.iter().any(|only| only == name)
}

/// Whether a set of this type is of addresses alone.
fn is_of_nets(kind: &str) -> bool {
    let kind = kind.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    matches!(
        kind.as_str(),
        "ipv4_addr" | "ipv6_addr" | "ip saddr" | "ip daddr" | "ip6 saddr" | "ip6 daddr"
    )
}

fn note_type(name: &str, kind: &str, place: Place, options: &Options, into: &mut Imported) {
    if is_wanted(name, options) {
        let (name, kind) = (shown(name.as_bytes()), shown(kind.as_bytes()));
        into.note(
            place,
            format!("set {name} of type {kind} has more than addresses: left out"),
        );
    }
}

fn read(input: &mut dyn BufRead, options: &Options, into: &mut Imported) -> io::Result<()> {
    let text = whole(input)?;
    let begin = text.iter().find(|byte| !byte.is_ascii_whitespace());
    let sets = match begin {
        Some(b'{') => json::read(&text, options, into),
        _ => match str::from_utf8(&text) {
            Ok(text) => ruleset::read(text, options, into),
            Err(_) => {
                into.mistake(Place::All, "no text");
                return Ok(());
            }
        },
    };
    let Some(sets) = sets else { return Ok(()) };
    for only in &options.only {
        if !sets.iter().any(|set| set == only) {
            into.mistake(
                Place::All,
                format!("there is no set {}", shown(only.as_bytes())),
            );
        }
    }
    if sets.is_empty() && into.mistakes.is_empty() {
        into.mistake_with(
            Place::All,
            "no set in it",
            "nft list set FAMILY TABLE SET prints one",
        );
    }
    Ok(())
}

fn write(
    out: &mut dyn Write,
    entries: &[Entry],
    now: SystemTime,
    notes: &mut Remarks,
) -> io::Result<()> {
    writeln!(out, "table inet mailwall {{")?;
    for (name, kind, is_v6) in [
        ("banned_v4", "ipv4_addr", false),
        ("banned_v6", "ipv6_addr", true),
    ] {
        let mut sorted: Vec<&Entry> = entries
            .iter()
            .filter(|entry| matches!(entry.net, IpNet::V6(_)) == is_v6)
            .collect();
        sorted.sort_by_key(|entry| entry.net);
        writeln!(out, "\tset {name} {{")?;
        writeln!(out, "\t\ttype {kind}")?;
        writeln!(out, "\t\tflags interval,timeout")?;
        let mut wide: Option<&Entry> = None;
        let mut is_first = true;
        for entry in sorted {
            // Elements of a set do not overlap.
            if let Some(around) = wide
                && around.net.contains(&entry.net)
            {
                if ends_later(entry, around) {
                    let text = format!(
                        "{} lies in {}, which ends sooner: left out, elements of a set do not overlap",
                        entry.net, around.net
                    );
                    notes.add(Place::All, text, None);
                }
                continue;
            }
            wide = Some(entry);
            out.write_all(match is_first {
                true => b"\t\telements = { ",
                false => b",\n\t\t\t     ",
            })?;
            is_first = false;
            write!(out, "{}", net_text(&entry.net))?;
            if let Some(ends) = entry.ends {
                let left_s = ends.duration_since(now).unwrap_or_default().as_secs();
                write!(out, " timeout {}s", left_s.max(1))?;
            }
            match comment(&entry.reason) {
                comment if comment.is_empty() => {}
                comment => write!(out, " comment \"{comment}\"")?,
            }
        }
        if !is_first {
            writeln!(out, " }}")?;
        }
        writeln!(out, "\t}}")?;
    }
    writeln!(out, "}}")
}

fn ends_later(entry: &Entry, other: &Entry) -> bool {
    match (entry.ends, other.ends) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(ends), Some(other)) => ends > other,
    }
}

fn net_text(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

/// A reason as a comment: without quotes, not longer than nft takes.
fn comment(reason: &str) -> String {
    let mut text = reason.replace(['"', '\\'], "'");
    while text.len() > COMMENT_MAX {
        text.pop();
    }
    text
}

/// A time as nft prints it: `1d2h3m4s996ms`, or seconds alone.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let unit_ms: u64 = match unit {
            "w" => 604_800_000,
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "" if after.is_empty() => 1000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(unit_ms)?))?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

fn nets(text: &str) -> Result<Vec<IpNet>, NetError> {
    net::parse_range(text)
}
