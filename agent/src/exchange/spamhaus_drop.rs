//! Spamhaus DROP: `drop_v4.json` and `drop_v6.json`, a JSON object a line, and the text of before.

use std::io::{self, BufRead};

use serde::Deserialize;

use super::{
    Entry, Format, Imported, Options, Read,
    imported::{Place, shown},
    net,
    text::{Line, lines},
};

pub(super) const FORMAT: Format = Format {
    name: "spamhaus-drop",
    about: "Spamhaus DROP, as JSON lines or text (import only)",
    read: Read::Text(read),
    write: None,
    has_origins: false,
};

/// A line: a network, or what there is to know of all.
#[derive(Deserialize)]
struct Record {
    cidr: Option<String>,
    sblid: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    records: Option<u64>,
}

fn read(input: &mut dyn BufRead, _: &Options, into: &mut Imported) -> io::Result<()> {
    let mut is_json = false;
    let (mut records, mut is_complete) = (0_u64, false);
    let count = lines(input, |number, line| {
        let text = match line {
            Line::TooLong => return into.mistake(number, "a line of too many bytes"),
            Line::Text(text) => text.trim_ascii(),
        };
        match text.first() {
            None | Some(b';' | b'#') => {}
            Some(b'{') => {
                is_json = true;
                let record: Record = match serde_json::from_slice(text) {
                    Ok(record) => record,
                    Err(_) => {
                        let hint = "fetch the file again: it may be cut";
                        let text = format!("{} is no JSON", shown(text));
                        return into.mistake_with(number, text, hint);
                    }
                };
                if record.kind.as_deref() == Some("metadata") {
                    is_complete = true;
                    if let Some(said) = record.records
                        && said != records
                    {
                        let text = format!("{said} records are announced, {records} are there");
                        into.mistake_with(number, text, "fetch the file again");
                    }
                    records = 0;
                    return;
                }
                is_complete = false;
                records += 1;
                let sbl = record.sblid.unwrap_or_default();
                match record.cidr {
                    Some(cidr) => ban(&cidr, &sbl, number, into),
                    None => into.mistake(number, "no \"cidr\""),
                }
            }
            Some(_) => {
                let text = String::from_utf8_lossy(text);
                let (cidr, sbl) = text.split_once(';').unwrap_or((&text, ""));
                ban(cidr.trim(), sbl.trim(), number, into);
            }
        }
    })?;
    into.lines += count;
    if is_json && !is_complete {
        into.mistake_with(
            Place::All,
            "the last line, which says how many records there are, is missing",
            "fetch the file again: it is cut",
        );
    }
    Ok(())
}

fn ban(cidr: &str, sbl: &str, number: u64, into: &mut Imported) {
    match net::parse(cidr) {
        Ok(net) => into.ban(Entry::new(net, &format!("Spamhaus DROP {sbl}")), number),
        Err(error) => {
            let text = format!("{}: {error}", shown(cidr.as_bytes()));
            into.mistake_with(number, text, error.hint());
        }
    }
}
