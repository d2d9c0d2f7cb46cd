//! What `nft list` prints, and what `nft -f` reads, as far as it is sets and their elements.

use std::{iter::Peekable, time::Duration};

use super::{
    super::{Imported, Options, imported::shown},
    Element, duration, is_of_nets, is_wanted, nets, note_type,
    tokens::{Kind, Token, Tokens},
};

/// Reads it; the names of the sets.
pub(super) fn read(text: &str, options: &Options, into: &mut Imported) -> Option<Vec<String>> {
    let mut tokens = Tokens::of(text).peekable();
    let mut names = Vec::new();
    // The last words of this line.
    let mut words: Vec<&str> = Vec::new();
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Word(word) => words.push(word),
            Kind::Sign('{') => {
                let line = token.line;
                match words.as_slice() {
                    ["set", name] | ["add", "set", _, _, name] => {
                        names.push((*name).to_owned());
                        set(name, &mut tokens, options, into);
                    }
                    ["add", "element", _, _, name] => {
                        names.push((*name).to_owned());
                        let set = Set {
                            name,
                            timeout: None,
                            is_wanted: is_wanted(name, options),
                        };
                        elements(&set, line, &mut tokens, options, into);
                    }
                    _ => {}
                }
                words.clear();
            }
            Kind::Sign('}' | ';') | Kind::End => words.clear(),
            Kind::Sign(_) | Kind::Quoted(_) => {}
        }
    }
    into.lines = text.lines().count() as u64;
    Some(names)
}

struct Set<'a> {
    name: &'a str,
    timeout: Option<Duration>,
    is_wanted: bool,
}

/// Reads what is between the braces of a set.
fn set<'a>(
    name: &'a str,
    tokens: &mut Peekable<Tokens<'a>>,
    options: &Options,
    into: &mut Imported,
) {
    let mut set = Set {
        name,
        timeout: None,
        is_wanted: is_wanted(name, options),
    };
    let mut words: Vec<&str> = Vec::new();
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Word(word) => words.push(word),
            Kind::Sign('}') => return,
            Kind::Sign('{') => {
                match words.as_slice() {
                    ["elements"] => elements(&set, token.line, tokens, options, into),
                    _ => pass_over(tokens),
                }
                words.clear();
            }
            Kind::Sign(';') | Kind::End => {
                match words.as_slice() {
                    ["type" | "typeof", kind @ ..] => {
                        let kind = kind.join(" ");
                        if !is_of_nets(&kind) {
                            note_type(name, &kind, token.line.into(), options, into);
                            set.is_wanted = false;
                        }
                    }
                    ["timeout", length] => set.timeout = duration(length),
                    _ => {}
                }
                words.clear();
            }
            Kind::Sign(_) | Kind::Quoted(_) => {}
        }
    }
}

/// Reads to the end of what a brace opened.
fn pass_over(tokens: &mut Peekable<Tokens<'_>>) {
    let mut depth = 1_u32;
    for token in tokens.by_ref() {
        match token.kind {
            Kind::Sign('{') => depth += 1,
            Kind::Sign('}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// Reads elements, which begin on the line `begin`, to the brace that ends them.
fn elements<'a>(
    set: &Set<'_>,
    begin: u64,
    tokens: &mut Peekable<Tokens<'a>>,
    options: &Options,
    into: &mut Imported,
) {
    let mut element: Vec<Token<'a>> = Vec::new();
    for token in tokens.by_ref() {
        match token.kind {
            Kind::End => {}
            Kind::Sign(sign @ (',' | '}')) => {
                if !element.is_empty() {
                    take(set, &element, options, into);
                    element.clear();
                }
                if sign == '}' {
                    return;
                }
            }
            _ => element.push(token),
        }
    }
    // The last one may be cut as well: its address then is another.
    into.mistake_with(
        begin,
        format!(
            "the elements of set {} do not end",
            shown(set.name.as_bytes())
        ),
        "the file is cut",
    );
}

fn take(set: &Set<'_>, element: &[Token<'_>], options: &Options, into: &mut Imported) {
    if !set.is_wanted {
        into.left_alone += 1;
        return;
    }
    let Some((
        Token {
            line,
            kind: Kind::Word(text),
        },
        rest,
    )) = element.split_first()
    else {
        let line = element.first().map_or(0, |token| token.line);
        return into.mistake(line, "an element that is no address and no network");
    };
    let mut left = set.timeout;
    let mut comment = None;
    for pair in rest.windows(2) {
        match (pair[0].kind, pair[1].kind) {
            // What is left comes behind what there was.
            (Kind::Word("timeout" | "expires"), Kind::Word(length)) => match duration(length) {
                Some(length) => left = Some(length),
                None => {
                    let text = format!("{} is no time", shown(length.as_bytes()));
                    return into.mistake(pair[1].line, text);
                }
            },
            (Kind::Word("comment"), Kind::Quoted(text)) => comment = Some(text),
            _ => {}
        }
    }
    let element = Element {
        set: set.name,
        nets: nets(text),
        text,
        left,
        comment,
    };
    element.take((*line).into(), options, into);
}
