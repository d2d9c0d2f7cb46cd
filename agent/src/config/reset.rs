//! Rules set back to the preset's: their `[[rule]]` are taken out of a configuration's text, and nothing else of it is touched.

use toml::de::DeValue;

use super::{
    Config,
    document::{Document, Section},
    error::ConfigError,
    preset, rule, then,
};
use crate::{ban::RuleName, rule::RuleSettings};

/// Which rules are set back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Which {
    /// The one of this name, which the preset has.
    Named(RuleName),
    /// Every one; rules that the preset does not have are deleted.
    All,
}

/// A configuration's text without some rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reset {
    /// What is left.
    pub text: String,
    /// The rules that were taken out, in their order.
    pub taken: Vec<RuleName>,
    /// The lines that were taken out, each with its number from 1.
    pub lines: Vec<(usize, String)>,
}

/// Why rules cannot be set back.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Neither preset nor configuration have it.
    #[error("no rule is named \"{0}\"")]
    Unknown(RuleName),
    /// There is nothing to go back to.
    #[error(
        "the preset \"{preset}\" has no rule \"{name}\" to go back to; it is the configuration's own, on line {line}"
    )]
    Own {
        /// Which.
        name: RuleName,
        /// The preset in use.
        preset: String,
        /// Where it stands.
        line: usize,
    },
    /// A rule that is permanent, and only of the configuration.
    #[error("the rule \"{name}\" on line {line} is permanent: it can be edited, not deleted")]
    Permanent {
        /// Which.
        name: RuleName,
        /// Where it stands.
        line: usize,
    },
    /// The text is not in the usual form.
    #[error(
        "cannot take the rule \"{0}\" out of the text without touching anything else; edit the file by hand"
    )]
    Form(RuleName),
}

/// Takes rules out of `text`, which `name` stands for in what is wrong with it.
///
/// # Errors
///
/// When the configuration is wrong, or the rules cannot be set back.
pub fn reset(text: &str, name: &str, which: &Which) -> Result<Reset, ResetError> {
    let before = Config::parse(text, name)?;
    let document = Document::new(name, text);
    let root = document.parse()?;
    let top = Section::whole(&document, &root);
    let ban = then::read_ban(&top)?;
    let of_preset = preset(&top)?.rules(ban)?;
    let own = rule::read(&top, ban, &of_preset)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let spans = match root.get("rule").map(toml::Spanned::get_ref) {
        Some(DeValue::Array(items)) => items
            .iter()
            .map(|item| (item.span().start, end(item)))
            .collect(),
        _ => Vec::new(),
    };
    let mut is_taken = vec![false; lines.len()];
    let mut taken = Vec::new();
    for (rule, (start, end)) in own.iter().zip(spans) {
        let first = line_at(text, start);
        let wanted = match which {
            Which::Named(wanted) => rule.name == *wanted,
            Which::All => true,
        };
        if !wanted {
            continue;
        }
        check(rule, which, &of_preset, &before.rules.preset, first + 1)?;
        if !lines.get(first).is_some_and(|line| is_header(line)) {
            return Err(ResetError::Form(rule.name.clone()));
        }
        let (first, last) = with_comments(&lines, first, line_at(text, end.max(start + 1) - 1));
        is_taken[first..=last].fill(true);
        taken.push(rule.name.clone());
    }
    if let Which::Named(name) = which
        && taken.is_empty()
        && !of_preset.iter().any(|rule| rule.name == *name)
    {
        return Err(ResetError::Unknown(name.clone()));
    }
    let mut reset = Reset {
        text: String::new(),
        taken,
        lines: Vec::new(),
    };
    for ((number, line), is_taken) in (1..).zip(lines).zip(is_taken) {
        if is_taken {
            let line = line.trim_end_matches('\n').to_owned();
            reset.lines.push((number, line));
        } else {
            reset.text.push_str(line);
        }
    }
    is_otherwise_the_same(&before, &reset, name)?;
    Ok(reset)
}

/// One past the last byte of what belongs to a value.
fn end(value: &toml::Spanned<DeValue<'_>>) -> usize {
    let inside = match value.get_ref() {
        DeValue::Table(entries) => entries
            .iter()
            .map(|(key, value)| key.span().end.max(end(value)))
            .max(),
        _ => None,
    };
    inside.unwrap_or(0).max(value.span().end)
}

fn check(
    rule: &RuleSettings,
    which: &Which,
    of_preset: &[RuleSettings],
    preset: &str,
    line: usize,
) -> Result<(), ResetError> {
    let name = rule.name.clone();
    if of_preset.iter().any(|known| known.name == name) {
        Ok(())
    } else if rule.permanent {
        Err(ResetError::Permanent { name, line })
    } else if *which == Which::All {
        Ok(())
    } else {
        let preset = preset.to_owned();
        Err(ResetError::Own { name, preset, line })
    }
}

