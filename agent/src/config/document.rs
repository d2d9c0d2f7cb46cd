//! A TOML document as it is read here: every value knows where it stands, and every table which keys it may have.

use std::{ops::RangeInclusive, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::{ConfigError, Mistake, unknown};
use crate::duration;

/// The text, and the name that mistakes in it are reported under.
pub(super) struct Document<'t> {
    name: &'t str,
    text: &'t str,
}

impl<'t> Document<'t> {
    pub(super) const fn new(name: &'t str, text: &'t str) -> Self {
        Self { name, text }
    }

    pub(super) fn parse(&self) -> Result<DeTable<'t>, ConfigError> {
        DeTable::parse(self.text)
            .map(Spanned::into_inner)
            .map_err(|error| {
                let at = error.span().map_or(0, |span| span.start);
                self.mistake(at, error.message().replace('\n', "; "))
            })
    }

    /// Something wrong at the byte `at`.
    pub(super) fn mistake(&self, at: usize, what: impl Into<String>) -> ConfigError {
        let (line, column) = self.position(at);
        ConfigError::Mistake(Mistake {
            file: self.name.to_owned(),
            line,
            column,
            what: what.into(),
        })
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

/// A table whose keys are all known.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    title: String,
    at: usize,
    entries: &'d DeTable<'d>,
}

impl<'d> Section<'d> {
    /// The whole document.
    pub(super) fn top(
        document: &'d Document<'d>,
        entries: &'d DeTable<'d>,
        keys: &[&str],
    ) -> Result<Self, ConfigError> {
        let top = Self {
            document,
            title: String::new(),
            at: 0,
            entries,
        };
        top.check_keys(keys)?;
        Ok(top)
    }

    /// The whole document once more, after its keys were checked.
    pub(super) fn whole(document: &'d Document<'d>, entries: &'d DeTable<'d>) -> Self {
        Self {
            document,
            title: String::new(),
            at: 0,
            entries,
        }
    }

    /// The table `[key]`, if it is there.
    pub(super) fn table(&self, key: &str, keys: &[&str]) -> Result<Option<Self>, ConfigError> {
        let Some((at, value)) = self.entry(key) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::Table(entries) => self.inner(format!("[{key}]"), at, entries, keys).map(Some),
            DeValue::Array(_) => {
                let what = format!("{key:?} is one table: write [{key}], and only once");
                Err(self.document.mistake(at, what))
            }
            other => {
                let what = format!("{key:?} must be a table [{key}], not {}", kind(other));
                Err(self.document.mistake(at, what))
            }
        }
    }

    /// The tables `[[key]]`; `None` where nothing is said of them.
    pub(super) fn tables(
        &self,
        key: &str,
        keys: &[&str],
    ) -> Result<Option<Vec<Self>>, ConfigError> {
        let Some((at, value)) = self.entry(key) else {
            return Ok(None);
        };
        let not_tables = |at, value| {
            let what = format!("{key:?} must be tables [[{key}]], not {}", kind(value));
            self.document.mistake(at, what)
        };
        let DeValue::Array(items) = value.get_ref() else {
            return Err(not_tables(at, value.get_ref()));
        };
        items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::Table(entries) => {
                    self.inner(format!("[[{key}]]"), item.span().start, entries, keys)
                }
                other => Err(not_tables(item.span().start, other)),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The value of `key`, if it is there.
    pub(super) fn field(&self, key: &str) -> Option<Field<'d>> {
        self.entry(key).map(|(_, value)| Field {
            document: self.document,
            name: format!("{key:?}{}", self.place()),
            value,
        })
    }

    /// Something wrong with the table as a whole.
    pub(super) fn mistake(&self, what: impl Into<String>) -> ConfigError {
        self.document.mistake(self.at, what)
    }

    /// Which line it starts on.
    pub(super) fn line(&self) -> usize {
        self.document.position(self.at).0
    }

    fn entry(&self, key: &str) -> Option<(usize, &'d Spanned<DeValue<'d>>)> {
        self.entries
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map(|(name, value)| (name.span().start, value))
    }

    fn inner(
        &self,
        title: String,
        at: usize,
        entries: &'d DeTable<'d>,
        keys: &[&str],
    ) -> Result<Self, ConfigError> {
        let section = Self {
            document: self.document,
            title,
            at,
            entries,
        };
        section.check_keys(keys)?;
        Ok(section)
    }

    /// Refuses the first unknown key in the order of the text.
    fn check_keys(&self, keys: &[&str]) -> Result<(), ConfigError> {
        let first = self
            .entries
            .keys()
            .filter(|name| !keys.contains(&name.get_ref().as_ref()))
            .min_by_key(|name| name.span().start);
        match first {
            Some(name) => Err(self.document.mistake(
                name.span().start,
                unknown("key", name.get_ref(), &self.place(), keys.iter().copied()),
            )),
            None => Ok(()),
        }
    }

    fn place(&self) -> String {
        match self.title.as_str() {
            "" => String::new(),
            title => format!(" in {title}"),
        }
    }
}

