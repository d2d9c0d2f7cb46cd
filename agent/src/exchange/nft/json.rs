//! What `nft -j list` prints.

use std::time::Duration;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    super::{
        Imported, Options,
        imported::{Place, shown},
        net,
    },
    Element, is_of_nets, is_wanted, nets, note_type,
};

#[derive(Deserialize)]
struct Document {
    nftables: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    set: Option<Set>,
}

#[derive(Deserialize)]
struct Set {
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    elem: Vec<Value>,
    timeout: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Kind {
    One(String),
    Several(Vec<String>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Address(String),
    Prefix { prefix: Prefix },
    Range { range: [String; 2] },
    Timed { elem: Box<Timed> },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Prefix {
    addr: String,
    len: u8,
}

#[derive(Deserialize)]
struct Timed {
    val: Value,
    timeout: Option<u64>,
    expires: Option<u64>,
    comment: Option<String>,
}

/// Reads it; the names of the sets, or `None` when it is no such document.
pub(super) fn read(text: &[u8], options: &Options, into: &mut Imported) -> Option<Vec<String>> {
    let document: Document = match serde_json::from_slice(text) {
        Ok(document) => document,
        Err(error) => {
            into.mistake_with(
                error.line() as u64,
                format!(
                    "nothing that nft -j prints: {}",
                    shown(error.to_string().as_bytes())
                ),
                "nft -j list set FAMILY TABLE SET prints a set",
            );
            return None;
        }
    };
    let mut names = Vec::new();
    for set in document.nftables.into_iter().filter_map(|item| item.set) {
        names.push(set.name.clone());
        let kind = match &set.kind {
            Kind::One(kind) => kind.clone(),
            Kind::Several(kinds) => kinds.join(" . "),
            Kind::Other(_) => String::new(),
        };
        if !is_of_nets(&kind) {
            note_type(&set.name, &kind, Place::All, options, into);
            continue;
        }
        if !is_wanted(&set.name, options) {
            into.left_alone += set.elem.len() as u64;
            continue;
        }
        into.lines += set.elem.len() as u64;
        for (value, number) in set.elem.iter().zip(1_u64..) {
            let place = Place::At(format!(
                "set {}, element {number}",
                shown(set.name.as_bytes())
            ));
            let (value, timed) = match value {
                Value::Timed { elem } => (&elem.val, Some(elem)),
                value => (value, None),
            };
            let (text, nets) = match value {
                Value::Address(text) => (text.clone(), nets(text)),
                Value::Prefix { prefix } => {
                    let text = format!("{}/{}", prefix.addr, prefix.len);
                    let net = net::parse(&text).map(|net| vec![net]);
                    (text, net)
                }
                Value::Range {
                    range: [first, last],
                } => (format!("{first}-{last}"), net::range(first, last)),
                Value::Timed { .. } | Value::Other(_) => {
                    into.mistake(place, "an element that is no address and no network");
                    continue;
                }
            };
            let left = timed
                .and_then(|timed| timed.expires.or(timed.timeout))
                .or(set.timeout);
            let element = Element {
                set: &set.name,
                nets,
                text: &text,
                left: left.map(Duration::from_secs),
                comment: timed.and_then(|timed| timed.comment.as_deref()),
            };
            element.take(place, options, into);
        }
    }
    Some(names)
}
