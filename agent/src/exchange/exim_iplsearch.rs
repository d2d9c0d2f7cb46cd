//! A file for Exim's `iplsearch`: a network, a colon, a text. Exim takes the first that fits, so that the narrowest come first.

use std::{
    cmp::Reverse,
    io::{self, Write},
    time::SystemTime,
};

use ipnet::IpNet;

use super::{Entry, Format, Read, Remarks, imported::Place};

pub(super) const FORMAT: Format = Format {
    name: "exim-iplsearch",
    about: "a file for Exim's iplsearch (export only)",
    read: Read::No,
    write: Some(write),
    has_origins: false,
};

fn write(
    out: &mut dyn Write,
    entries: &[Entry],
    _: SystemTime,
    notes: &mut Remarks,
) -> io::Result<()> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| (Reverse(entry.net.prefix_len()), entry.net));
    for entry in sorted {
        let reason = entry.reason.trim();
        match entry.net {
            IpNet::V4(net) => writeln!(out, "{net}: {reason}")?,
            // A colon would end the key.
            IpNet::V6(net) => writeln!(out, "\"{net}\": {reason}")?,
        }
    }
    let with_end = entries.iter().filter(|entry| entry.ends.is_some()).count();
    if with_end > 0 {
        notes.add(
            Place::All,
            format!("such a file has no ends, which {with_end} bans have: write it again from time to time"),
            None,
        );
    }
    Ok(())
}
