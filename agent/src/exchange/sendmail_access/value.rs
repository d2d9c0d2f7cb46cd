//! What becomes of whom an entry is about.

/// What Sendmail does with who connects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is refused for good; why, as the client is told.
    Refused(String),
    /// It is refused for now.
    Temporary,
    /// It is let through.
    Passed,
    /// The search ends here: neither refused nor let through.
    NotAsked,
    /// Its mail is treated in another way.
    Other,
}

/// Reads a value; `None` when it is none.
pub(super) fn verdict(value: &str) -> Option<Verdict> {
    let (word, rest) = match value.split_once(|c: char| c.is_ascii_whitespace() || c == ':') {
        Some((word, rest)) => (word, rest),
        None => (value, ""),
    };
    let refused = |text: &str| Verdict::Refused(text.to_owned());
    match word.to_ascii_uppercase().as_str() {
        "REJECT" | "DISCARD" if is_comment(rest) => Some(refused(&format!(
            "sendmail access: {}",
            word.to_ascii_uppercase()
        ))),
        "OK" | "RELAY" if is_comment(rest) => Some(Verdict::Passed),
        "SKIP" if is_comment(rest) => Some(Verdict::NotAsked),
        "QUARANTINE" | "SUBJECT" => Some(Verdict::Other),
        "ERROR" => Some(coded(rest).unwrap_or_else(|| refused(&reason(rest)))),
        _ => coded(value),
    }
}

/// What stands behind a word that needs nothing behind it.
fn is_comment(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#')
}

/// `550 text`, `550 5.7.1 text` or `5.7.1:550 text`, also in quotes.
fn coded(text: &str) -> Option<Verdict> {
    let text = text.trim().trim_matches('"');
    let status = |text: &str| {
        let mut bytes = text.bytes();
        let first = bytes.next()?;
        let is_code = text.len() == 3 && bytes.clone().all(|byte| byte.is_ascii_digit());
        let is_enhanced = bytes.next() == Some(b'.')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
        (matches!(first, b'4' | b'5') && (is_code || is_enhanced)).then_some(first)
    };
    let first = text.split([' ', '\t', ':']).next()?;
    match status(first)? {
        b'4' => Some(Verdict::Temporary),
        _ => Some(Verdict::Refused(reason(text))),
    }
}

fn reason(text: &str) -> String {
    format!("sendmail access: {}", text.trim().trim_matches('"'))
}