/// A value.
#[derive(Clone)]
pub(super) struct Field<'d> {
    document: &'d Document<'d>,
    name: String,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Field<'d> {
    pub(super) fn text(&self) -> Result<&'d str, ConfigError> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref()),
            other => Err(self.wrong_type("a string", other)),
        }
    }

    /// True or false.
    pub(super) fn truth(&self) -> Result<bool, ConfigError> {
        match self.value.get_ref() {
            DeValue::Boolean(truth) => Ok(*truth),
            other => Err(self.wrong_type("true or false", other)),
        }
    }

    /// The items of a list, or the value alone where it is no list.
    pub(super) fn items(&self) -> Result<Vec<Self>, ConfigError> {
        if self.value.get_ref().is_array() {
            self.list()
        } else {
            Ok(vec![self.clone()])
        }
    }

    pub(super) fn list(&self) -> Result<Vec<Self>, ConfigError> {
        match self.value.get_ref() {
            DeValue::Array(items) => Ok(items
                .iter()
                .map(|value| Field {
                    document: self.document,
                    name: format!("each of {}", self.name),
                    value,
                })
                .collect()),
            other => Err(self.wrong_type("a list in square brackets", other)),
        }
    }

    /// The fields of a table written as a value.
    pub(super) fn table(&self, title: &str, keys: &[&str]) -> Result<Section<'d>, ConfigError> {
        match self.value.get_ref() {
            DeValue::Table(entries) => {
                let section = Section {
                    document: self.document,
                    title: title.to_owned(),
                    at: self.value.span().start,
                    entries,
                };
                section.check_keys(keys)?;
                Ok(section)
            }
            other => Err(self.wrong_type("a table in braces", other)),
        }
    }

    /// The entries of a table of words, if it is a table.
    pub(super) fn words(&self) -> Option<Vec<(String, Self)>> {
        let DeValue::Table(entries) = self.value.get_ref() else {
            return None;
        };
        let words = entries.iter().map(|(word, value)| {
            let field = Field {
                document: self.document,
                name: format!("each of {}", self.name),
                value,
            };
            (word.get_ref().to_string(), field)
        });
        Some(words.collect())
    }

    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(self.wrong_type("true or false", other)),
        }
    }

    /// A number with at most one digit behind the point, in tenths, up to `most` of them.
    pub(super) fn tenths(&self, most: i16) -> Result<i16, ConfigError> {
        let expected = format!("a number from 0 to {} such as 1.5", most / 10);
        let text = match self.value.get_ref() {
            DeValue::Integer(integer) => integer.as_str(),
            DeValue::Float(float) => float.as_str(),
            other => return Err(self.wrong_type(&expected, other)),
        };
        let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
        let digit = |text: &str| (text.len() == 1).then(|| text.parse::<i16>().ok())?;
        whole
            .parse::<i16>()
            .ok()
            .zip(digit(tenth))
            .and_then(|(whole, tenth)| whole.checked_mul(10)?.checked_add(tenth))
            .filter(|tenths| (0..=most).contains(tenths) && !text.starts_with('-'))
            .ok_or_else(|| self.mistake(format!("{} must be {expected}", self.name)))
    }

    pub(super) fn number<T>(&self, range: RangeInclusive<T>) -> Result<T, ConfigError>
    where
        T: Copy + Into<u32> + TryFrom<u32>,
    {
        let (least, most): (u32, u32) = ((*range.start()).into(), (*range.end()).into());
        let expected = format!("a number from {least} to {most}");
        match self.value.get_ref() {
            DeValue::Integer(integer) => u32::from_str_radix(integer.as_str(), integer.radix())
                .ok()
                .filter(|number| (least..=most).contains(number))
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(|| self.mistake(format!("{} must be {expected}", self.name))),
            other => Err(self.wrong_type(&expected, other)),
        }
    }

    /// A duration of at least a second.
    pub(super) fn duration(&self) -> Result<Duration, ConfigError> {
        let text = match self.value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            other => return Err(self.wrong_type("a duration such as \"10m\"", other)),
        };
        match duration::parse(text) {
            Ok(Duration::ZERO) => Err(self.mistake(format!("{} must be at least 1s", self.name))),
            Ok(duration) => Ok(duration),
            Err(error) => Err(self.mistake(format!("{}: {error}", self.name))),
        }
    }

    /// The one of `all` with the name that is written; `what` they are.
    pub(super) fn choice<T: Copy>(
        &self,
        what: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<T, ConfigError> {
        let text = self.text()?;
        all.iter()
            .copied()
            .find(|one| name(*one) == text)
            .ok_or_else(|| self.unknown(what, text, all.iter().map(|one| name(*one))))
    }

    /// A name that is none of the known ones.
    pub(super) fn unknown<'a>(
        &self,
        what: &str,
        word: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> ConfigError {
        self.mistake(unknown(what, word, "", known))
    }

    /// The name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Something wrong with the value.
    pub(super) fn mistake(&self, what: impl Into<String>) -> ConfigError {
        self.document.mistake(self.value.span().start, what)
    }

    fn wrong_type(&self, expected: &str, found: &DeValue<'_>) -> ConfigError {
        self.mistake(format!(
            "{} must be {expected}, not {}",
            self.name,
            kind(found)
        ))
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
