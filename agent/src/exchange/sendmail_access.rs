//! Sendmail's access map, as `makemap` reads it: a key, space, a value.
//!
//! Sendmail asks for the longest key that fits, so that an entry is what it says but for the more special ones inside it. What
//! is refused for good is a ban, less what a more special entry lets through; `ClientRate:` and `ClientConn:` are limits. All
//! the rest is the mail server's, and stays there.

mod key;
mod limits;
mod tag;
mod value;

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, Write},
    time::SystemTime,
};

use ipnet::IpNet;

use self::{
    key::Subject,
    limits::Limits,
    tag::{Named, Tag},
    value::Verdict,
};
use super::{
    Entry, Format, Imported, Options, Read, Remarks,
    imported::{Allowed, Place, shown},
    net::without,
    text::{Line, lines, word},
};

pub(super) const FORMAT: Format = Format {
    name: "sendmail-access",
    about: "Sendmail's access map",
    read: Read::Text(read),
    write: Some(write),
    has_origins: false,
};

/// What the map says of connections.
#[derive(Default)]
struct Access {
    /// Where a key was first seen.
    seen: HashMap<(&'static str, Subject), u64>,
    /// What becomes of who connects, and whether the entry names its tag.
    connects: BTreeMap<IpNet, (Verdict, u64, bool)>,
    limits: Limits,
    /// Milliseconds of the pause before the greeting.
    pauses: BTreeMap<IpNet, (u32, u64)>,
}

fn read(input: &mut dyn BufRead, _: &Options, into: &mut Imported) -> io::Result<()> {
    let mut access = Access::default();
    into.lines = lines(input, |number, line| match line {
        Line::TooLong => into.mistake(number, "a line of too many bytes"),
        Line::Text(text) => match str::from_utf8(text) {
            Ok(text) => access.line(text, number, into),
            Err(_) => into.mistake(number, format!("{} is no text", shown(text))),
        },
    })?;
    access.finish(into);
    Ok(())
}

impl Access {
    fn line(&mut self, text: &str, number: u64, into: &mut Imported) {
        // As makemap has it: a comment begins its line.
        if text.starts_with('#') || text.trim().is_empty() {
            return;
        }
        let (key, value) = word(text);
        let (tag, rest) = match tag::split(key) {
            Named::Known(tag, rest) => (tag, rest),
            Named::Alias(tag, rest) => {
                let (name, meant) = (shown(key.as_bytes()), tag.as_str());
                into.note(
                    number,
                    format!(
                        "{name}: there is no such tag, and Sendmail passes it over; taken as {meant}:"
                    ),
                );
                (tag, rest)
            }
            Named::Unknown(tag, nearest) => {
                let text = format!("unknown tag {}", shown(tag.as_bytes()));
                match nearest {
                    Some(nearest) => {
                        into.mistake_with(number, text, format!("is {nearest}: meant?"));
                    }
                    None => into.mistake(number, text),
                }
                return;
            }
        };
        if tag == Tag::Other || (tag == Tag::None && rest.contains('@')) {
            into.left_alone += 1;
            return;
        }
        if value.is_empty() {
            return into.mistake_with(
                number,
                format!("{} has no value", shown(key.as_bytes())),
                "a key and its value have space between them",
            );
        }
        match key::subject(rest) {
            Ok((subject, hint)) => {
                if let Some(hint) = hint {
                    into.note(number, format!("{} {hint}", shown(key.as_bytes())));
                }
                self.entry(tag, subject, value, number, into);
            }
            Err(wrong) => into.mistake_with(
                number,
                format!("{} {}", shown(rest.as_bytes()), wrong.what),
                wrong.hint,
            ),
        }
    }

    fn entry(&mut self, tag: Tag, subject: Subject, value: &str, number: u64, into: &mut Imported) {
        if let Some(first) = self.seen.get(&(tag.as_str(), subject.clone())) {
            let text = format!("the same key as on line {first}, which stands");
            return into.note(number, text);
        }
        self.seen.insert((tag.as_str(), subject.clone()), number);
        match (tag, subject) {
            (_, Subject::Name(name)) => {
                into.left_alone += 1;
                let name = shown(name.as_bytes());
                let what = match tag {
                    Tag::ClientRate | Tag::ClientConn => "limits are by address",
                    _ => "the filter knows addresses only",
                };
                into.note(
                    number,
                    format!("{name} is a name, and {what}: left to Sendmail"),
                );
            }
            (Tag::ClientRate | Tag::ClientConn, subject) => {
                if let Err(wrong) = self.limits.add(tag, subject, value) {
                    into.mistake_with(number, wrong, "a number is wanted, 0 for no limit");
                }
            }
            (Tag::GreetPause, subject) => self.greet_pause(&subject, value, number, into),
            (_, Subject::Everybody) => {
                into.mistake(number, "a key without an address or a name");
            }
            (tag, Subject::Net(net)) => self.connect(net, tag, value, number, into),
        }
    }

