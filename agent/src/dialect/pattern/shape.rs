//! What a pattern may say: the rule that makes its address certain.
//!
//! A client may choose part of nearly every line, and there it writes what a pattern looks for. So:
//!
//! - A pattern matches a text from its beginning to its end.
//! - `(?<address>)` stands in it once, always takes part, and is empty: what it matches, an address and nothing else, is not
//!   the author's to say. What stands before it ends with, and what follows it begins with, text that no address holds, so
//!   that it matches a whole one.
//! - On one side of it, before or after, everything is *fixed*: literal text, stamps, and repeated classes that hold no blank,
//!   no `.` and no `:` (words, numbers, ids), and none of it is the `account` or the `recipient`. A fixed side is the
//!   program's own text and can hold no address, so the place of the address is counted from that end of the line, whatever
//!   a client wrote into the other side.
//! - Where both sides hold a client's text no pattern can tell which address is whose. `sole_address = true` says that the
//!   program writes exactly one into each line: then a line that holds another is refused.

use regex_syntax::{
    ast::{self, Ast, FlagsItemKind, GroupKind},
    hir::{Class, Hir, HirKind},
};

use super::PatternError;

/// Most bytes of a pattern.
pub const MATCH_MAX: usize = 1024;
/// Deepest nesting of groups.
const NEST_MAX: u32 = 16;
/// The parts that a pattern may name.
const PARTS: [&str; 5] = ["address", "account", "recipient", "event", "stamp"];

/// An address literal; whether it is one is for the standard library to say.
const ADDRESS: &str = "(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9]{1,3}(?:\\.[0-9]{1,3}){3}\
    |[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}\
    |[0-9]{1,3}(?:\\.[0-9]{1,3}){3}";

/// What a pattern matches.
pub(super) struct Shape {
    /// The regex, with what `address` and `stamp` stand for.
    pub(super) regex: String,
    pub(super) parts: Vec<&'static str>,
}

/// What is demanded of the parts of a pattern.
#[derive(Clone, Copy)]
pub(super) struct Demands<'a> {
    /// The regex of the stamp, where lines begin with one.
    pub(super) stamp: Option<&'a str>,
    pub(super) address: bool,
    pub(super) sole_address: bool,
}

impl Shape {
    pub(super) fn read(text: &str, demands: Demands<'_>) -> Result<Self, PatternError> {
        if text.len() > MATCH_MAX {
            return Err(PatternError::TooLong);
        }
        let groups = groups(text)?;
        let mut regex = text.to_owned();
        let mut parts = Vec::new();
        // From the right, so that the places of those before stay.
        for group in groups.iter().rev() {
            let (name, filling) = match group.name.as_str() {
                "address" => ("address", Some(ADDRESS)),
                "stamp" => (
                    "stamp",
                    Some(demands.stamp.ok_or(PatternError::NoStampForm)?),
                ),
                name => {
                    let known = PARTS.iter().find(|part| **part == name);
                    (
                        *known.ok_or_else(|| PatternError::Part(name.to_owned()))?,
                        None,
                    )
                }
            };
            if let Some(filling) = filling {
                if !group.is_empty {
                    return Err(PatternError::Filled(name));
                }
                regex.replace_range(group.from..group.to, &format!("(?P<{name}>{filling})"));
            }
            parts.push(name);
        }
        for (part, is_demanded) in [
            ("address", demands.address),
            ("stamp", demands.stamp.is_some()),
        ] {
            if is_demanded && !parts.contains(&part) {
                return Err(PatternError::Lacks(part));
            }
        }
        let hir = regex_syntax::ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .nest_limit(2 * NEST_MAX)
            .build()
            .parse(&regex)
            .map_err(|error| PatternError::Syntax(one_line(&error.to_string())))?;
        if !hir.properties().look_set().is_empty() {
            return Err(PatternError::Look);
        }
        if parts.contains(&"address") {
            check(&hir, demands.sole_address)?;
        }
        Ok(Self { regex, parts })
    }
}

/// A named group, as it is written.
struct Group {
    name: String,
    from: usize,
    to: usize,
    is_empty: bool,
}

fn groups(text: &str) -> Result<Vec<Group>, PatternError> {
    let syntax = |error: &dyn ToString| PatternError::Syntax(one_line(&error.to_string()));
    let ast = ast::parse::ParserBuilder::new()
        .nest_limit(NEST_MAX)
        .build()
        .parse(text)
        .map_err(|error| syntax(error.kind()))?;
    ast::visit(&ast, Groups(Vec::new()))
}

struct Groups(Vec<Group>);