/// The index of the line with the byte `at`.
fn line_at(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count()
}

fn is_header(line: &str) -> bool {
    let line = line.trim_start();
    let inner = line
        .strip_prefix("[[")
        .and_then(|rest| rest.split_once("]]"));
    inner.is_some_and(|(key, _)| key.trim() == "rule")
}

/// The lines from `first` to `last` with the comments right above them, and a blank line after them.
fn with_comments(lines: &[&str], first: usize, last: usize) -> (usize, usize) {
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    let above = lines[..first].iter().rev();
    let comments = above.take_while(|line| is_comment(line)).count();
    let is_blank = |at: usize| lines.get(at).is_some_and(|line| line.trim().is_empty());
    let last = if is_blank(last + 1) { last + 1 } else { last };
    (first - comments, last)
}

/// Reads what is left: it must say the same of everything but the rules that were taken out.
fn is_otherwise_the_same(before: &Config, reset: &Reset, name: &str) -> Result<(), ResetError> {
    let Some(first) = reset.taken.first() else {
        return Ok(());
    };
    let form = || ResetError::Form(first.clone());
    let after = Config::parse(&reset.text, name).map_err(|_| form())?;
    let others = |config: &Config| -> Vec<RuleSettings> {
        let rules = config.rules.rules.iter().map(|(rule, _)| rule);
        rules
            .filter(|rule| !reset.taken.contains(&rule.name))
            .cloned()
            .collect()
    };
    let without_rules = |config: &Config| {
        let mut config = config.clone();
        config.rules.rules.clear();
        config
    };
    if others(before) == others(&after) && without_rules(before) == without_rules(&after) {
        Ok(())
    } else {
        Err(form())
    }
}

#[cfg(test)]
mod tests {
    use super::{ResetError, Which, reset};
    use crate::ban::RuleName;

    const TEXT: &str = "\
# What is guarded.
[filter]
ports = [25] # only SMTP

# Ours is milder.
[[rule]]
name = \"dictionary\"
count = [
    \"unknown-recipient\", # [[rule]] in a comment
]
per = \"address\"
limit = 50
window = \"10m\"

# Our own.
[[rule]]
name = \"ours\"
count = \"non-smtp\"
per = \"address\"
limit = 2
window = \"1h\"
[rule.then]
ban = \"2h\"

[allow]
networks = [\"198.51.100.0/24\"]
";

    fn named(name: &str) -> Which {
        Which::Named(RuleName::new(name).unwrap())
    }

    #[test]
    fn a_rule_is_taken_out_with_its_comment_and_nothing_else_is_touched() {
        let done = reset(TEXT, "f", &named("dictionary")).unwrap();
        let start = TEXT.find("# Ours is milder.").unwrap();
        let end = TEXT.find("# Our own.").unwrap();
        assert_eq!(done.text, format!("{}{}", &TEXT[..start], &TEXT[end..]));
        assert_eq!(done.lines[0], (5, "# Ours is milder.".to_owned()));
        assert_eq!(done.taken, [RuleName::new("dictionary").unwrap()]);
        let again = reset(&done.text, "f", &named("dictionary")).unwrap();
        assert_eq!(again.taken, []);
    }

    #[test]
    fn all_takes_the_configurations_own_out_too() {
        let done = reset(TEXT, "f", &Which::All).unwrap();
        let start = TEXT.find("# Ours is milder.").unwrap();
        let end = TEXT.find("[allow]").unwrap();
        assert_eq!(done.text, format!("{}{}", &TEXT[..start], &TEXT[end..]));
    }

    #[test]
    fn what_has_nothing_to_go_back_to_stays() {
        let error = |text: &str, which: &Which| reset(text, "f", which).unwrap_err().to_string();
        assert_eq!(
            error(TEXT, &named("ours")),
            "the preset \"balanced\" has no rule \"ours\" to go back to; it is the configuration's own, on line 16"
        );
        assert_eq!(error(TEXT, &named("other")), "no rule is named \"other\"");
        let permanent = TEXT.replace("limit = 2\n", "limit = 2\npermanent = true\n");
        assert_eq!(
            error(&permanent, &Which::All),
            "the rule \"ours\" on line 16 is permanent: it can be edited, not deleted"
        );
        let inline = "rule = [{ name = \"relay\", count = \"auth\", per = \"address\", limit = 1, window = \"1m\" }]";
        let error = reset(inline, "f", &named("relay")).unwrap_err();
        assert!(matches!(error, ResetError::Form(_)), "{error}");
    }
}