    fn greet_pause(&mut self, subject: &Subject, value: &str, number: u64, into: &mut Imported) {
        match (subject, value.parse::<u32>()) {
            (_, Err(_)) => into.mistake_with(
                number,
                format!("{} is no number of milliseconds", shown(value.as_bytes())),
                "a number is wanted, 0 for no pause",
            ),
            (Subject::Net(net), Ok(pause_ms)) => {
                self.pauses.insert(*net, (pause_ms, number));
                into.left_alone += u64::from(pause_ms > 0);
            }
            (_, Ok(_)) => into.left_alone += 1,
        }
    }

    /// Who is not kept waiting, but for those inside who are: of an address the longest key counts.
    fn exempt(&self, into: &mut Imported) {
        let mut exempt: Vec<IpNet> = Vec::new();
        for (net, (_, line)) in self
            .pauses
            .iter()
            .filter(|(_, (pause_ms, _))| *pause_ms == 0)
        {
            let inside = self.pauses.range(*net..);
            let inside = inside.take_while(|(inner, _)| net.contains(*inner));
            let waiting: Vec<IpNet> = inside
                .filter(|(_, (pause_ms, _))| *pause_ms > 0)
                .map(|(inner, _)| *inner)
                .collect();
            match without(*net, &waiting) {
                Some(nets) => exempt.extend(nets),
                None => into.mistake(
                    *line,
                    format!("{net} has too many exceptions to be spared without them"),
                ),
            }
        }
        into.exempt.extend(IpNet::aggregate(&exempt));
    }

    fn connect(&mut self, net: IpNet, tag: Tag, value: &str, number: u64, into: &mut Imported) {
        let Some(verdict) = value::verdict(value) else {
            return into.mistake_with(
                number,
                format!("unknown action {}", shown(value.as_bytes())),
                "REJECT, DISCARD, ERROR:..., OK, RELAY, SKIP or 550 and a text are known",
            );
        };
        if verdict == Verdict::Temporary {
            let text = "a refusal for now: left to Sendmail, a ban is for good";
            into.note(number, text);
        }
        let is_tagged = tag == Tag::Connect;
        // Of the same address the tagged entry is asked first.
        match self.connects.get(&net) {
            Some((_, _, true)) if !is_tagged => {}
            _ => {
                self.connects.insert(net, (verdict, number, is_tagged));
            }
        }
    }

    /// What follows from all lines together.
    fn finish(self, into: &mut Imported) {
        let mut in_order: Vec<_> = self.connects.iter().collect();
        in_order.sort_by_key(|(_, (_, line, _))| *line);
        for (net, (verdict, line, _)) in in_order {
            match verdict {
                Verdict::Refused(reason) => {
                    let inside = self.connects.range(*net..);
                    let inside = inside.take_while(|(inner, _)| net.contains(*inner));
                    let spared: Vec<IpNet> = inside
                        .filter(|(_, (verdict, ..))| !matches!(verdict, Verdict::Refused(_)))
                        .map(|(inner, _)| *inner)
                        .collect();
                    refuse(*net, &spared, reason, *line, into);
                }
                Verdict::Passed => into.allowed.push(Allowed {
                    net: *net,
                    place: Place::Line(*line),
                }),
                Verdict::Temporary | Verdict::NotAsked | Verdict::Other => into.left_alone += 1,
            }
        }
        self.exempt(into);
        self.limits.finish(into);
    }
}

/// Bans `net` without the `spared` inside it.
fn refuse(net: IpNet, spared: &[IpNet], reason: &str, line: u64, into: &mut Imported) {
    match without(net, spared) {
        Some(nets) => {
            for net in nets {
                into.ban(Entry::new(net, reason), line);
            }
        }
        None => into.mistake_with(
            line,
            format!("{net} has too many exceptions to be banned without them"),
            "ban it without, and put the exceptions on the allowlist",
        ),
    }
}

fn write(
    out: &mut dyn Write,
    entries: &[Entry],
    _: SystemTime,
    notes: &mut Remarks,
) -> io::Result<()> {
    for entry in entries {
        match key::written(&entry.net) {
            Some(keys) => {
                for key in keys {
                    writeln!(out, "Connect:{key}\tREJECT")?;
                }
            }
            None => notes.add(
                Place::All,
                format!("{} would be too many entries: left out", entry.net),
                None,
            ),
        }
    }
    let with_end = entries.iter().filter(|entry| entry.ends.is_some()).count();
    if with_end > 0 {
        notes.add(
            Place::All,
            format!("an access map has no ends, which {with_end} bans have: write it again from time to time"),
            None,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