impl ast::Visitor for Groups {
    type Output = Vec<Group>;
    type Err = PatternError;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        let flags = match ast {
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => match &group.kind {
                GroupKind::CaptureIndex(_) => None,
                GroupKind::NonCapturing(flags) => Some(flags),
                GroupKind::CaptureName { name, .. } => {
                    self.0.push(Group {
                        name: name.name.clone(),
                        from: group.span.start.offset,
                        to: group.span.end.offset,
                        is_empty: matches!(*group.ast, Ast::Empty(_)),
                    });
                    None
                }
            },
            _ => None,
        };
        let is_allowed = |kind: &FlagsItemKind| match kind {
            FlagsItemKind::Negation => true,
            FlagsItemKind::Flag(flag) => *flag == ast::Flag::CaseInsensitive,
        };
        let mut items = flags.iter().flat_map(|flags| &flags.items);
        match items.all(|item| is_allowed(&item.kind)) {
            true => Ok(()),
            false => Err(PatternError::Flags),
        }
    }
}

/// Whether the place of the address is certain.
fn check(hir: &Hir, sole_address: bool) -> Result<(), PatternError> {
    let mut items = Vec::new();
    flatten(hir, &mut items);
    let Some(at) = items.iter().position(|item| is_part(item, "address")) else {
        return Err(PatternError::Inside);
    };
    let (before, after) = (&items[..at], &items[at + 1..]);
    if !ends_apart(before) {
        return Err(PatternError::TouchesBefore);
    }
    if may_continue(after) {
        return Err(PatternError::TouchesAfter);
    }
    let is_fixed = |side: &[&Hir]| side.iter().all(|item| is_fixed(item));
    if sole_address || is_fixed(before) || is_fixed(after) {
        Ok(())
    } else {
        Err(PatternError::Uncertain)
    }
}

/// What follows one another at the top, also within groups without a name.
fn flatten<'h>(hir: &'h Hir, items: &mut Vec<&'h Hir>) {
    match hir.kind() {
        HirKind::Concat(parts) => parts.iter().for_each(|part| flatten(part, items)),
        HirKind::Capture(group) if group.name.is_none() => flatten(&group.sub, items),
        _ => items.push(hir),
    }
}

fn is_part(hir: &Hir, part: &str) -> bool {
    matches!(hir.kind(), HirKind::Capture(group) if group.name.as_deref() == Some(part))
}

/// Whether nothing in it can be a client's text, or an address.
fn is_fixed(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) | HirKind::Class(_) => true,
        HirKind::Repetition(repetition) => match repetition.sub.kind() {
            HirKind::Class(class) => !class_holds(class, |byte| b" \t.:".contains(&byte)),
            HirKind::Literal(literal) if literal.0.len() == 1 => true,
            _ => repetition.max == Some(1) && is_fixed(&repetition.sub),
        },
        HirKind::Capture(group) => match group.name.as_deref() {
            Some("stamp") => true,
            Some("account" | "recipient") => false,
            _ => is_fixed(&group.sub),
        },
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_fixed),
    }
}

/// Whether what stands before the address ends with a byte that no address holds or, as `ip:` and `IPv6:` do, with literal
/// text that has one.
fn ends_apart(before: &[&Hir]) -> bool {
    let Some((last, rest)) = before.split_last() else {
        return true;
    };
    let may_be_empty = last.properties().minimum_len() == Some(0);
    is_apart(last) && (!may_be_empty || ends_apart(rest))
}

fn is_apart(hir: &Hir) -> bool {
    let is_address_byte = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => !literal.0.iter().all(|&byte| is_address_byte(byte)),
        HirKind::Class(class) => !class_holds(class, is_address_byte),
        HirKind::Repetition(repetition) => is_apart(&repetition.sub),
        HirKind::Capture(group) => is_apart(&group.sub),
        HirKind::Concat(parts) => ends_apart(&parts.iter().collect::<Vec<_>>()),
        HirKind::Alternation(parts) => parts.iter().all(is_apart),
    }
}

/// Whether what follows the address may begin with a digit of one.
fn may_continue(after: &[&Hir]) -> bool {
    let Some((first, rest)) = after.split_first() else {
        return false;
    };
    let may_be_empty = first.properties().minimum_len() == Some(0);
    may_begin_with_digit(first) || (may_be_empty && may_continue(rest))
}

fn may_begin_with_digit(hir: &Hir) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_hexdigit();
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.first().is_some_and(|&byte| is_digit(byte)),
        HirKind::Class(class) => class_holds(class, is_digit),
        HirKind::Repetition(repetition) => may_begin_with_digit(&repetition.sub),
        HirKind::Capture(group) => may_begin_with_digit(&group.sub),
        HirKind::Concat(parts) => may_continue(&parts.iter().collect::<Vec<_>>()),
        HirKind::Alternation(parts) => parts.iter().any(may_begin_with_digit),
    }
}

fn class_holds(class: &Class, is: impl Fn(u8) -> bool) -> bool {
    match class {
        Class::Bytes(class) => class
            .iter()
            .any(|range| (range.start()..=range.end()).any(&is)),
        // Without Unicode there is none.
        Class::Unicode(_) => true,
    }
}

/// The last line of a message of the parser says what is wrong; those above show where.
fn one_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or(message);
    last.trim_start_matches("error: ").to_owned()
}
